package cover

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/ranges"
)

// list is what is known of the ages of a list of entries: all, or nothing.
type list struct {
	entries []merge.Entry
	unknown bool
	asked   int // calls of Newer
}

func (l *list) Older(t ranges.Tombstone) bool {
	return l.unknown || slices.ContainsFunc(l.entries, func(e merge.Entry) bool {
		return t.Contains(e.Key.User) && e.Key.Trailer.Seq() < t.Seq
	})
}

func (l *list) Newer(t ranges.Tombstone, from []byte, backward bool) (next []byte, some bool) {
	if l.asked++; l.unknown {
		return from, true
	}
	for _, e := range l.entries {
		order := bytes.Compare(e.Key.User, from)
		if !t.Contains(e.Key.User) || e.Key.Trailer.Seq() < t.Seq || order != 0 && (order < 0) != backward {
			continue
		}
		if !some || backward || bytes.Compare(e.Key.User, next) < 0 {
			next, some = e.Key.User, true
		}
	}
	return next, some
}

func sorted(entries []merge.Entry) []merge.Entry {
	slices.SortFunc(entries, func(a, b merge.Entry) int { return key.Compare(a.Key, b.Key) })
	return entries
}

// between is a source of entries, and of others in ranges between their keys, which were deleted.
func between(entries []merge.Entry, unknown bool) *Iterator {
	var set *ranges.Set
	all := slices.Clone(entries)
	for i, e := range entries {
		s := span.Span{Lo: append(slices.Clone(e.Key.User), 0)}
		if i+1 < len(entries) {
			s.Hi = entries[i+1].Key.User
		}
		if s.Empty() {
			continue
		}
		deleted := key.SeqNum(100 + i)
		set = set.With(ranges.Tombstone{Span: s, Seq: deleted})
		for n := range i % 40 {
			user := append(slices.Clone(s.Lo), bytes.Repeat([]byte{0}, n/2)...)
			if s.Contains(user) {
				all = append(all, merge.Entry{Key: key.Make(user, deleted-1-key.SeqNum(n), key.KindPut)})
			}
		}
	}
	all = sorted(all)
	c := At(key.MaxSeqNum, set, nil)
	return new(Iterator).Reset(mergetest.NewSlice(all), &list{entries: all, unknown: unknown}, c)
}

// A walk over what is left would miss something, or show what was deleted.
func TestIterator_isARun(t *testing.T) {
	for name, unknown := range map[string]bool{"of known ages": false, "of unknown ages": true} {
		t.Run(name, func(t *testing.T) {
			mergetest.Run(t, func(_ testing.TB, entries []mergetest.Entry) merge.Iterator { return between(entries, unknown) })
		})
	}
}

var ends = []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\xff", "b", "\x80", "\xff", "\xff\x00", "\xff\xff"}

func drawEnd(t *rapid.T) []byte {
	return []byte(rapid.SampledFrom(ends).Draw(t, "end"))
}

func drawTombstone(t *rapid.T) ranges.Tombstone {
	d := ranges.Tombstone{Seq: key.SeqNum(rapid.IntRange(1, 40).Draw(t, "deleted"))}
	if rapid.Bool().Draw(t, "from") {
		d.Lo = drawEnd(t)
	}
	if rapid.Bool().Draw(t, "to") {
		d.Hi = drawEnd(t)
	}
	return d
}

