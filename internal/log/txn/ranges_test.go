package txn

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"

	"pgregory.net/rapid"
)

// database is what a transaction sees, twice: as the set over base, and as a map to which everything was done at once.
type database struct {
	base   map[string]string
	writes Writes
	state  map[string]string
	shelf  shelf
	points []map[string]string
	seq    key.SeqNum
}

func drawDatabase(t *rapid.T) *database {
	d := &database{base: rapid.MapOfN(words, values, 0, 12).Draw(t, "base")}
	d.state = maps.Clone(d.base)
	d.writes.Gaps = true
	return d
}

// drawRange is a range with ends anywhere: open, empty, at keys, or that of a prefix.
func drawRange(t *rapid.T) span.Span {
	if rapid.IntRange(0, 3).Draw(t, "range") == 0 {
		return span.Prefix([]byte(words.Draw(t, "prefix")))
	}
	return span.Span{Lo: ends.Draw(t, "from"), Hi: ends.Draw(t, "to")}
}

// step does something with both.
func (d *database) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"put", "put", "put", "delete", "append", "append", "range", "range", "range",
		"savepoint", "savepoint", "roll back", "release", "spill", "spill", "spill", "read"}).Draw(t, "step") {
	case "put":
		k, v := words.Draw(t, "key"), values.Draw(t, "value")
		d.writes.Put([]byte(k), []byte(v))
		d.state[k] = v
	case "delete":
		k := words.Draw(t, "key")
		d.writes.Delete([]byte(k))
		delete(d.state, k)
	case "append":
		d.append(t, words.Draw(t, "key"), values.Draw(t, "value"))
	case "range":
		s := drawRange(t)
		given := s.Clone()
		if err := d.writes.DeleteRange(given); err != nil {
			t.Fatal(err)
		}
		scribble(given)
		maps.DeleteFunc(d.state, func(k, _ string) bool { return s.Contains([]byte(k)) })
	case "savepoint":
		d.writes.Savepoint()
		d.points = append(d.points, maps.Clone(d.state))
	case "roll back":
		if n := len(d.points); n > 0 {
			d.rollBackTo(rapid.IntRange(0, n-1).Draw(t, "to"))
		}
	case "release":
		if n := len(d.points); n > 0 {
			i := rapid.IntRange(0, n-1).Draw(t, "released")
			d.writes.Release(i)
			d.points = d.points[:i]
		}
	case "spill":
		if err := d.writes.Spill(&d.shelf); err != nil {
			t.Fatal(err)
		}
	default: // what iterators have found empty counts later on
		d.mustRead(t)
	}
}

// scribble changes the bytes of s, as their owner may.
func scribble(s span.Span) {
	for _, end := range [][]byte{s.Lo, s.Hi} {
		for i := range end {
			end[i]++
		}
	}
}

// append does what a transaction does with a merge: it goes into the set if the set has nothing for the key, or joins
// what memory has; else it is applied at once.
func (d *database) append(t *rapid.T, k, tail string) {
	by := append([]byte{byte(operand.Append)}, tail...)
	write, err := d.writes.Get([]byte(k))
	if err != nil {
		t.Fatal(err)
	}
	d.state[k] += tail
	switch {
	case write == nil:
		d.writes.Merge([]byte(k), by)
	case write.Folds() && !write.Spilled:
		d.writes.Merge([]byte(k), append(bytes.Clone(write.Value), tail...))
	default:
		d.writes.Put([]byte(k), []byte(d.state[k]))
	}
}

func (d *database) rollBackTo(i int) {
	d.writes.RollbackTo(i)
	d.points = d.points[:i+1]
	d.state = maps.Clone(d.points[i])
}

// get is the value of k as the set has it over base.
func (d *database) get(t *rapid.T, k string) (value string, ok bool) {
	write, err := d.writes.Get([]byte(k))
	if err != nil {
		t.Fatal(err)
	}
	value, ok = d.base[k]
	switch {
	case write == nil:
	case write.Hides():
		return "", false
	case write.Folds():
		return value + string(write.Value[1:]), true
	default:
		return string(write.Value), true
	}
	return value, ok
}

