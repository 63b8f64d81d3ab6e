package lightningdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A thousand goroutines of short Views would keep the garbage collector busy, and wait for it.
func TestView_allocatesNoMoreThanAHandle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	db := openMemory(t)
	mustPut(t, db, "key", "value")
	var value []byte
	key := []byte("key")
	read := func(tx *Tx) (err error) {
		value, err = tx.GetAppend(value[:0], key)
		return err
	}
	const views = 20000
	var before, after runtime.MemStats
	requireNil(t, db.View(t.Context(), read))
	runtime.ReadMemStats(&before)
	for range views {
		requireNil(t, db.View(t.Context(), read))
	}
	runtime.ReadMemStats(&after)
	if each := float64(after.TotalAlloc-before.TotalAlloc) / views; each > 20 { // 16, and what others allocate
		t.Errorf("a View allocates %.1f bytes", each)
	}
}

// later is what ends the context of a View, and what is called some time after it.
type later struct{ cancel, after func() }

// viewUses are what the function of a View may do with its transaction, and whether the next View may have its body.
var viewUses = []struct {
	name  string
	again bool
	do    func(tx *Tx, later *later) error
}{
	{"point reads", true, func(tx *Tx, _ *later) error {
		_, err := tx.Get([]byte("key"))
		_, hasErr := tx.Has([]byte("key"))
		_, sizeErr := tx.Size([]byte("key"))
		return errors.Join(err, hasErr, sizeErr)
	}},
	{"a loop", true, func(tx *Tx, _ *later) error {
		r := tx.Prefix(nil)
		for range r.All() {
			break
		}
		for range r.Keys() {
		}
		return r.Err()
	}},
	{"a closed cursor", true, func(tx *Tx, _ *later) error {
		c := tx.Prefix(nil).Cursor()
		c.First()
		return errors.Join(c.Err(), c.Close())
	}},
	{"a short value", true, func(tx *Tx, _ *later) error {
		v, err := tx.ValueReader(context.Background(), []byte("key"))
		return errors.Join(err, v.Close())
	}},
	{"an open cursor", false, func(tx *Tx, _ *later) error {
		c := tx.Prefix(nil).Cursor()
		c.First()
		return c.Err()
	}},
	{"a loop in pieces", false, func(tx *Tx, later *later) error {
		next, stop := iter.Pull(tx.Prefix(nil).Keys())
		later.after = stop
		next()
		return nil
	}},
	{"a long value", false, func(tx *Tx, _ *later) error {
		_, err := tx.ValueReader(context.Background(), []byte("long"))
		return err
	}},
	{"a context that ends after a loop", false, func(tx *Tx, later *later) error {
		r := tx.Prefix(nil)
		for range r.Keys() {
		}
		later.cancel()
		return r.Err()
	}},
}

// A body that somebody still knows would show him what a later View sees, or end it; and one that nobody knows is
// garbage.
func TestView_usesItsBodyAgainOnceNobodyKnowsIt(t *testing.T) {
	db := openMemory(t)
	mustPut(t, db, "key", "value")
	mustPut(t, db, "long", string(make([]byte, 3<<20)))
	requireNil(t, db.Flush())
	for _, use := range viewUses {
		t.Run(use.name, func(t *testing.T) {
			again := 0
			for range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				var first, second *body
				later := later{cancel, func() {}}
				requireNil(t, db.View(ctx, func(tx *Tx) error {
					first = tx.body
					return use.do(tx, &later)
				}))
				cancel()
				requireNil(t, db.View(t.Context(), func(tx *Tx) error { second = tx.body; return nil }))
				later.after()
				if first == second {
					again++
				}
			}
			switch {
			case !use.again && again > 0:
				t.Errorf("%d of 100 bodies were used again", again)
			case use.again && again < 50 && !raceDetector:
				t.Errorf("only %d of 100 bodies were used again", again)
			}
		})
	}
}

// sharedBody returns a transaction of a View that has ended, and begins another one that has its body.
func sharedBody(t *testing.T, db *DB, during func(old, tx *Tx) error) {
	t.Helper()
	for range 1000 {
		var old *Tx
		requireNil(t, db.View(t.Context(), func(tx *Tx) error { old = tx; return nil }))
		shared := false
		requireNil(t, db.View(t.Context(), func(tx *Tx) error {
			if shared = tx.body == old.body; !shared {
				return nil
			}
			return during(old, tx)
		}))
		if shared {
			return
		}
	}
	t.Fatal("no body was used again")
}

