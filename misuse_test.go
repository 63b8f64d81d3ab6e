package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// places calls something at one of the places that a function passes.
type places struct {
	left int // places before it
	do   func()
	name string // of the place where it was called, "" for none
}

func (p *places) pass(name string) {
	if p.left--; p.left == -1 {
		p.name = name
		p.do()
	}
}

// wander makes a call of every kind in tx, with a place around and inside each.
func (p *places) wander(tx *Tx) (err error) {
	note := func(place string, more ...error) {
		err = errors.Join(err, errors.Join(more...))
		p.pass(place)
	}
	note("start", tx.OnCommit(func(uint64) { p.pass("on commit") }))
	_, missed := tx.Get([]byte("missing"))
	if errors.Is(missed, ErrNotFound) {
		missed = nil
	}
	note("get", missed, tx.Put([]byte("a"), []byte("wandered")))
	_, lockErr := tx.GetForUpdate([]byte("b"))
	note("locked", lockErr)
	c := tx.Range(nil, nil).Cursor() // which nobody closes
	c.First()
	note("cursor", c.Err(), tx.Update(func(tx *Tx) error {
		_, lockErr := tx.GetForUpdate([]byte("c"))
		note("inside", lockErr, tx.Put([]byte("d"), nil))
		return nil
	}))
	r := tx.Range(nil, nil)
	for k := range r.All() {
		note("loop", tx.Delete(k))
	}
	back := tx.Range(nil, nil).Reverse()
	for range back.Keys() {
		note("loop back")
	}
	s, savedErr := tx.Savepoint()
	note("savepoint", r.Err(), back.Err(), savedErr, tx.Append([]byte("b"), []byte("x")), tx.RollbackTo(s))
	note("end", tx.Add([]byte("counter"), 1))
	return err
}

func openWithRows(t *testing.T) *DB {
	db := openMemory(t)
	for _, k := range []string{"a", "b", "c"} {
		mustPut(t, db, k, "old")
	}
	return db
}

// any-store committed half of a batch after a panic, and kept its lock. A test that fails with FailNow ends by Goexit.
func TestUpdate_panicOrGoexitAnywhereRollsBack(t *testing.T) {
	for name, die := range map[string]func(){"panic": func() { panic("mine") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				db := openWithRows(t)
				before := contents(db)
				p := places{left: n, do: die}
				panicked, returned := inGoroutine(func() error { return db.Update(t.Context(), p.wander) })
				if p.name == "" {
					break
				}
				if returned || (name == "panic") != (panicked == "mine") {
					t.Errorf("at %q: returned %v, panicked with %v", p.name, returned, panicked)
				}
				if unchanged := maps.Equal(before, contents(db)); unchanged != (p.name != "on commit") {
					t.Errorf("at %q: unchanged: %v", p.name, unchanged)
				}
				requireQuiet(t, db)
				db.Close()
			}
		})
	}
}

// A closure that lives through a panic inside Tx.Update must not commit the half that was written.
func TestTxUpdate_panicTakesBackItsPartOnly(t *testing.T) {
	db := openWithRows(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		err := tx.Put([]byte("a"), []byte("new"))
		func() {
			defer func() { recover() }()
			tx.Update(func(tx *Tx) error {
				tx.Put([]byte("b"), []byte("half"))
				panic("mine")
			})
		}()
		return err
	})
	if got := contents(db); err != nil || got["a"] != "new" || got["b"] != "old" {
		t.Errorf("%v, %v", got, err)
	}
	requireQuiet(t, db)
}

// inGoroutine calls fn in a goroutine that may not live through it.
func inGoroutine(fn func() error) (panicked any, returned bool) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { panicked = recover() }()
		_ = fn()
		returned = true
	})
	wg.Wait()
	return panicked, returned
}

// A View that ends by a panic in a loop would pin old versions.
func TestView_panicOrGoexitInALoopLeavesNothing(t *testing.T) {
	for _, die := range []func(){func() { panic("mine") }, runtime.Goexit} {
		db := openWithRows(t)
		_, returned := inGoroutine(func() error {
			return db.View(t.Context(), func(tx *Tx) error {
				for range tx.Range(nil, nil).All() {
					die()
				}
				return nil
			})
		})
		if returned {
			t.Error("View returned")
		}
		requireQuiet(t, db)
	}
}