// mustRead compares gets and moves with the map.
func (d *database) mustRead(t *rapid.T) {
	keys := map[string]bool{words.Draw(t, "another"): true}
	for k := range d.base {
		keys[k] = true
	}
	for k := range d.state {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		want, there := d.state[k]
		if got, ok := d.get(t, k); ok != there || got != want {
			t.Fatalf("%q is %q (%v), want %q (%v)", k, got, ok, want, there)
		}
	}
	var bounds span.Span
	if rapid.Bool().Draw(t, "bounded") {
		bounds.Lo, bounds.Hi = ends.Draw(t, "lo"), ends.Draw(t, "hi")
	}
	var lower OverSpilled
	lower.Reset(newContents(d.base, bounds), d.seq, &d.writes, bounds)
	defer lower.Close()
	var o Overlay
	o.Reset(&lower, d.seq, &d.writes, bounds)
	model := newContents(d.state, bounds)
	var at []byte
	for range rapid.IntRange(1, 12).Draw(t, "moves") {
		at = moveBoth(t, &o, model, at)
	}
	walkBoth(t, &o, model)
}

// mustCommit applies what a commit would write to base, and compares that with the map.
func (d *database) mustCommit(t *rapid.T) {
	got := maps.Clone(d.base)
	apply := func(op batch.Op) {
		switch k := string(op.Key); op.Kind {
		case key.KindPut:
			got[k] = string(op.Value)
		case key.KindDelete:
			delete(got, k)
		case key.KindMerge:
			got[k] += string(op.Value[1:])
		case key.KindRangeDelete:
			maps.DeleteFunc(got, func(k, _ string) bool { return op.Span().Contains([]byte(k)) })
		}
	}
	if d.writes.Spilled() {
		var ops []batch.Op
		err := d.writes.All(&d.shelf, func(user []byte, kind key.Kind, value []byte) error {
			ops = append(ops, batch.Op{Key: bytes.Clone(user), Kind: kind, Value: bytes.Clone(value)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range d.writes.Deleted() {
			apply(batch.Op{Kind: key.KindRangeDelete, Key: s.Lo, Value: s.Hi})
		}
		for _, op := range ops {
			apply(op)
		}
	} else {
		var b batch.Batch
		d.writes.AppendTo(&b)
		if _, err := batch.Decode(b.Bytes(), b.Count()); err != nil {
			t.Fatalf("the batch of the commit: %v", err)
		}
		for op := range b.Ops() {
			apply(op)
		}
	}
	if !maps.Equal(got, d.state) {
		t.Fatalf("the commit makes %q of %q, want %q", got, d.base, d.state)
	}
}

// A transaction that deletes a range would see what it has deleted, or not see what it has written over that; its
// commit would take what was written later, or leave what was there. A rollback would keep the one or the other.
func TestWrites_rangesAreAsInAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDatabase(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			d.step(t)
		}
		d.mustRead(t)
		for i := len(d.points) - 1; i >= 0 && rapid.Bool().Draw(t, "roll back at the end"); i-- {
			d.rollBackTo(i)
			d.mustRead(t)
		}
		d.mustCommit(t)
		if d.writes.Reset(); d.shelf.live != 0 || d.writes.Size() != 0 {
			t.Fatalf("after Reset there are %d spills and %d bytes", d.shelf.live, d.writes.Size())
		}
	})
}

// A loop that deletes the range that it stands in would go on with what it has deleted.
func TestOverlay_leavesARangeThatIsDeletedMeanwhile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDatabase(t)
		for range rapid.IntRange(0, 10).Draw(t, "before") {
			d.step(t)
		}
		var lower OverSpilled
		lower.Reset(newContents(d.base, span.Span{}), d.seq, &d.writes, span.Span{})
		defer lower.Close()
		var o Overlay
		o.Reset(&lower, d.seq, &d.writes, span.Span{})
		var at []byte
		for range rapid.IntRange(1, 20).Draw(t, "moves") {
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				s := drawRange(t)
				if err := d.writes.DeleteRange(s); err != nil {
					t.Fatal(err)
				}
				maps.DeleteFunc(d.state, func(k, _ string) bool { return s.Contains([]byte(k)) })
			}
			at = moveBoth(t, &o, newContents(d.state, span.Span{}), at)
		}
	})
}

