package counter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"lightningdb"
	"lightningdb/examples/internal/trial"
)

func Example() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	seats := New("seats")
	for range 3 {
		if err := seats.Add(db, 1); err != nil {
			panic(err)
		}
	}
	for range 2 {
		err := db.Update(context.Background(), func(tx *lightningdb.Tx) error { return seats.Take(tx, 2) })
		fmt.Println(err)
	}
	fmt.Println(seats.Total(db))
	// Output:
	// <nil>
	// there are too few
	// 1 <nil>
}

func total(t *testing.T, db *lightningdb.DB, c *Counter) int64 {
	t.Helper()
	n, err := c.Total(db)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Adding must not conflict, whoever else does.
func TestAdd_neverConflicts(t *testing.T) {
	const goroutines, each = 16, 50
	db, c := trial.Open(t, "", nil), New("c")
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				err := db.Update(t.Context(), func(tx *lightningdb.Tx) error { return c.Add(tx, 3) })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := total(t, db, c); n != goroutines*each*3 {
		t.Errorf("%d, not %d", n, goroutines*each*3)
	}
	if n := db.Metrics().Transactions.Conflicts; n != 0 {
		t.Errorf("%d conflicts", n)
	}
}

// What is there must be taken once: the last one by one, and none twice or never, while others add.
func TestTake_takesEachOnce(t *testing.T) {
	const start, added = 200, 100
	db, c := trial.Open(t, "", nil), New("c")
	if err := c.Add(db, start); err != nil { // all in one shard: whoever begins elsewhere steals
		t.Fatal(err)
	}
	var taken atomic.Int64
	var adders, takers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		adders.Go(func() {
			for range added / 4 {
				if err := c.Add(db, 1); err != nil {
					t.Error(err)
				}
			}
		})
		takers.Go(func() {
			for last := false; ; {
				err := db.Update(t.Context(), func(tx *lightningdb.Tx) error { return c.Take(tx, 3) })
				if err == nil {
					taken.Add(3)
					continue
				}
				if !errors.Is(err, ErrTooFew) {
					t.Error(err)
					return
				}
				if last {
					return
				}
				<-stop // then all is added, and once more too few is the end
				last = true
			}
		})
	}
	adders.Wait()
	close(stop)
	takers.Wait()
	if n := total(t, db, c); n > 2 || n < 0 || n+taken.Load() != start+added {
		t.Errorf("%d are left and %d were taken, of %d", n, taken.Load(), start+added)
	}
}

// A Take that fails must leave the transaction as it was, for what else it does.
func TestTake_tooFewTakesNothing(t *testing.T) {
	db, c := trial.Open(t, "", nil), New("c")
	err := db.Update(t.Context(), func(tx *lightningdb.Tx) error {
		for range 20 {
			if err := c.Add(tx, 1); err != nil {
				return err
			}
		}
		if err := c.Take(tx, 21); !errors.Is(err, ErrTooFew) {
			t.Error(err)
		}
		return c.Take(tx, 5)
	})
	if err != nil || total(t, db, c) != 15 {
		t.Error(total(t, db, c), err)
	}
	if err := c.Add(db, -1); !errors.Is(err, ErrNegative) {
		t.Error(err)
	}
	err = db.Update(t.Context(), func(tx *lightningdb.Tx) error { return c.Take(tx, -1) })
	if !errors.Is(err, ErrNegative) || total(t, db, c) != 15 {
		t.Error(total(t, db, c), err)
	}
}

// Counters must not count for each other, also if one's name begins with another's.
func TestNew_eachNameForItself(t *testing.T) {
	db, a, aa := trial.Open(t, "", nil), New("a"), New("a\x00a")
	if err := errors.Join(a.Add(db, 1), aa.Add(db, 10)); err != nil {
		t.Fatal(err)
	}
	if total(t, db, a) != 1 || total(t, db, aa) != 10 {
		t.Error(total(t, db, a), total(t, db, aa))
	}
}

// Wherever a kill cuts: what was taken is in the receipts, which are written with it, and all else is there.
func TestCounter_isExactAfterAKill(t *testing.T) {
	dir, goods, receipts := t.TempDir(), New("goods"), New("receipts")
	const start = 1 << 40
	said := trial.Kill(t, dir, 100, func(dir string, say func(string)) error {
		db, err := lightningdb.Open(dir, nil)
		if err != nil {
			return err
		}
		if err := goods.Add(db, start); err != nil {
			return err
		}
		failed := make(chan error)
		for range 4 {
			go func() {
				for {
					err := db.Update(context.Background(), func(tx *lightningdb.Tx) error {
						return errors.Join(goods.Take(tx, 7), receipts.Add(tx, 7))
					})
					if err != nil {
						failed <- err
					}
					say(strconv.Itoa(7))
				}
			}()
		}
		return <-failed
	})
	for range 2 { // and once more after a Close
		db := trial.Open(t, dir, nil)
		left, sold := total(t, db, goods), total(t, db, receipts)
		if left+sold != start || sold < 7*int64(len(said)) {
			t.Errorf("%d are left and %d sold, of %d; %d were said to be sold", left, sold, int64(start), 7*len(said))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
