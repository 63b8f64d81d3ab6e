package lightningdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// forgotten begins a transaction that locks key and is left alone, until the test ends.
func forgotten(t *testing.T, db *DB, ctx context.Context, key string) *Tx {
	t.Helper()
	tx, err := db.Begin(ctx, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	if _, err := tx.GetForUpdate([]byte(key)); err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	return tx
}

// waitingWrites is every call that may have to wait for a lock on key.
func waitingWrites(db *DB, key []byte) map[string]func() error {
	began := func(o TxOptions, do func(tx *Tx) error) func() error {
		return func() error {
			tx, err := db.Begin(context.Background(), o)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			return errors.Join(do(tx), tx.Commit())
		}
	}
	put := func(tx *Tx) error { return tx.Put(key, []byte("v")) }
	return map[string]func() error{
		"Put":    func() error { return db.Put(key, []byte("v")) },
		"Delete": func() error { return db.Delete(key) },
		"Add":    func() error { return db.Add(key, 1) },
		"Append": func() error { return db.Append(key, []byte("v")) },
		"Write": func() error {
			var b Batch
			b.Put([]byte("another"), []byte("v"))
			b.Put(key, []byte("v"))
			return db.Write(&b)
		},
		"Commit":            began(TxOptions{}, put),
		"Commit, snapshots": began(TxOptions{Isolation: SnapshotIsolation}, put),
		"Commit, large": began(TxOptions{}, func(tx *Tx) error {
			value := make([]byte, 1<<20)
			for i := range 3 {
				if err := tx.Put(fmt.Append(nil, "large", i), value); err != nil {
					return err
				}
			}
			return put(tx)
		}),
		"GetForUpdate": began(TxOptions{}, func(tx *Tx) error { _, err := tx.GetForUpdate(key); return err }),
		"Update":       func() error { return db.Update(context.Background(), put) },
		"Update, locking": func() error {
			return db.Update(context.Background(), func(tx *Tx) error { _, err := tx.GetForUpdate(key); return err })
		},
	}
}

// A forgotten transaction would stop everybody who writes what it has locked, for ever and without a word.
func TestLockTimeout_boundsEveryWait(t *testing.T) {
	for _, limit := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			db, err := Open("", &Options{InMemory: true, LockTimeout: limit, MemoryLimit: 10 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			key := []byte("\x00k\xff")
			holder := forgotten(t, db, context.Background(), string(key))
			want := limit
			if limit == 0 {
				want = 10 * time.Second
			}
			for name, write := range waitingWrites(db, key) {
				time.Sleep(time.Second)
				start := time.Now()
				checkTimeout(t, name, write(), key)
				if took := time.Since(start); took != want {
					t.Errorf("%s waited for %v, want %v", name, took, want)
				}
			}
			if _, err := db.Get([]byte("another")); !errors.Is(err, ErrNotFound) {
				t.Errorf("a batch that was refused is there in part: %v", err)
			}
			m := db.Metrics().Transactions
			if n := uint64(len(waitingWrites(db, key))); m.Timeouts != n || m.Waiting != 0 ||
				m.OldestLock < time.Duration(n)*want {
				t.Errorf("the metrics count %d timeouts of %d, %d waiting, oldest lock %v", m.Timeouts, n, m.Waiting, m.OldestLock)
			}
			if err := errors.Join(holder.Rollback(), db.Put(key, nil)); err != nil {
				t.Errorf("after the holder has ended: %v", err)
			}
			if m := db.Metrics().Transactions; m.OldestLock != 0 {
				t.Errorf("nothing is locked, and the oldest lock is %v old", m.OldestLock)
			}
		})
	}
}

// checkTimeout checks the error of a call that has waited for key.
func checkTimeout(t *testing.T, name string, err error, key []byte) {
	t.Helper()
	var timeout *LockTimeoutError
	switch {
	case !errors.Is(err, ErrLockTimeout) || !errors.As(err, &timeout):
		t.Errorf("%s returned %v", name, err)
	case string(timeout.Key) != string(key) || timeout.Age < timeout.Waited || timeout.Holder != "transaction 1":
		t.Errorf("%s names key %q, age %v, holder %q", name, timeout.Key, timeout.Age, timeout.Holder)
	case !strings.Contains(err.Error(), `"\x00k\xff"`) || !strings.Contains(err.Error(), "LockTimeout"):
		t.Errorf("%s says %v", name, err)
	}
}

// A write of many keys would wait for each of them as long as for one.
func TestLockTimeout_isForAllLocksOfACallTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open("", &Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		first, second := forgotten(t, db, t.Context(), "a"), forgotten(t, db, t.Context(), "b")
		go func() {
			time.Sleep(9 * time.Second)
			first.Rollback()
		}()
		var b Batch
		b.Put([]byte("a"), nil)
		b.Put([]byte("b"), nil)
		start := time.Now()
		if err := db.Write(&b); !errors.Is(err, ErrLockTimeout) {
			t.Error(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it waited for %v", took)
		}
		second.Rollback()
	})
}