// A range that was deleted after a savepoint would take with it what was written before, over a range that it touches,
// once both are on disk.
func TestWrites_rangesDoNotReachOverASavepoint(t *testing.T) {
	for name, second := range map[string]span.Span{
		"overlapping": {Lo: []byte("c"), Hi: []byte("e")},
		"behind":      {Lo: []byte("d"), Hi: []byte("e")},
		"within":      {Lo: []byte("c"), Hi: []byte("d")},
	} {
		var w Writes
		var s shelf
		if err := w.DeleteRange(span.Span{Lo: []byte("a"), Hi: []byte("d")}); err != nil {
			t.Fatal(err)
		}
		w.Put([]byte("b"), []byte("1"))
		w.Savepoint()
		if err := errors.Join(w.DeleteRange(second), w.Spill(&s)); err != nil {
			t.Fatal(err)
		}
		if write, err := w.Get([]byte("b")); write == nil || write.Hides() || err != nil {
			t.Errorf("%s: what was written is %+v, %v", name, write, err)
		}
		if write, err := w.Get([]byte("a")); write == nil || !write.Hides() || err != nil {
			t.Errorf("%s: what was deleted is %+v, %v", name, write, err)
		}
		w.Reset()
	}
}

// What a range has deleted that is on disk, and was taken back, would stay deleted.
func TestWrites_rangesOnDiskAreRolledBack(t *testing.T) {
	for _, written := range []bool{false, true} { // whether there is anything on disk at the savepoint
		var w Writes
		var s shelf
		if written {
			w.Put([]byte("a"), []byte("1"))
		}
		w.Savepoint()
		err := errors.Join(w.Spill(&s), w.DeleteRange(span.Span{}))
		w.Put([]byte("b"), []byte("2"))
		if err = errors.Join(err, w.Spill(&s)); err != nil {
			t.Fatal(err)
		}
		w.RollbackTo(0)
		if write, err := w.Get([]byte("a")); (write != nil) != written || written && write.Hides() || err != nil {
			t.Errorf("written %v: what was there before is %+v, %v", written, write, err)
		}
		if write, err := w.Get([]byte("z")); write != nil || err != nil || w.Deleted() != nil {
			t.Errorf("written %v: what was never written is %+v, %v; %q is deleted", written, write, err, w.Deleted())
		}
		w.Reset()
	}
}

// A range that holds nothing would be refused by whoever reads the commit, and an end of length 0 be taken for none.
func TestWrites_deleteNothingInAnEmptyRange(t *testing.T) {
	for _, s := range []span.Span{
		{Hi: []byte{}}, {Lo: []byte("a"), Hi: []byte("a")}, {Lo: []byte("b"), Hi: []byte("a")}, {Lo: []byte{0}, Hi: []byte{}},
	} {
		var w Writes
		w.Put([]byte{}, []byte("1"))
		if err := w.DeleteRange(s); err != nil {
			t.Fatal(err)
		}
		if write, _ := w.Get(nil); write == nil || write.Hides() || w.Deleted() != nil {
			t.Errorf("%q deletes the empty key: %+v, %q", s, write, w.Deleted())
		}
	}
}

// A transaction that deletes a hundred keys and a range again and again would grow with each, and every look at it pass
// all that was deleted.
func TestWrites_droppedWritesTakeNothing(t *testing.T) {
	for _, saved := range []bool{false, true} {
		var w Writes
		if saved {
			w.Savepoint()
		}
		for i := range 1000 {
			for j := range 100 {
				w.Put([]byte(fmt.Sprintf("%04d/%02d", i, j)), make([]byte, 100))
			}
			if err := w.DeleteRange(span.Span{}); err != nil {
				t.Fatal(err)
			}
			if w.count > 0 || len(w.chunks) > 0 {
				t.Fatalf("%d writes in %d chunks are left", w.count, len(w.chunks))
			}
		}
		if saved {
			w.Release(0)
		}
		if w.size != 0 || w.KeptSize() > 1000 || len(w.Deleted()) != 1 {
			t.Errorf("saved %v: it takes %d bytes, and %d ranges, %d bytes", saved, w.size, len(w.Deleted()), w.KeptSize())
		}
	}
}

