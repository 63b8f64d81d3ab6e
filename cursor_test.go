package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// readers are the ways to a range that somebody else ends.
var readers = map[string]struct {
	// run calls use with what it is to leave something open in, and ends that.
	run  func(ctx context.Context, db *DB, use func(ranges)) error
	want error // what is left open gives afterwards
}{
	"View": {func(ctx context.Context, db *DB, use func(ranges)) error {
		return db.View(ctx, func(tx *Tx) error { use(tx); return nil })
	}, ErrTxDone},
	"Begin read-only, Commit":   {runBegun(TxOptions{ReadOnly: true}, (*Tx).Commit), ErrTxDone},
	"Begin read-only, Rollback": {runBegun(TxOptions{ReadOnly: true}, (*Tx).Rollback), ErrTxDone},
	"Update": {func(ctx context.Context, db *DB, use func(ranges)) error {
		return db.Update(ctx, func(tx *Tx) error { use(tx); return nil })
	}, ErrTxDone},
	"Begin, Commit":   {runBegun(TxOptions{}, (*Tx).Commit), ErrTxDone},
	"Begin, Rollback": {runBegun(TxOptions{}, (*Tx).Rollback), ErrTxDone},
	"Begin, forgotten": {func(ctx context.Context, db *DB, use func(ranges)) error {
		tx, err := db.Begin(ctx, TxOptions{})
		if err == nil {
			use(tx)
			err = db.Close()
		}
		return err
	}, ErrClosed},
	"Snapshot": {func(_ context.Context, db *DB, use func(ranges)) error {
		s := db.Snapshot()
		use(s)
		return s.Close()
	}, ErrClosed},
	"DB": {func(_ context.Context, db *DB, use func(ranges)) error { use(db); return db.Close() }, ErrClosed},
}

func runBegun(o TxOptions, end func(*Tx) error) func(context.Context, *DB, func(ranges)) error {
	return func(ctx context.Context, db *DB, use func(ranges)) error {
		tx, err := db.Begin(ctx, o)
		if err != nil {
			return err
		}
		use(tx)
		for err = ErrTxInUse; errors.Is(err, ErrTxInUse) && !tx.over(); err = end(tx) {
			runtime.Gosched() // another goroutine has a call in progress
		}
		if errors.Is(err, ErrTxDone) {
			return nil // the try before this one has ended it, while another goroutine hid that from over
		}
		return err
	}
}

// over reports whether the transaction has ended.
func (tx *Tx) over() bool {
	_, err := tx.Has([]byte("a"))
	return errors.Is(err, ErrTxDone)
}

// ranges is what has ranges.
type ranges interface {
	Range(lo, hi []byte) *Range
	Prefix(p []byte) *Range
}

func requireNil(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// leftOpen is what a program has opened and forgotten: cursors and loops in all states.
type leftOpen struct {
	cursors [4]*Cursor // at no entry, at an entry, with its value, closed
	loops   [2]*Range
	next    func() ([]byte, []byte, bool)
	nextKey func() ([]byte, bool)
	stop    func()
}

// leaveOpen opens cursors and loops on a database with the keys a, b and c.
func leaveOpen(t *testing.T, r ranges) (o leftOpen) {
	for i := range o.cursors {
		o.cursors[i] = r.Range(nil, nil).Cursor()
	}
	for _, c := range o.cursors[1:] {
		if !c.Seek([]byte("b")) {
			t.Fatal(c.Err())
		}
	}
	o.cursors[2].Value()
	requireNil(t, o.cursors[3].Close())
	o.loops = [2]*Range{r.Range(nil, nil), r.Prefix([]byte("c"))}
	next, stop := iter.Pull2(o.loops[0].All())
	nextKey, stopKeys := iter.Pull(o.loops[1].Keys())
	if k, v, ok := next(); !ok || string(k) != "a" || string(v) != "a's value" {
		t.Errorf("the loop yields %q, %q, %v", k, v, ok)
	}
	if k, ok := nextKey(); !ok || string(k) != "c" {
		t.Errorf("the loop yields %q, %v", k, ok)
	}
	o.next, o.nextKey, o.stop = next, nextKey, func() { stop(); stopKeys() }
	return o
}

// requireEnded checks that nothing of o goes on, and that all of it says want.
func (o *leftOpen) requireEnded(t *testing.T, want error) {
	if string(o.cursors[2].Key()) != "b" || string(o.cursors[2].Value()) != "b's value" {
		t.Errorf("the cursor shows %q, %q", o.cursors[2].Key(), o.cursors[2].Value())
	}
	if v := o.cursors[1].Value(); v != nil {
		t.Errorf("a value was read after the end: %q", v)
	}
	for i, c := range o.cursors[:3] {
		moves := []bool{c.First(), c.Last(), c.Next(), c.Prev(), c.Seek([]byte("a")), c.SeekBefore([]byte("z"))}
		for _, ok := range moves {
			if ok || !errors.Is(c.Err(), want) || c.Valid() || c.Key() != nil || c.Value() != nil {
				t.Errorf("cursor %d goes on: %v, %v", i, ok, c.Err())
			}
		}
		requireNil(t, c.Close())
	}
	_, _, more := o.next()
	_, moreKeys := o.nextKey()
	for i, r := range o.loops {
		if more || moreKeys || !errors.Is(r.Err(), want) {
			t.Errorf("loop %d goes on: %v, %v, %v", i, more, moreKeys, r.Err())
		}
	}
}

// A cursor or loop that is left open would keep memory and files for as long as the program runs, and one that is used
// after its end would show what is no longer there, or crash.
func TestReaders_endWhatIsLeftOpen(t *testing.T) {
	for name, reader := range readers {
		t.Run(name, func(t *testing.T) {
			db := openMemory(t)
			for _, k := range []string{"a", "b", "c"} {
				mustPut(t, db, k, k+"'s value")
			}
			requireNil(t, db.Flush())
			var open leftOpen
			err := reader.run(t.Context(), db, func(r ranges) { open = leaveOpen(t, r) })
			defer open.stop()
			if err != nil && !errors.Is(err, ErrOpenReaders) {
				t.Error(err)
			}
			if m := db.Metrics(); m.Iterators != 0 {
				t.Errorf("%d cursors and loops are open", m.Iterators)
			}
			open.requireEnded(t, reader.want)
			if err := db.Close(); err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("Close gave %v", err)
			}
		})
	}
}

