package txn

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"

	"pgregory.net/rapid"
)

// shelf is a Store in memory.
type shelf struct {
	live   int   // spills not removed
	failAt int   // the Add, counted from 1, that fails; 0 for none
	err    error // with this
}

type shelfSpill struct {
	shelf   *shelf
	seq     key.SeqNum
	entries []mergetest.Entry
	removed bool
}

func (s *shelf) NewSpill(seq key.SeqNum) SpillWriter { return &shelfSpill{shelf: s, seq: seq} }

func (r *shelfSpill) Add(user []byte, kind key.Kind, value []byte) error {
	if r.shelf.failAt > 0 {
		if r.shelf.failAt--; r.shelf.failAt == 0 {
			return r.shelf.err
		}
	}
	if n := len(r.entries); n > 0 && bytes.Compare(r.entries[n-1].Key.User, user) >= 0 {
		return errors.New("keys of a spill do not ascend")
	}
	r.entries = append(r.entries, mergetest.Entry{Key: key.Make(bytes.Clone(user), r.seq, kind),
		Value: bytes.Clone(value)})
	return nil
}

func (r *shelfSpill) Finish() (Spill, error) {
	r.shelf.live++
	return r, nil
}

func (r *shelfSpill) Abort() {}

func (r *shelfSpill) Remove() {
	if !r.removed {
		r.removed = true
		r.shelf.live--
	}
}

func (r *shelfSpill) Get(dst, user []byte) ([]byte, key.Kind, bool, error) {
	for _, e := range r.entries {
		if bytes.Equal(e.Key.User, user) {
			return append(dst, e.Value...), e.Key.Trailer.Kind(), true, nil
		}
	}
	return dst, 0, false, nil
}

func (r *shelfSpill) NewIterator() merge.Iterator { return mergetest.NewSlice(r.entries) }

func (r *shelfSpill) NewSequentialIterator() merge.Iterator { return r.NewIterator() }

// A transaction larger than memory must read, roll back and commit exactly as a small one does.
func TestWrites_spilledAreAsInMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.MapOfN(words, values, 0, 8).Draw(t, "base")
		var s shelf
		w := drawWrites(t, rapid.IntRange(0, 5).Draw(t, "before"))
		var points []map[string]string
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step == 0:
				w.writes.Savepoint()
				points = append(points, maps.Clone(w.model))
			case step == 1 && len(points) > 0:
				i := rapid.IntRange(0, len(points)-1).Draw(t, "to")
				w.writes.RollbackTo(i)
				w.model, points = maps.Clone(points[i]), points[:i+1]
			case step == 2 && len(points) > 0:
				i := rapid.IntRange(0, len(points)-1).Draw(t, "release")
				w.writes.Release(i)
				points = points[:i]
			case step == 8: // what iterators have found empty counts later on
				w.mustRead(t, base)
			case step == 9: // the snapshot moves
				base = rapid.MapOfN(words, values, 0, 8).Draw(t, "next base")
				w.seq++
			case step <= 4:
				if err := w.writes.Spill(&s); err != nil {
					t.Fatal(err)
				}
			default:
				w.write(t)
			}
		}
		w.mustRead(t, base)
		w.mustAll(t, &s)
		if w.writes.Reset(); s.live != 0 {
			t.Fatalf("%d spills are left behind", s.live)
		}
	})
}

// mustRead compares gets and moves with the model.
func (w *twin) mustRead(t *rapid.T, base map[string]string) {
	for k, v := range w.model {
		write, err := w.writes.Get([]byte(k))
		if err != nil || write == nil || !isWrite(write, v) {
			t.Fatalf("Get(%q) = %+v, %v, want %q", k, write, err, v)
		}
	}
	var bounds span.Span
	if rapid.Bool().Draw(t, "bounded") {
		bounds.Lo, bounds.Hi = ends.Draw(t, "lo"), ends.Draw(t, "hi")
	}
	var lower OverSpilled
	lower.Reset(newContents(base, bounds), w.seq, &w.writes, bounds)
	defer lower.Close()
	var o Overlay
	o.Reset(&lower, w.seq, &w.writes, bounds)
	model := newContents(w.over(base), bounds)
	var at []byte
	for range rapid.IntRange(1, 30).Draw(t, "moves") {
		at = moveBoth(t, &o, model, at)
	}
	walkBoth(t, &o, model)
}

// mustAll compares what a commit would get with the model.
func (w *twin) mustAll(t *rapid.T, s *shelf) {
	got := map[string]string{}
	err := w.writes.All(s, func(user []byte, kind key.Kind, value []byte) error {
		got[string(user)] = asWanted(kind, value)
		return nil
	})
	if err != nil || !maps.Equal(got, w.wanted()) {
		t.Fatalf("all writes are %v (%v), want %v", got, err, w.model)
	}
}

// A long transaction must not leave a reader with hundreds of spills to look through.
func TestWrites_spillsStayFew(t *testing.T) {
	var w Writes
	var s shelf
	for i := range 1000 {
		w.Put([]byte{'k', byte(i >> 8), byte(i)}, []byte{1})
		if err := w.Spill(&s); err != nil {
			t.Fatal(err)
		}
		if len(w.spills) > 3*fanIn || s.live != len(w.spills) {
			t.Fatalf("%d spills, %d on disk, after spilling %d times", len(w.spills), s.live, i+1)
		}
	}
}

// A full disk in the middle of a spill must leave nothing behind.
func TestWrites_failedSpillLeavesNothing(t *testing.T) {
	full := errors.New("disk full")
	for failAt := 1; failAt < 200; failAt += 7 {
		var w Writes
		s := shelf{failAt: failAt, err: full}
		var err error
		for i := 0; err == nil; i++ {
			w.Put([]byte{'k', byte(i)}, []byte{1})
			err = w.Spill(&s)
		}
		if !errors.Is(err, full) {
			t.Fatal(err)
		}
		if w.Reset(); s.live != 0 {
			t.Errorf("failure at %d: %d spills are left behind", failAt, s.live)
		}
	}
}

// Each savepoint of a spilled transaction may cost a file.
func TestWrites_boundSavepointsOfASpill(t *testing.T) {
	var w Writes
	for range MaxSpilledSavepoints + 1 {
		w.Savepoint()
	}
	if err := w.Spill(&shelf{}); !errors.Is(err, ErrTooManySavepoints) {
		t.Errorf("Spill gave %v", err)
	}
}

// Spills that are merged to keep them few must not take a savepoint with them.
func TestWrites_rollBackBehindManySpills(t *testing.T) {
	var w Writes
	var s shelf
	spill := func(from, to int) {
		for i := from; i < to; i++ {
			w.Put([]byte{'k', byte(i)}, []byte{1})
			if err := w.Spill(&s); err != nil {
				t.Fatal(err)
			}
		}
	}
	spill(0, fanIn/2)
	mark := w.Savepoint()
	spill(fanIn/2, 3*fanIn)
	w.RollbackTo(mark)
	for i := range 3 * fanIn {
		write, err := w.Get([]byte{'k', byte(i)})
		if err != nil || (write != nil) != (i < fanIn/2) {
			t.Errorf("key %d: %+v, %v", i, write, err)
		}
	}
	w.Reset()
}