// Who keeps the transaction of a View would read in another one's, or make that fail.
func TestView_keptTransactionStaysEnded(t *testing.T) {
	db := openMemory(t)
	mustPut(t, db, "key", "value")
	sharedBody(t, db, func(old, tx *Tx) error {
		mustPut(t, db, "key", "newer")
		_, get := old.Get([]byte("key"))
		_, has := old.Has([]byte("key"))
		_, size := old.Size([]byte("key"))
		_, value := old.ValueReader(t.Context(), []byte("key"))
		r := old.Prefix(nil)
		for range r.All() {
			t.Error("a loop of the old transaction runs")
		}
		c := old.Prefix(nil).Cursor()
		requireErrors(t, "after the end", ErrTxDone, map[string]error{
			"Get": get, "Has": has, "Size": size, "ValueReader": value, "a loop": r.Err(), "a cursor": c.Err(),
			"Put": old.Put([]byte("key"), nil),
		})
		requireErrors(t, "after the end", ErrManagedTx, map[string]error{
			"Commit": old.Commit(), "Rollback": old.Rollback(),
		})
		old.note(errors.New("of the old transaction"))
		if old.Sequence() != tx.Sequence() {
			t.Errorf("the old transaction says %d, it was at %d", old.Sequence(), tx.Sequence())
		}
		value2, err := tx.Get([]byte("key"))
		if string(value2) != "value" {
			t.Errorf("the new transaction sees %q", value2)
		}
		return errors.Join(err, c.Close())
	})
}

// A View would fail with what a loop of another one has met.
func TestView_forgetsTheErrorsOfTheOneBefore(t *testing.T) {
	db := openMemory(t)
	mustPut(t, db, "key", "no integer")
	requireNil(t, db.Add([]byte("key"), 1))
	again := 0
	for range 1000 {
		var first, second *body
		err := db.View(t.Context(), func(tx *Tx) error {
			first = tx.body
			for range tx.Prefix(nil).All() {
			}
			return nil
		})
		if !errors.Is(err, ErrMerge) {
			t.Fatalf("a View that has not seen everything ended with %v", err)
		}
		requireNil(t, db.View(t.Context(), func(tx *Tx) error { second = tx.body; return nil }))
		if first == second {
			again++
		}
	}
	if again == 0 {
		t.Error("no body was used again")
	}
}

// Begin and Rollback of one transaction, twice and at once, must not give its body to two others.
func TestBegin_readOnlyGivesItsBodyBackOnce(t *testing.T) {
	db := openMemory(t)
	for range 200 {
		tx, err := db.Begin(t.Context(), TxOptions{ReadOnly: true})
		requireNil(t, err)
		var enders sync.WaitGroup
		for range 3 {
			enders.Go(func() { tx.Rollback() })
		}
		enders.Wait()
		later := make(map[*body]*Tx)
		for n := range 4 {
			tx, err := db.Begin(t.Context(), TxOptions{ReadOnly: true})
			requireNil(t, err)
			if later[tx.body] = tx; len(later) == n {
				t.Fatal("two transactions have one body")
			}
		}
		for _, tx := range later {
			requireNil(t, tx.Rollback())
		}
	}
}

// pausedView begins a View whose function reads a table in another goroutine, and ends it while that waits for the
// medium; then it begins another View. It returns the bodies of both, and the error of the read.
func pausedView(t *testing.T, disk *memfs.FS, read func(tx *Tx) error) (first, second *body, err error) {
	files := errfs.New(disk)
	db, err := Open("", &Options{fs: files, MemoryLimit: 10 << 20})
	requireNil(t, err)
	defer db.Close()
	reading, goOn := make(chan bool), make(chan bool)
	var once sync.Once
	files.SetRules(errfs.On(errfs.Read).Named("*.tbl").Call(func(errfs.Op) {
		once.Do(func() {
			close(reading)
			<-goOn
		})
	}))
	done := make(chan error, 1)
	requireNil(t, db.View(t.Context(), func(tx *Tx) error {
		first = tx.body
		go func() { done <- read(tx) }()
		select {
		case <-reading:
		case err := <-done:
			t.Fatalf("it read no table, and ended with %v", err)
		}
		return nil
	}))
	requireNil(t, db.View(t.Context(), func(tx *Tx) error {
		second = tx.body
		close(goOn)
		err = <-done
		return nil
	}))
	return first, second, err
}