// A program that opens and closes databases would grow by each one of which a cursor was forgotten: 406 MiB were seen.
func TestClose_freesMemoryWhateverIsLeftOpen(t *testing.T) {
	const rows, rounds = 1200, 8
	value := bytes.Repeat([]byte("v"), 4000)
	var kept []*Cursor
	before := mapped(t)
	for round := range rounds {
		db := openTemp(t, &Options{Durability: Process})
		var b Batch
		for i := range rows {
			b.Put(fmt.Appendf(nil, "%06d", i), value)
		}
		requireNil(t, db.Write(&b))
		if round%2 == 0 {
			requireNil(t, db.Flush())
		}
		for i := range 3 {
			requireNil(t, db.View(t.Context(), func(tx *Tx) error {
				for range rows / 3 {
					kept = append(kept, tx.Range(fmt.Appendf(nil, "%06d", i), nil).Cursor())
					if c := kept[len(kept)-1]; !c.First() || len(c.Value()) != len(value) {
						t.Fatal(c.Err())
					}
				}
				return nil
			}))
		}
		s := db.Snapshot()
		tx, err := db.Begin(t.Context(), TxOptions{})
		requireNil(t, err)
		for _, r := range []ranges{db, s, tx} {
			kept = append(kept, r.Range(nil, nil).Cursor())
			kept[len(kept)-1].Last()
		}
		if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
			t.Errorf("Close gave %v", err)
		}
		if m := db.Metrics(); m.Iterators != 0 || m.MemoryUsed != 0 || m.Memtable.HeldBytes != 0 || m.Cache.UsedBytes != 0 {
			t.Errorf("after Close: %d cursors, %d bytes", m.Iterators, m.MemoryUsed)
		}
	}
	if raceDetector {
		return // regions are on the heap
	}
	if grown := mapped(t) - before; grown > 100<<20 {
		t.Errorf("%d databases that were closed under open cursors keep %d MiB of address space", rounds, grown>>20)
	}
	runtime.KeepAlive(kept)
}

// mapped is the address space of this process without its heap, in bytes.
func mapped(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	for line := range strings.Lines(string(status)) {
		if field, ok := strings.CutPrefix(line, "VmSize:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(field)[0], 10, 64)
			requireNil(t, err)
			return kib<<10 - int64(heap.Sys)
		}
	}
	t.Fatal("no VmSize")
	return 0
}

