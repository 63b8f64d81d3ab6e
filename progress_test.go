package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patientContext ends long after every transaction should have succeeded.
func patientContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A program that counts rows and adds one would count wrong, or its transactions would starve.
func TestUpdate_scanAndInsertSucceedsUnderContention(t *testing.T) {
	const workers, rounds = 32, 3
	db, ctx := openMemory(t), patientContext(t)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if err := db.Update(ctx, appendRow); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if rows := contents(db); len(rows) != workers*rounds {
		t.Errorf("%d rows after %d inserts", len(rows), workers*rounds)
	}
	requireQuiet(t, db)
}

// appendRow puts a row named after the number of those that are there.
func appendRow(tx *Tx) error {
	r, n := tx.Range(nil, nil), 0
	for range r.Keys() {
		n++
	}
	return errors.Join(r.Err(), tx.Put(fmt.Appendf(nil, "row %04d", n), nil))
}

// A report over many rows that writes its result would never end while others write the rows.
func TestUpdate_longTransactionSucceedsInAStorm(t *testing.T) {
	for _, level := range []Isolation{Serializable, SnapshotIsolation} {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			db, ctx := openMemory(t), patientContext(t)
			row := func(i int) []byte { return fmt.Appendf(nil, "row %03d", i) }
			var stop atomic.Bool
			var wg sync.WaitGroup
			defer wg.Wait()
			defer stop.Store(true)
			for w := range 4 {
				wg.Go(func() {
					for i := w; !stop.Load(); i += 7 {
						if err := db.Put(row(i%100), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			err := db.UpdateWith(ctx, TxOptions{Isolation: level}, func(tx *Tx) error {
				for i := range 100 {
					if _, err := tx.Has(row(i)); err != nil {
						return err
					}
				}
				r := tx.Range(row(20), row(40))
				for range r.Keys() {
				}
				return errors.Join(r.Err(), tx.Put(row(50), []byte("report")))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Precedence that gives none: under snapshot isolation a transaction would lose for ever against whoever writes what it
// comes to next.
func TestUpdate_precedenceHoldsUnderSnapshotIsolation(t *testing.T) {
	for name, second := range map[string]func(*Tx) error{
		"read": func(tx *Tx) error { _, err := tx.GetForUpdate([]byte("b")); return err },
		"get":  func(tx *Tx) error { _, err := tx.Get([]byte("b")); return err },
		"scan": func(tx *Tx) error {
			r := tx.Prefix([]byte("b"))
			r.All()(func(_, _ []byte) bool { return true })
			return r.Err()
		},
		"write": func(tx *Tx) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			db, ctx := openMemory(t), patientContext(t)
			mustPut(t, db, "a", "0")
			mustPut(t, db, "b", "0")
			attempts := 0
			err := db.UpdateWith(ctx, TxOptions{Isolation: SnapshotIsolation}, func(tx *Tx) error {
				if attempts++; attempts > 2*priorityAfter {
					return errors.New("it loses even with precedence")
				}
				if _, err := tx.Get([]byte("a")); err != nil {
					return err
				}
				if err := db.Put([]byte("b"), fmt.Append(nil, attempts)); err != nil { // somebody is faster
					return err
				}
				return errors.Join(second(tx), tx.Put([]byte("b"), []byte("mine")))
			})
			if v, _ := db.Get([]byte("b")); err != nil || string(v) != "mine" {
				t.Errorf("%v after %d attempts; b is %q", err, attempts, v)
			}
			requireQuiet(t, db)
		})
	}
}

// Two transfers in opposite directions would hang, or one of them would fail.
func TestGetForUpdate_inOppositeOrdersAllSucceed(t *testing.T) {
	const workers, rounds = 8, 20
	db, ctx := openMemory(t), patientContext(t)
	keys := []string{"a", "b", "c"}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				err := db.Update(ctx, func(tx *Tx) error {
					return errors.Join(lockedIncrement(tx, keys[w%3]), lockedIncrement(tx, keys[(w+1+w%2)%3]))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sum := counter(t, db, "a") + counter(t, db, "b") + counter(t, db, "c")
	if sum != 2*workers*rounds {
		t.Errorf("%d increments of %d", sum, 2*workers*rounds)
	}
	requireQuiet(t, db)
}

func lockedIncrement(tx *Tx, k string) error {
	if _, err := tx.GetForUpdate([]byte(k)); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return increment(tx, k)
}

// requireQuiet fails if a transaction has left a snapshot, a cursor or a lock behind.
func requireQuiet(t *testing.T, db *DB) {
	t.Helper()
	if m := db.Metrics(); m.Snapshots != 0 || m.Iterators != 0 {
		t.Errorf("%d snapshots and %d cursors are left", m.Snapshots, m.Iterators)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := db.Update(ctx, func(tx *Tx) error {
		r := tx.Range(nil, nil)
		for k := range r.Keys() {
			if _, err := tx.GetForUpdate(k); err != nil {
				return err
			}
		}
		return errors.Join(r.Err(), tx.Put([]byte("quiet"), nil), tx.Delete([]byte("quiet")))
	})
	if err != nil {
		t.Errorf("the next writer does not get through: %v", err)
	}
}
