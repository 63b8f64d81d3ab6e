package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs/memfs"
)

// A scan that runs while the tree is rebuilt under it must show its own moment, whole, in both directions, and must not
// hold on to the memory of every moment it passes.
func TestIterator_outlivesTheTreeItBeganOn(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	const keys = 600
	write := func(generation int) {
		var b batch.Batch
		for i := range keys {
			if (i+generation)%7 == 0 {
				b.Delete(fmt.Appendf(nil, "%04d", i))
			} else {
				b.Put(fmt.Appendf(nil, "%04d", i), fmt.Appendf(nil, "%d-%d", i, generation))
			}
		}
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
	}
	generation := 0
	rebuild := func() {
		generation++
		write(generation)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CompactStep(); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CleanStep(); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	for _, direction := range []string{"forward", "backward"} {
		began := generation
		it, err := e.NewIterator(nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		start, next, i, step := it.First, it.Next, 0, 1
		if direction == "backward" {
			start, next, i, step = it.Last, it.Prev, keys-1, -1
		}
		for ok := start(); ok; ok = next() {
			for (i+began)%7 == 0 {
				i += step
			}
			value, err := it.Value()
			want := fmt.Sprintf("%d-%d", i, began)
			if key := fmt.Sprintf("%04d", i); err != nil || string(it.Key()) != key || string(value) != want {
				t.Fatalf("%s: %s = %s, %v; want %s = %s", direction, it.Key(), value, err, key, want)
			}
			i += step
			if i%20 == 0 {
				rebuild()
			}
		}
		if left := keys - i; it.Err() != nil || direction == "forward" && left > 1 || direction == "backward" && i > 0 {
			t.Errorf("%s scan ended at %d: %v", direction, i, it.Err())
		}
		if held := e.Metrics().MemtableHeld; held > int64(e.budget.frozen+1)*int64(e.budget.memtable) {
			t.Errorf("%s: %d bytes of memtables are held beside one iterator", direction, held)
		}
		if err := it.Close(); err != nil {
			t.Error(err)
		}
	}
	if generation < 40 {
		t.Fatalf("the tree was rebuilt %d times only", generation)
	}
}

// A loop that yields what it has at hand, whatever happens meanwhile, shows a closed database, or holds on to memory that
// a loop over Next lets go.
func TestEach_noticesWhatAStepWould(t *testing.T) {
	errStopped := errors.New("the test has stopped it")
	for name, c := range map[string]struct {
		meanwhile func(*Engine, *Iterator, *Snapshot, *clock)
		want      error
	}{
		"nothing":  {func(*Engine, *Iterator, *Snapshot, *clock) {}, nil},
		"stopped":  {func(_ *Engine, _ *Iterator, s *Snapshot, _ *clock) { s.Close() }, errStopped},
		"closed":   {func(e *Engine, _ *Iterator, _ *Snapshot, _ *clock) { e.Close() }, ErrClosed},
		"new view": {func(e *Engine, _ *Iterator, _ *Snapshot, _ *clock) { e.Flush() }, nil},
		"expired": {func(e *Engine, _ *Iterator, _ *Snapshot, c *clock) {
			c.pass(2 * time.Minute)
			e.RetainStep()
		}, ErrSnapshotExpired},
	} {
		for _, d := range []Direction{Forward, Backward} {
			checkEach(t, fmt.Sprint(name, ", backward: ", d), d, c.meanwhile, errStopped, c.want)
		}
	}
}

// checkEach has a loop over 60 entries, in the middle of which something happens: it must end there with the error
// wanted, or show everything, on the newest view.
func checkEach(
	t *testing.T, name string, d Direction, meanwhile func(*Engine, *Iterator, *Snapshot, *clock), stopped, want error,
) {
	t.Helper()
	const keys, middle = 60, 20
	c := newClock()
	e := openRetaining(t, memfs.New(), c, Options{MaxSnapshotAge: time.Minute})
	defer e.Close()
	for i := range keys {
		put(t, e, fmt.Sprintf("%02d", i), "value")
	}
	s := e.Snapshot()
	defer s.Close()
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	it.StopWith(s, stopped)
	if d == Backward {
		it.Last()
	} else {
		it.First()
	}
	n := 0
	err = it.Each(d, -1, func(k, _ []byte) bool {
		i := n
		if d == Backward {
			i = keys - 1 - n
		}
		if string(k) != fmt.Sprintf("%02d", i) {
			t.Fatalf("%s: %q at %d", name, k, n)
		}
		if n++; n == middle {
			meanwhile(e, it, s, c)
		}
		if n == middle+1 && want == nil && e.view.Load() != it.view {
			t.Errorf("%s: the loop went on in a view that is not current", name)
		}
		return true
	})
	if !errors.Is(err, want) || want == nil && n != keys || want != nil && n != middle {
		t.Errorf("%s: %d of %d entries, error %v", name, n, keys, err)
	}
}

// An iterator that is left open would keep memtables, tables and the whole cache, and one that is ended under its user
// would have it read memory that is gone.
func TestIterator_endedByOthersGivesBackWhatItHolds(t *testing.T) {
	errStopped := errors.New("the test has stopped it")
	for name, c := range map[string]struct {
		end  func(*Engine, *Iterator, *Snapshot, *clock)
		want error
	}{
		"snapshot": {func(_ *Engine, _ *Iterator, s *Snapshot, _ *clock) { s.Close() }, errStopped},
		"engine":   {func(e *Engine, _ *Iterator, _ *Snapshot, _ *clock) { e.Close() }, ErrClosed},
		"owner":    {func(_ *Engine, it *Iterator, _ *Snapshot, _ *clock) { it.End(); it.End() }, ErrClosed},
		"age": {func(e *Engine, _ *Iterator, _ *Snapshot, c *clock) {
			c.pass(2 * time.Minute)
			e.RetainStep()
		}, ErrSnapshotExpired},
		"age at a flush": {func(e *Engine, _ *Iterator, _ *Snapshot, c *clock) {
			c.pass(2 * time.Minute)
			put(t, e, "later", "value")
			if err := e.Flush(); err != nil {
				t.Error(err)
			}
		}, ErrSnapshotExpired},
	} {
		for _, inUse := range []bool{false, true} {
			name := fmt.Sprint(name, ", in use: ", inUse)
			clock := newClock()
			e := openRetaining(t, memfs.New(), clock, Options{MaxSnapshotAge: time.Minute})
			put(t, e, "key", "value")
			s := e.Snapshot()
			it, err := s.NewIterator(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			it.StopWith(s, errStopped)
			it.First()
			if !inUse {
				it.Exit()
			}
			c.end(e, it, s, clock)
			if inUse {
				if v, err := it.visible.Value(); string(v) != "value" || err != nil || it.view == nil {
					t.Errorf("%s: what is being used was given back: %q, %v", name, v, err)
				}
				it.Exit()
			}
			if n := e.openIterators.Load(); n != 0 || it.view != nil {
				t.Errorf("%s: %d iterators are open", name, n)
			}
			if err := it.Enter(); !errors.Is(err, c.want) {
				t.Errorf("%s: Enter gave %v", name, err)
			}
			s.Close()
			if err := e.Close(); err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("%s: Close gave %v", name, err)
			}
			if n := e.resources.Load(); n != 0 {
				t.Errorf("%s: %d hold on to the memory", name, n)
			}
			if _, err := e.NewIterator(nil, nil, nil); !errors.Is(err, ErrClosed) || e.resources.Load() != 0 {
				t.Errorf("%s: after Close an iterator gave %v", name, err)
			}
			if len(e.snapshots.readers) != 0 {
				t.Errorf("%s: %d readers are registered", name, len(e.snapshots.readers))
			}
		}
	}
}

// A transaction whose snapshot moves forward would lose the cursors it has open.
func TestTxn_movingForwardLeavesItsIterators(t *testing.T) {
	e := openManual(t, memfs.New())
	defer e.Close()
	put(t, e, "a", "old")
	var tx Txn
	var reads txn.Reads
	e.Begin(&tx, &reads, 0)
	defer tx.Close()
	it, err := tx.Snapshot().NewIterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	it.First()
	it.Exit()
	put(t, e, "a", "new")
	if err := tx.Lock(t.Context(), []byte("a"), true); err != nil {
		t.Fatal(err)
	}
	if err := it.Enter(); err != nil {
		t.Fatalf("the iterator was ended: %v", err)
	}
	if v, err := it.Value(); string(v) != "old" || err != nil {
		t.Errorf("it shows %q, %v", v, err)
	}
}