// Goroutines that outlive the transaction, snapshot or database that they read would crash the program, or show what
// was never there.
func TestReaders_endBesideTheirUsers(t *testing.T) {
	rounds := 16
	if testing.Short() {
		rounds = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, reader := range readers {
		t.Run(name, func(t *testing.T) {
			for round := range rounds {
				db := openMemory(t)
				var b Batch
				for i := range 200 {
					b.Put(fmt.Appendf(nil, "%03d", i), fmt.Appendf(nil, "value of %03d", i))
				}
				requireNil(t, db.Write(&b))
				if round%2 == 0 {
					requireNil(t, db.Flush())
				}
				var walkers sync.WaitGroup
				err := reader.run(t.Context(), db, func(r ranges) {
					var started sync.WaitGroup
					users := 4
					if _, one := r.(*Tx); one && r.(*Tx).body.Writer != nil {
						users = 2 // they keep each other from it
					}
					for u := range users {
						started.Add(1)
						walkers.Go(func() {
							rng := rand.New(rand.NewPCG(seed, uint64(round)<<8|uint64(u)))
							walkUntilItEnds(t, r, rng, started.Done)
						})
					}
					started.Wait()
				})
				if err != nil && !errors.Is(err, ErrOpenReaders) && !errors.Is(err, ErrTxInUse) {
					t.Error(err)
				}
				db.Close()
				walkers.Wait()
				if m := db.Metrics(); m.Iterators != 0 {
					t.Fatalf("round %d: %d cursors and loops are open", round, m.Iterators)
				}
			}
		})
	}
}

// walkUntilItEnds moves cursors and loops of r, in one goroutine of several, until they fail.
func walkUntilItEnds(t *testing.T, r ranges, rng *rand.Rand, started func()) {
	var once sync.Once
	defer once.Do(started)
	check := func(k, v []byte) {
		once.Do(started)
		if len(k) != 3 || string(v) != "value of "+string(k) {
			t.Errorf("%q = %q", k, v)
		}
	}
	for {
		var err error
		if rng.IntN(3) == 0 {
			loop := r.Range(nil, nil)
			if rng.IntN(2) == 0 {
				loop.Reverse()
			}
			for k, v := range loop.All() {
				check(k, v)
			}
			err = loop.Err()
		} else {
			c := r.Range(nil, nil).Cursor()
			for range 1 + rng.IntN(300) {
				if c.Valid() {
					k, v := c.Key(), c.Value()
					if c.Err() == nil {
						check(k, v)
					}
				}
				moves := []func() bool{c.Next, c.Next, c.Next, c.Prev, c.First, c.Last,
					func() bool { return c.Seek(fmt.Appendf(nil, "%03d", rng.IntN(220))) }}
				moves[rng.IntN(len(moves))]()
			}
			if err = c.Err(); rng.IntN(4) > 0 {
				requireClose(t, c)
			}
		}
		switch {
		case errors.Is(err, ErrClosed): // the transaction, or the database
			return
		case err != nil && !errors.Is(err, ErrTxInUse):
			t.Error(err)
			return
		}
	}
}

func requireClose(t *testing.T, c *Cursor) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A transaction that has gone to disk would leave its own files open if nobody closes a cursor of it.
func TestUpdate_spilledEndsWhatIsLeftOpen(t *testing.T) {
	for _, closeFirst := range []bool{false, true} {
		db := openTemp(t, &Options{MemoryLimit: 10 << 20})
		tx, err := db.Begin(context.Background(), TxOptions{})
		requireNil(t, err)
		value := bytes.Repeat([]byte("v"), 1<<20)
		for i := range 12 {
			requireNil(t, tx.Put(fmt.Appendf(nil, "%02d", i), value))
		}
		if tables, err := filepath.Glob(filepath.Join(db.Path(), "*.tbl")); len(tables) == 0 {
			t.Fatal("the transaction fits into memory; this test needs one that does not", err)
		}
		c := tx.Range(nil, nil).Cursor()
		if !c.Last() || len(c.Value()) != len(value) {
			t.Fatal(c.Err())
		}
		want := ErrTxDone
		if closeFirst {
			want = ErrClosed
			if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
				t.Errorf("Close gave %v", err)
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("Rollback gave %v", err)
		}
		if c.Prev() || !errors.Is(c.Err(), want) || db.Metrics().Iterators != 0 {
			t.Errorf("the cursor goes on: %v; %d are open", c.Err(), db.Metrics().Iterators)
		}
		requireClose(t, c)
		if err := db.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}

// A loop with the least of all limits, which means none, would panic.
func TestRange_everyNegativeLimitIsNone(t *testing.T) {
	db := openMemory(t)
	for i := range 300 {
		if err := db.Put([]byte{byte(i >> 8), byte(i)}, []byte{0xff}); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{-1, math.MinInt, math.MinInt + 1} {
		for _, r := range []*Range{db.Range(nil, nil), db.Range(nil, nil).Reverse()} {
			n := 0
			for range r.Limit(limit).All() {
				n++
			}
			if n != 300 || r.Err() != nil {
				t.Errorf("limit %d: %d entries, %v", limit, n, r.Err())
			}
		}
	}
}
