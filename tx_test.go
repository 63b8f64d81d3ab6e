package lightningdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"lightningdb/metrics"
)

func openMemory(t testing.TB) *DB {
	t.Helper()
	db, err := Open("", &Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// The original ended at 8 to 30 % of these increments.
func TestUpdate_losesNoIncrementUnderContention(t *testing.T) {
	const workers, rounds = 20, 50
	db := openMemory(t)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if err := db.Update(t.Context(), func(tx *Tx) error { return increment(tx, "counter") }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := counter(t, db, "counter"); got != workers*rounds {
		t.Errorf("the counter is %d after %d increments", got, workers*rounds)
	}
}

func increment(tx *Tx, k string) error {
	v, err := tx.Get([]byte(k))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	n := uint64(0)
	if err == nil {
		n = binary.BigEndian.Uint64(v)
	}
	return tx.Put([]byte(k), binary.BigEndian.AppendUint64(nil, n+1))
}

func counter(t testing.TB, db *DB, k string) uint64 {
	t.Helper()
	v, err := db.Get([]byte(k))
	if err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint64(v)
}

func BenchmarkViewGet(b *testing.B) {
	db := openMemory(b)
	key := []byte("key")
	db.Put(key, make([]byte, 100))
	buf := make([]byte, 0, 128)
	b.Run("db", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			db.GetAppend(buf, key)
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		get := func(tx *Tx) error {
			_, err := tx.GetAppend(buf, key)
			return err
		}
		for b.Loop() {
			db.View(ctx, get)
		}
	})
}

func BenchmarkUpdateTransfer(b *testing.B) {
	for _, accounts := range []int{10, 100, 10000} {
		b.Run(fmt.Sprint(accounts), func(b *testing.B) {
			db, err := Open(b.TempDir(), &Options{Durability: Process})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			var keys [][]byte
			for i := range accounts {
				keys = append(keys, fmt.Appendf(nil, "account %06d", i))
				db.Put(keys[i], binary.BigEndian.AppendUint64(nil, 1000))
			}
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				i := 1
				for pb.Next() {
					i = i*1103515245 + 12345
					from, to := keys[uint(i>>8)%uint(accounts)], keys[uint(i>>20)%uint(accounts)]
					err := db.Update(context.Background(), func(tx *Tx) error {
						return errors.Join(increment(tx, string(from)), increment(tx, string(to)))
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// Operators see from the metrics why transactions are repeated.
func TestMetrics_countConflictsAndWaits(t *testing.T) {
	db := openMemory(t)
	for _, lock := range []bool{false, true} {
		a, errA := db.Begin(t.Context(), TxOptions{})
		b, errB := db.Begin(t.Context(), TxOptions{})
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if lock {
			if _, err := a.GetForUpdate([]byte("k")); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- errors.Join(increment(b, "k"), b.Commit()) }()
			for db.Metrics().Transactions.LockWaits == 0 {
				select {
				case err := <-done:
					t.Fatalf("it did not wait for the lock: %v", err)
				default:
					runtime.Gosched()
				}
			}
			if err := errors.Join(a.Rollback(), <-done); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := errors.Join(increment(a, "other"), increment(b, "other"), a.Commit()); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(); !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
	}
	want := metrics.Transactions{Conflicts: 1, LockWaits: 1}
	if got := db.Metrics().Transactions; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A commit is over when OnCommit's functions run: they may commit in turn.
func TestOnCommit_mayUpdate(t *testing.T) {
	db := openMemory(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		tx.OnCommit(func(uint64) {
			if err := db.Update(t.Context(), func(tx *Tx) error { return increment(tx, "second") }); err != nil {
				t.Error(err)
			}
		})
		return increment(tx, "first")
	})
	if err != nil || counter(t, db, "first") != 1 || counter(t, db, "second") != 1 {
		t.Error(err)
	}
}

// What a refused call was to do is missing: half a transaction must not commit because somebody ignored the error.
func TestCommit_refusesWhatTwoGoroutinesUsedAtOnce(t *testing.T) {
	db := openMemory(t)
	err := db.Update(t.Context(), func(tx *Tx) error {
		requireNil(t, tx.body.Writer.Enter()) // another goroutine is in a call
		if err := tx.Put([]byte("lost"), nil); !errors.Is(err, ErrTxInUse) {
			t.Errorf("Put gave %v", err)
		}
		tx.body.Writer.Leave()
		return tx.Put([]byte("k"), nil)
	})
	if !errors.Is(err, ErrTxInUse) {
		t.Errorf("Update gave %v", err)
	}
	if ok, err := db.Has([]byte("k")); ok || err != nil {
		t.Errorf("half of the transaction is there: %v", err)
	}
}

// A cursor that outlives its View would go on without anybody keeping what it reads.
func TestView_endsItsCursors(t *testing.T) {
	db := openMemory(t)
	if err := errors.Join(db.Put([]byte("a"), nil), db.Put([]byte("b"), nil)); err != nil {
		t.Fatal(err)
	}
	var c *Cursor
	if err := db.View(t.Context(), func(tx *Tx) error {
		c = tx.Range(nil, nil).Cursor()
		c.First()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Next() || !errors.Is(c.Err(), ErrTxDone) {
		t.Errorf("after View the cursor is at %q, %v", c.Key(), c.Err())
	}
}

// A transaction takes over the memory of one that has ended. A late call on the old one, or a key of a range that its
// caller kept, must not see or change what the new one does.
func TestTx_endedIsApartFromLaterOnes(t *testing.T) {
	db := openMemory(t)
	ended := make([]*Tx, 20)
	var kept [][]byte
	for i := range ended {
		tx, err := db.Begin(t.Context(), TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Put(fmt.Appendf(nil, "old %02d", i), []byte("old")); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			for k := range tx.Prefix(fmt.Appendf(nil, "old %02d", i)).Keys() {
				kept = append(kept, k)
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		ended[i] = tx
	}
	for i := range ended {
		err := db.Update(t.Context(), func(tx *Tx) error {
			err := tx.Put(fmt.Appendf(nil, "new %02d", i), []byte("new"))
			for _, old := range ended {
				if err := old.Put([]byte("late"), nil); !errors.Is(err, ErrTxDone) {
					t.Errorf("Put after the end: %v", err)
				}
				if _, err := old.Get([]byte("late")); !errors.Is(err, ErrTxDone) {
					t.Errorf("Get after the end: %v", err)
				}
				if err := old.Rollback(); err != nil {
					t.Errorf("Rollback after the end: %v", err)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, k := range kept {
		if want := fmt.Sprintf("old %02d", 2*i); string(k) != want {
			t.Errorf("a key of a range became %q, want %q", k, want)
		}
	}
	n := 0
	for k := range db.Range(nil, nil).Keys() {
		if want := fmt.Sprintf("new %02d", n); string(k) != want {
			t.Errorf("key %d is %q, want %q", n, k, want)
		}
		n++
	}
	if n != len(ended) {
		t.Errorf("%d keys, want %d", n, len(ended))
	}
}

// BenchmarkUpdateContended has 20 goroutines increment one counter. Synced, one increment for each sync is the limit.
func BenchmarkUpdateContended(b *testing.B) {
	for name, d := range map[string]Durability{"sync": Sync, "process": Process} {
		b.Run(name, func(b *testing.B) {
			db, err := Open(b.TempDir(), &Options{Durability: d})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			var left, attempts atomic.Int64
			left.Store(int64(b.N))
			var done sync.WaitGroup
			for range 20 {
				done.Go(func() {
					for left.Add(-1) >= 0 {
						err := db.Update(b.Context(), func(tx *Tx) error {
							attempts.Add(1)
							return increment(tx, "counter")
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			done.Wait()
			b.ReportMetric(float64(attempts.Load())/float64(b.N), "attempts/op")
		})
	}
}

// The current key is only lent: a seek to it must not read it after the page that it lies in has been given back.
func TestCursor_seeksToItsOwnKey(t *testing.T) {
	db := openMemory(t)
	const n = 1000
	var b Batch
	for i := range n {
		b.Put(fmt.Appendf(nil, "%04d", i), make([]byte, 100))
	}
	if err := errors.Join(db.Write(&b), db.Flush()); err != nil {
		t.Fatal(err)
	}
	err := db.Update(t.Context(), func(tx *Tx) error {
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		c.First()
		for i := range n - 1 {
			if !c.Seek(append(c.Key(), 0)) || string(c.Key()) != fmt.Sprintf("%04d", i+1) {
				t.Fatalf("after %04d comes %q", i, c.Key())
			}
			if !c.Seek(c.Key()) || string(c.Key()) != fmt.Sprintf("%04d", i+1) {
				t.Fatalf("a seek to %04d leads to %q", i+1, c.Key())
			}
			if _, err := tx.GetForUpdate([]byte("locked")); !errors.Is(err, ErrNotFound) {
				return err
			}
			if err := db.Put([]byte("other"), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