// What a set takes in memory would be wrong for all that come later: too little, and it does not spill; too much, and
// it spills all the time.
func TestWrites_sizeIsThatOfWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDatabase(t)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			d.step(t)
		}
		for len(d.points) > 0 && rapid.Bool().Draw(t, "roll back") {
			d.rollBackTo(rapid.IntRange(0, len(d.points)-1).Draw(t, "to"))
		}
		if len(d.points) > 0 {
			d.writes.Release(0)
		}
		want := 0
		for _, chunk := range d.writes.chunks {
			for _, write := range chunk {
				want += len(write.Key) + len(write.Value) + writeOverheadBytes
			}
		}
		if d.writes.size != want {
			t.Fatalf("the set takes %d bytes and says %d", want, d.writes.size)
		}
	})
}

// Ranges stay in memory, and all of them go into one commit.
func TestWrites_refuseTooManyRanges(t *testing.T) {
	var w Writes
	var s shelf
	one := func(i int) span.Span {
		return span.Span{Lo: []byte{byte(i >> 8), byte(i), 0}, Hi: []byte{byte(i >> 8), byte(i), 1}}
	}
	for i := range MaxRanges {
		if i == MaxRanges/2 {
			w.Put([]byte("k"), nil)
			if err := w.Spill(&s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.DeleteRange(one(i)); err != nil {
			t.Fatalf("range %d: %v", i, err)
		}
	}
	if err := w.DeleteRange(one(MaxRanges)); !errors.Is(err, batch.ErrTooManyRanges) {
		t.Errorf("one range more gives %v", err)
	}
	if write, err := w.Get(one(MaxRanges).Lo); write != nil || err != nil || len(w.Deleted()) != MaxRanges {
		t.Errorf("the range that was refused is deleted: %+v, %v", write, err)
	}
	w.Reset()
	for i := range 2 * MaxRanges { // alike, or one in the other
		if err := w.DeleteRange(span.Span{Lo: one(i % 1000).Lo, Hi: one(i%1000 + 2).Lo}); err != nil {
			t.Fatalf("range %d: %v", i, err)
		}
	}
	long := strings.Repeat("x", key.MaxUserKeySize-2)
	var err error
	for i := 0; err == nil && i < MaxRanges; i++ {
		k := []byte(fmt.Sprintf("%04d", i) + long)
		err = w.DeleteRange(span.Closed(k, k))
	}
	if !errors.Is(err, batch.ErrTooManyRanges) || w.KeptSize() > maxRangeBytes {
		t.Errorf("long ends take %d bytes: %v", w.KeptSize(), err)
	}
}

// A walk would pass, entry by entry, all that was deleted, in the snapshot and on disk.
func TestOverlay_jumpsOverRanges(t *testing.T) {
	const n = 10_000
	for _, backward := range []bool{false, true} {
		for _, spill := range []bool{false, true} {
			base := make(map[string]string, n)
			var w Writes
			for i := range n {
				base[fmt.Sprintf("%05d", i)] = ""
				if spill {
					w.Put([]byte(fmt.Sprintf("%05d", i)), nil)
				}
			}
			var s shelf
			if err := w.Spill(&s); err != nil {
				t.Fatal(err)
			}
			source := &counted{contents: newContents(base, span.Span{})}
			if err := w.DeleteRange(span.Span{Lo: []byte("00010"), Hi: []byte("09990")}); err != nil {
				t.Fatal(err)
			}
			if err := w.Spill(&s); err != nil { // the range is with the spills, if there are any
				t.Fatal(err)
			}
			var lower OverSpilled
			lower.Reset(source, 1, &w, span.Span{})
			var o Overlay
			o.Reset(&lower, 1, &w, span.Span{})
			start, next := o.First, o.Next
			if backward {
				start, next = o.Last, o.Prev
			}
			shown := 0
			for ok := start(); ok; ok = next() {
				shown++
			}
			if shown != 20 || source.moves > 100 {
				t.Errorf("backward %v, spilled %v: %d keys in %d moves", backward, spill, shown, source.moves)
			}
			lower.Close()
		}
	}
}