// A read that was under way when its View ended has perhaps read in another one's state.
func TestView_endDuringAReadIsNoticed(t *testing.T) {
	disk, key := memfs.New(), []byte("live/000001")
	fillPages(t, disk)
	for name, read := range map[string]func(tx *Tx) error{
		"Get":  func(tx *Tx) error { _, err := tx.Get(key); return err },
		"Has":  func(tx *Tx) error { _, err := tx.Has(key); return err },
		"Size": func(tx *Tx) error { _, err := tx.Size(key); return err },
	} {
		if _, _, err := pausedView(t, disk.Kill(), read); !errors.Is(err, ErrTxDone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A cursor that is being opened while its View ends would walk through the state of a later one.
func TestView_endDuringAnOpeningKeepsTheBody(t *testing.T) {
	disk := memfs.New()
	fillPages(t, disk)
	for range 20 {
		first, second, err := pausedView(t, disk.Kill(), func(tx *Tx) error {
			c := tx.Prefix(nil).Cursor()
			defer c.Close()
			c.First()
			return c.Err()
		})
		if first == second || !errors.Is(err, ErrTxDone) {
			t.Fatalf("the later View has its body: %t, and the cursor gives %v", first == second, err)
		}
	}
}

// Goroutines that go on with the transaction of a View while that ends, and others begin, must see its own state or
// ErrTxDone.
func TestView_endsUnderItsReaders(t *testing.T) {
	db := openMemory(t)
	key, views := []byte("key"), 2000
	if testing.Short() || raceDetector {
		views = 400
	}
	put := func() { requireNil(t, db.Put(key, binary.BigEndian.AppendUint64(nil, db.Metrics().Sequence+1))) }
	put()
	var late atomic.Int64
	var readers sync.WaitGroup
	for range views {
		begun := make(chan bool)
		requireNil(t, db.View(t.Context(), func(tx *Tx) error {
			readers.Go(func() {
				close(begun)
				for range 50 {
					if err := seesItsOwn(tx, key); err != nil && !errors.Is(err, ErrTxDone) {
						t.Error(err)
						return
					} else if err != nil {
						late.Add(1)
					}
				}
			})
			<-begun
			return seesItsOwn(tx, key)
		}))
		put()
	}
	readers.Wait()
	if late.Load() == 0 {
		t.Error("no reader was late")
	}
	if m := db.Metrics(); m.Snapshots != 0 || m.Iterators != 0 {
		t.Errorf("%d snapshots and %d iterators are open", m.Snapshots, m.Iterators)
	}
}

// seesItsOwn checks that the value of key, by Get and in a loop, is the sequence number of tx.
func seesItsOwn(tx *Tx, key []byte) error {
	want := tx.Sequence()
	check := func(v []byte) error {
		if got := binary.BigEndian.Uint64(v); got != want {
			return fmt.Errorf("the transaction at %d sees %d", want, got)
		}
		return nil
	}
	v, err := tx.Get(key)
	if err != nil {
		return err
	}
	if err := check(v); err != nil {
		return err
	}
	r := tx.Prefix(key)
	for _, v := range r.All() {
		if err := check(v); err != nil {
			return err
		}
	}
	return r.Err()
}

// A database that is closed would stay in memory for as long as the runtime keeps what is in its pools.
func TestClose_forgetsTheBodiesOfViews(t *testing.T) {
	db := openMemory(t)
	tx, err := db.Begin(t.Context(), TxOptions{ReadOnly: true})
	requireNil(t, err)
	for range 100 {
		requireNil(t, db.View(t.Context(), func(*Tx) error { return nil }))
	}
	if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
		t.Fatal(err)
	}
	requireNil(t, tx.Rollback())
	if db.views.Get() != nil {
		t.Error("a body is kept")
	}
}