// A transaction whose context has ended, by a client that has gone, would keep its locks until somebody ends it, and
// that may be never; or it would commit what it could lock no more.
func TestBegin_locksGoWithTheContext(t *testing.T) {
	for _, isolation := range []Isolation{Serializable, SnapshotIsolation} {
		synctest.Test(t, func(t *testing.T) {
			db := openMemory(t)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			tx, err := db.Begin(ctx, TxOptions{Isolation: isolation})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			for _, k := range []string{"k", "l"} {
				if _, err := tx.GetForUpdate([]byte(k)); !errors.Is(err, ErrNotFound) {
					t.Fatal(err)
				}
			}
			if err := tx.Put([]byte("k"), []byte("late")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := db.Put([]byte("k"), []byte("other")); err != nil || time.Since(start) != 4*time.Second {
				t.Errorf("another write gave %v after %v", err, time.Since(start))
			}
			if m := db.Metrics().Transactions; m.OldestLock != 0 {
				t.Errorf("a lock of age %v is left", m.OldestLock)
			}
			if _, err := tx.GetForUpdate([]byte("m")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it locks another key: %v", err)
			}
			if err := tx.Commit(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Commit: %v", err)
			}
			if v, err := db.Get([]byte("k")); string(v) != "other" || err != nil {
				t.Errorf("the key is %q, %v", v, err)
			}
		})
	}
}

// An operator who looks for what holds up the others, or keeps old versions, would have to guess.
func TestMetrics_showWhatIsOldest(t *testing.T) {
	for _, traced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db, err := Open("", &Options{InMemory: true, TraceReaders: traced, LockTimeout: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if m := db.Metrics(); m.OldestReader != 0 || m.Readers != nil {
				t.Errorf("nothing is open: %v, %v", m.OldestReader, m.Readers)
			}
			s := db.Snapshot()
			defer s.Close()
			time.Sleep(time.Minute)
			tx := forgotten(t, db, t.Context(), "k")
			time.Sleep(time.Minute)
			c := s.Range(nil, nil).Cursor()
			defer c.Close()
			c.First()
			done := make(chan error, 1)
			go func() { done <- db.Put([]byte("k"), nil) }()
			synctest.Wait()
			m := db.Metrics()
			if missing := 2*time.Minute - m.OldestReader; missing < 0 || missing > time.Second ||
				m.Transactions.OldestLock != time.Minute || m.Transactions.Waiting != 1 {
				t.Errorf("oldest reader %v, oldest lock %v, waiting %d", m.OldestReader, m.Transactions.OldestLock,
					m.Transactions.Waiting)
			}
			checkTraces(t, m, traced)
			if err := errors.Join(tx.Rollback(), <-done); err != nil {
				t.Error(err)
			}
		})
	}
}

// The oldest reader is found by its age: what it reads may be newer than what others read, who came later.
func TestMetrics_oldestReaderMayReadTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openMemory(t)
		past := db.Snapshot()
		if err := db.Put([]byte("k"), nil); err != nil {
			t.Fatal(err)
		}
		oldest := db.Snapshot()
		defer oldest.Close()
		time.Sleep(time.Minute)
		young, err := db.At(past.Sequence())
		if err != nil {
			t.Fatal(err)
		}
		defer young.Close()
		past.Close()
		time.Sleep(time.Minute)
		if age := db.Metrics().OldestReader; age > 2*time.Minute || age < 2*time.Minute-time.Second { // as its comment says
			t.Errorf("the oldest reader is %v old", age)
		}
	})
}

// checkTraces checks the readers of TestMetrics_showWhatIsOldest.
func checkTraces(t *testing.T, m Metrics, traced bool) {
	t.Helper()
	if !traced {
		if m.Readers != nil {
			t.Errorf("readers are traced that need not be: %v", m.Readers)
		}
		return
	}
	got := ""
	for _, r := range m.Readers {
		got += fmt.Sprint(r.Kind, " ", r.Age.Round(2*time.Second), "; ") // up to a second may be missing
		if line, _, _ := strings.Cut(r.Stack, "\n"); !strings.Contains(line, "lock_test.go:") {
			t.Errorf("a %s was opened by %q", r.Kind, line)
		}
		if r.Opened.IsZero() {
			t.Errorf("a %s was opened never", r.Kind)
		}
	}
	if want := "snapshot 2m0s; cursor 2m0s; transaction 1m0s; "; got != want { // a cursor is as old as what it reads
		t.Errorf("readers %q, want %q", got, want)
	}
	if text, err := json.Marshal(m.Readers); err != nil || !strings.Contains(string(text), "lock_test.go:") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

// The error would send people looking for a number.
func TestLockTimeout_namesWhereTheHolderWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open("", &Options{InMemory: true, TraceReaders: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		forgotten(t, db, t.Context(), "k")
		var timeout *LockTimeoutError
		if err := db.Put([]byte("k"), nil); !errors.As(err, &timeout) {
			t.Fatal(err)
		}
		for _, part := range []string{"transaction 1, begun 2000-01-01T", "forgotten", "lock_test.go:"} {
			if !strings.Contains(timeout.Holder, part) {
				t.Errorf("%q does not name %q", timeout.Holder, part)
			}
		}
	})
}