// An Update that says it was cancelled must not have written.
func TestUpdate_cancelledAnywhereTellsTheTruth(t *testing.T) {
	for n := 0; ; n++ {
		db := openWithRows(t)
		before := contents(db)
		ctx, cancel := context.WithCancel(t.Context())
		p := places{left: n, do: cancel}
		err := db.Update(ctx, p.wander)
		cancel()
		if p.name == "" {
			break
		}
		switch unchanged := maps.Equal(before, contents(db)); {
		case p.name == "on commit" && (err != nil || unchanged):
			t.Errorf("cancelled after the commit: %v", err)
		case p.name != "on commit" && (!errors.Is(err, context.Canceled) || !unchanged):
			t.Errorf("cancelled at %q: %v", p.name, err)
		}
		requireQuiet(t, db)
		db.Close()
	}
}

// A cancellation that meets the commit itself: what was acknowledged counts, and nothing else.
func TestUpdate_cancelledAtRandomCountsExactly(t *testing.T) {
	db := openMemory(t)
	mustPut(t, db, "counter", string(make([]byte, 8)))
	acknowledged := uint64(0)
	for range 400 {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(rand.N(40))*time.Microsecond, cancel)
		err := db.Update(ctx, func(tx *Tx) error { return lockedIncrement(tx, "counter") })
		timer.Stop()
		cancel()
		switch {
		case err == nil:
			acknowledged++
		case !errors.Is(err, context.Canceled):
			t.Fatal(err)
		}
	}
	if got := counter(t, db, "counter"); got != acknowledged {
		t.Errorf("%d of %d increments are there", got, acknowledged)
	}
	requireQuiet(t, db)
}

// A database that is closed while a transaction runs must neither crash nor hang it, nor commit it.
func TestUpdate_closedAnywhereSaysSo(t *testing.T) {
	for n := 0; ; n++ {
		db := openWithRows(t)
		p := places{left: n, do: func() {
			if err := db.Close(); err != nil && !errors.Is(err, ErrOpenReaders) {
				t.Error(err)
			}
		}}
		err := db.Update(t.Context(), p.wander)
		if p.name == "" {
			break
		}
		if p.name == "on commit" != (err == nil) || err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("closed at %q: %v", p.name, err)
		}
		if m := db.Metrics(); m.Snapshots != 0 || m.Iterators != 0 {
			t.Errorf("closed at %q: %d snapshots and %d cursors are left", p.name, m.Snapshots, m.Iterators)
		}
	}
}