// What is older than a tombstone over it that the reader sees is hidden, and nothing else: between tombstones within,
// over and next to each other, in two sets, some too new for the reader.
func TestIterator_hidesWhatIsOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sets [2]*ranges.Set
		at := key.SeqNum(rapid.IntRange(1, 45).Draw(t, "reader"))
		var deleted []ranges.Tombstone
		for range rapid.IntRange(0, 8).Draw(t, "tombstones") {
			d, i := drawTombstone(t), rapid.IntRange(0, 1).Draw(t, "set")
			sets[i] = sets[i].With(d)
			if deleted = append(deleted, d); d.Seq > at {
				deleted = deleted[:len(deleted)-1]
			}
		}
		var all, want []merge.Entry
		for seq := range key.SeqNum(rapid.IntRange(0, 40).Draw(t, "entries")) {
			kind := key.Kind(rapid.IntRange(0, 1).Draw(t, "kind"))
			all = append(all, merge.Entry{Key: key.Make(drawEnd(t), seq+1, kind)})
		}
		for _, e := range sorted(all) {
			if !slices.ContainsFunc(deleted, func(d ranges.Tombstone) bool {
				return d.Contains(e.Key.User) && e.Key.Trailer.Seq() < d.Seq
			}) {
				want = append(want, e)
			}
		}
		ages := &list{entries: all, unknown: rapid.Bool().Draw(t, "unknown")}
		it := new(Iterator).Reset(mergetest.NewSlice(all), ages, At(at, sets[0], sets[1]))
		walk(t, it, want)
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A batch ends where a tombstone begins, or those at the other end of it are shown, wherever the tombstone is: random
// ones are over most of the keys, or over the first of a batch.
func TestIterator_endsABatchAtATombstone(t *testing.T) {
	const n = 12
	name := func(i int) []byte { return []byte{'k', byte(i)} }
	var all []merge.Entry
	for i := range n {
		all = append(all, merge.Entry{Key: key.Make(name(i), 1, key.KindPut)})
	}
	for lo := range n {
		for hi := lo + 1; hi <= n; hi++ {
			set := (*ranges.Set)(nil).With(ranges.Tombstone{Span: span.Span{Lo: name(lo), Hi: name(hi)}, Seq: 2})
			it := new(Iterator).Reset(mergetest.NewSlice(all), &list{entries: all}, At(3, set, nil))
			walkInBatches(t, it, slices.Concat(all[:lo], all[hi:]))
			if err := it.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// walk moves it at random, and over all of it both ways, in batches too.
func walk(t *rapid.T, it *Iterator, want []merge.Entry) {
	model := mergetest.NewSlice(want)
	for range rapid.IntRange(0, 30).Draw(t, "moves") {
		k := key.Make(drawEnd(t), key.SeqNum(rapid.IntRange(0, 45).Draw(t, "target")), key.KindMax)
		move := rapid.SampledFrom([]string{"first", "last", "ge", "lt", "next", "next", "prev", "prev"}).Draw(t, "move")
		got := step(it, move, k)
		if ok := step(model, move, k); got != ok || ok && key.Compare(it.Key(), model.Key()) != 0 {
			t.Fatalf("%s %v: %v, want %v of %v", move, k, got, ok, want)
		}
	}
	walkInBatches(t, it, want)
}

// walkInBatches moves it over all of it, both ways.
func walkInBatches(t rapid.TB, it *Iterator, want []merge.Entry) {
	var forward, backward []key.Internal
	var room [5]merge.Entry
	for ok := it.First(); ok; ok = it.Next() {
		forward = append(forward, it.Key().Clone())
		if n := it.NextBatch(room[:], key.Internal{}); n > 0 {
			forward = forward[:len(forward)-1]
			for _, e := range room[:n] {
				forward = append(forward, e.Key.Clone())
			}
		}
	}
	for ok := it.Last(); ok; ok = it.Prev() {
		backward = append(backward, it.Key().Clone())
		if n := it.PrevBatch(room[:], key.Internal{}); n > 0 {
			backward = backward[:len(backward)-1]
			for _, e := range room[:n] {
				backward = append(backward, e.Key.Clone())
			}
		}
	}
	slices.Reverse(backward)
	same := func(e merge.Entry, k key.Internal) bool { return key.Compare(e.Key, k) == 0 }
	if !slices.EqualFunc(want, forward, same) || !slices.EqualFunc(want, backward, same) {
		t.Fatalf("forward %v, backward %v, want %v", forward, backward, want)
	}
}

func step(it merge.Iterator, move string, k key.Internal) bool {
	switch move {
	case "first":
		return it.First()
	case "last":
		return it.Last()
	case "ge":
		return it.SeekGE(k)
	case "lt":
		return it.SeekLT(k)
	case "next":
		return it.Next()
	}
	return it.Prev()
}

// counted counts what is asked of a source.
type counted struct {
	merge.Iterator
	moves int
}

func (c *counted) Next() bool { c.moves++; return c.Iterator.Next() }
func (c *counted) Prev() bool { c.moves++; return c.Iterator.Prev() }

// A walk behind a delete of a range would take as long as one over what was deleted.
func TestIterator_wadesThroughNothing(t *testing.T) {
	const n = 10_000
	var all []merge.Entry
	for i := range n {
		all = append(all, merge.Entry{Key: key.Make([]byte{byte(i >> 8), byte(i)}, key.SeqNum(i+1), key.KindPut)})
	}
	for _, row := range []struct {
		name string
		span span.Span
		left int
	}{
		{"all", span.Span{}, 0},
		{"all but the first", span.Span{Lo: []byte{0, 1}}, 1},
		{"all but the last", span.Span{Hi: []byte{byte((n - 1) >> 8), byte((n - 1) & 0xff)}}, 1},
		{"the middle", span.Span{Lo: []byte{0, 1}, Hi: []byte{byte((n - 1) >> 8), byte((n - 1) & 0xff)}}, 2},
	} {
		source := &counted{Iterator: mergetest.NewSlice(all)}
		set := ranges.Of(ranges.Tombstone{Span: row.span, Seq: n + 1})
		ages := &list{entries: all}
		it := new(Iterator).Reset(source, ages, At(key.MaxSeqNum, nil, set))
		forward, backward := 0, 0
		for ok := it.First(); ok; ok = it.Next() {
			forward++
		}
		for ok := it.Last(); ok; ok = it.Prev() {
			backward++
		}
		if forward != row.left || backward != row.left || source.moves > 2*askEvery || ages.asked > 10 {
			t.Errorf("%s: %d and %d entries, want %d; %d moves, asked %d times", row.name, forward, backward, row.left,
				source.moves, ages.asked)
		}
	}
}
