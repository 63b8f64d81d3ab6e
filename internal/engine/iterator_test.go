package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/batch"
	"lightningdb/internal/vfs/memfs"
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