// Whoever waits for a lock must hear that the database is closed.
func TestClose_wakesWhoWaitsForALock(t *testing.T) {
	db := openWithRows(t)
	holder := mustBegin(t, db)
	if _, err := holder.GetForUpdate([]byte("a")); err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 2)
	go func() {
		results <- db.Update(context.Background(), func(tx *Tx) error {
			_, err := tx.GetForUpdate([]byte("a"))
			return err
		})
	}()
	go func() { results <- db.Put([]byte("a"), nil) }()
	if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
		t.Errorf("Close gave %v", err)
	}
	for range 2 {
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Errorf("the waiter got %v", err)
		}
	}
	if err := holder.Commit(); err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func mustBegin(t *testing.T, db *DB) *Tx {
	t.Helper()
	tx, err := db.Begin(context.Background(), TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// readCalls are the calls of any transaction, by name.
func readCalls(tx *Tx) map[string]error {
	_, get := tx.Get([]byte("a"))
	_, has := tx.Has([]byte("a"))
	r := tx.Range(nil, nil)
	for range r.All() {
	}
	return map[string]error{"Get": get, "Has": has, "Range": r.Err()}
}

// writeCalls are the calls of a read-write transaction, by name.
func writeCalls(tx *Tx, s Savepoint) map[string]error {
	_, lock := tx.GetForUpdate([]byte("a"))
	_, save := tx.Savepoint()
	return map[string]error{
		"GetForUpdate": lock, "Savepoint": save, "RollbackTo": tx.RollbackTo(s),
		"Put": tx.Put([]byte("a"), nil), "Delete": tx.Delete([]byte("a")),
		"DeleteRange": tx.DeleteRange(nil, nil), "DeletePrefix": tx.DeletePrefix([]byte("a")),
		"Add": tx.Add([]byte("n"), 1), "Append": tx.Append([]byte("a"), nil),
		"Update":        tx.Update(func(*Tx) error { return nil }),
		"SetDurability": tx.SetDurability(Process), "OnCommit": tx.OnCommit(func(uint64) {}),
	}
}

func requireErrors(t *testing.T, when string, want error, errs map[string]error) {
	t.Helper()
	for name, err := range errs {
		if !errors.Is(err, want) {
			t.Errorf("%s, %s gave %v", when, name, err)
		}
	}
}

// A transaction kept beyond its end would write into another's time.
func TestTx_afterItsEndEveryCallSaysSo(t *testing.T) {
	db := openWithRows(t)
	for when, end := range map[string]func(*Tx) error{"after Commit": (*Tx).Commit, "after Rollback": (*Tx).Rollback} {
		tx := mustBegin(t, db)
		s, err := tx.Savepoint()
		if err != nil {
			t.Fatal(err)
		}
		cursor := tx.Range(nil, nil).Cursor()
		if !cursor.First() {
			t.Fatal(cursor.Err())
		}
		if err := errors.Join(tx.Put([]byte("a"), []byte(when)), end(tx)); err != nil {
			t.Fatal(err)
		}
		if cursor.Next() || !errors.Is(cursor.Err(), ErrTxDone) || cursor.Key() != nil || cursor.Value() != nil {
			t.Errorf("%s the cursor goes on: %v", when, cursor.Err())
		}
		requireErrors(t, when, ErrTxDone, readCalls(tx))
		requireErrors(t, when, ErrTxDone, writeCalls(tx, s))
		requireErrors(t, when, ErrTxDone, map[string]error{"Commit": tx.Commit()})
		if err := errors.Join(tx.Rollback(), cursor.Close()); err != nil {
			t.Errorf("%s, Rollback or Cursor.Close gave %v", when, err)
		}
	}
	requireQuiet(t, db)
}

// A write that View takes and drops would be lost without a word.
func TestView_refusesWrites(t *testing.T) {
	db := openWithRows(t)
	err := db.View(t.Context(), func(tx *Tx) error {
		requireErrors(t, "in View", ErrReadOnlyTx, withoutVoid(writeCalls(tx, Savepoint{})))
		requireErrors(t, "in View", ErrManagedTx, map[string]error{"Commit": tx.Commit(), "Rollback": tx.Rollback()})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = db.Update(t.Context(), func(tx *Tx) error {
		requireErrors(t, "in Update", ErrManagedTx, map[string]error{"Commit": tx.Commit(), "Rollback": tx.Rollback()})
		requireErrors(t, "in Update", ErrSavepointVoid, map[string]error{"RollbackTo": tx.RollbackTo(Savepoint{})})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	requireQuiet(t, db)
}

// withoutVoid leaves out RollbackTo, of which a read-only transaction has no savepoint.
func withoutVoid(errs map[string]error) map[string]error {
	delete(errs, "RollbackTo")
	return errs
}

// An Update inside an Update would wait for itself, or commit what the outer one takes back.
func TestUpdate_nestedIsRefusedAndInAnotherDatabaseAllowed(t *testing.T) {
	db, other := openWithRows(t), openWithRows(t)
	helper := func(db *DB) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.Put([]byte("a"), []byte("new")) })
	}
	err := db.Update(t.Context(), func(*Tx) error { return helper(db) })
	if !errors.Is(err, ErrNested) {
		t.Errorf("Update inside Update gave %v", err)
	}
	if err := db.Update(t.Context(), func(*Tx) error { return helper(other) }); err != nil {
		t.Errorf("Update of another database inside Update gave %v", err)
	}
	err = db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.GetForUpdate([]byte("a"))
		return errors.Join(err, db.Put([]byte("a"), nil))
	})
	if !errors.Is(err, ErrNested) {
		t.Errorf("Put of a key that the goroutine's own transaction has locked gave %v", err)
	}
	if v, _ := db.Get([]byte("a")); string(v) != "old" {
		t.Errorf("a is %q", v)
	}
	requireQuiet(t, db)
	requireQuiet(t, other)
}

// A goroutine that outlives the function of an Update would keep its locks from everybody, for ever.
func TestUpdate_goroutineThatStaysInACallKeepsNoLock(t *testing.T) {
	db := openWithRows(t)
	holder := mustBegin(t, db)
	if _, err := holder.GetForUpdate([]byte("a")); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	straggler := make(chan error)
	err := db.Update(t.Context(), func(tx *Tx) error {
		if _, err := tx.GetForUpdate([]byte("b")); err != nil {
			return err
		}
		go func() {
			err := ErrTxInUse // as it is while the function below asks whether the call is in progress
			for errors.Is(err, ErrTxInUse) {
				_, err = tx.GetForUpdate([]byte("a"))
			}
			straggler <- err
		}()
		for { // until the call is in progress
			if _, err := tx.Has([]byte("c")); errors.Is(err, ErrTxInUse) {
				break
			}
			runtime.Gosched()
		}
		requireErrors(t, "during a call", ErrTxInUse, readCalls(tx))
		requireErrors(t, "during a call", ErrTxInUse, map[string]error{"Put": tx.Put([]byte("c"), nil)})
		return mine
	})
	if !errors.Is(err, mine) {
		t.Errorf("Update gave %v", err)
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-straggler; err != nil && !errors.Is(err, ErrTxDone) {
		t.Errorf("the call in progress gave %v", err)
	}
	requireQuiet(t, db)
}

// One transaction in many goroutines must not become a data race.
func TestTx_usedByManyGoroutinesStaysWhole(t *testing.T) {
	db := openWithRows(t)
	tx := mustBegin(t, db)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				k := fmt.Appendf(nil, "row %d %d", w, i)
				_, get := tx.Get([]byte("a"))
				r := tx.Range(nil, nil).Limit(3)
				for range r.All() {
				}
				for _, err := range []error{tx.Put(k, nil), get, r.Err()} {
					if err != nil && !errors.Is(err, ErrTxInUse) {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := tx.Commit(); err != nil && !errors.Is(err, ErrTxInUse) {
		t.Error(err)
	}
	requireQuiet(t, db)
}

// A program that uses its buffers again would change what is committed, or what it has read.
func TestTx_copiesWhatItTakesAndGives(t *testing.T) {
	db := openWithRows(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		k, v := []byte("k"), []byte("value")
		err := errors.Join(tx.Put(k, v), tx.Append([]byte("c"), v))
		copy(k, "x")
		copy(v, "XXXXX")
		own, ownErr := tx.Get([]byte("k"))
		copy(own, "XXXXX")
		locked, lockErr := tx.GetForUpdate([]byte("a"))
		copy(locked, "XXX")
		again, againErr := tx.Get([]byte("a"))
		if string(again) != "old" {
			t.Errorf("a reads %q", again)
		}
		d := []byte("b")
		err = errors.Join(err, ownErr, lockErr, againErr, tx.Delete(d))
		copy(d, "a")
		return err
	})
	want := map[string]string{"a": "old", "c": "oldvalue", "k": "value"}
	if got := contents(db); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// A limit that only the commit knows would refuse a transaction when its work is done.
func TestLimits_ofTransactions(t *testing.T) {
	db := openMemory(t)
	tx := mustBegin(t, db)
	longest, longer := bytes.Repeat([]byte("k"), MaxKeySize), make([]byte, MaxKeySize+1)
	value := make([]byte, MaxValueSize+1)
	_, lockLonger := tx.GetForUpdate(longer)
	_, lockLongest := tx.GetForUpdate(longest)
	for name, c := range map[string]struct{ got, want error }{
		"longer key":           {tx.Put(longer, nil), ErrKeyTooLarge},
		"delete of longer key": {tx.Delete(longer), ErrKeyTooLarge},
		"lock of longer key":   {lockLonger, ErrKeyTooLarge},
		"longer lower end":     {tx.DeleteRange(longer, nil), nil},
		"longer upper end":     {tx.DeleteRange(nil, longer), nil},
		"longer prefix":        {tx.DeletePrefix(longer), nil},
		"longer value":         {tx.Put([]byte("v"), value), ErrValueTooLarge},
		"lock of longest key":  {lockLongest, ErrNotFound},
		"longest ends":         {tx.DeleteRange(longest, bytes.Repeat([]byte("l"), MaxKeySize)), nil},
		"longest key":          {tx.Put(longest, nil), nil},
		"longest value":        {tx.Put([]byte("v"), value[1:]), nil},
		"commit":               {tx.Commit(), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s gave %v", name, c.got)
		}
	}
	if v, err := db.Get([]byte("v")); err != nil || len(v) != MaxValueSize {
		t.Errorf("the longest value has %d bytes: %v", len(v), err)
	}
}
