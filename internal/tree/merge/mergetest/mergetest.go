// Package mergetest is the conformance suite for implementations of merge.Iterator, and the strict reference
// iterator (Slice) that tests of the layers above read from.
package mergetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/merge"
)

// Build returns an iterator over entries, which are in order. The suite closes it.
type Build func(t testing.TB, entries []Entry) merge.Iterator

// Run checks that what build returns follows the contract of merge.Iterator: all sequences of moves over random
// entries give what a plain sorted slice gives, ends are ends, and lent bytes stay as they are until the next move.
func Run(t *testing.T, build Build) {
	t.Run("empty", func(t *testing.T) { checkEmpty(t, build) })
	t.Run("forward", func(t *testing.T) { checkForward(t, build) })
	t.Run("backward", func(t *testing.T) { checkBackward(t, build) })
	t.Run("ends", func(t *testing.T) { checkEnds(t, build) })
	t.Run("versions", func(t *testing.T) { checkVersions(t, build) })
	t.Run("lent", func(t *testing.T) { checkLent(t, build) })
	t.Run("moves", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { checkMoves(rt, t, build) })
	})
}

// sample is n user keys with three versions each.
func sample(n int) []Entry {
	var entries []Entry
	for i := range n {
		user := fmt.Appendf(nil, "key-%04d", i)
		for version := range 3 {
			k := key.Make(user, key.SeqNum(3*n-version*n-i+1), key.KindPut)
			entries = append(entries, Entry{Key: k, Value: fmt.Appendf(nil, "value %d.%d", i, version)})
		}
	}
	return entries
}

// checkEmpty: a run without entries has no position to be at, and that is no error.
func checkEmpty(t *testing.T, build Build) {
	it := build(t, nil)
	defer closeIterator(t, it)
	target := key.SeekTo([]byte("k"), key.MaxSeqNum)
	if it.First() || it.Last() || it.SeekGE(target) || it.SeekLT(target) || it.Next() || it.Prev() || it.Valid() {
		t.Error("an empty run claims to be at an entry")
	}
	if err := it.Err(); err != nil {
		t.Errorf("Err at the end of an empty run: %v", err)
	}
}

// checkForward: a scan that misses an entry loses data.
func checkForward(t *testing.T, build Build) {
	entries := sample(300)
	it := build(t, entries)
	defer closeIterator(t, it)
	i := 0
	for ok := it.First(); ok; ok = it.Next() {
		mustBeAt(t, it, entries, i)
		i++
	}
	if i != len(entries) || it.Err() != nil {
		t.Errorf("forward scan ended after %d of %d entries, error %v", i, len(entries), it.Err())
	}
}

// checkBackward: a reverse scan that misses an entry loses data.
func checkBackward(t *testing.T, build Build) {
	entries := sample(300)
	it := build(t, entries)
	defer closeIterator(t, it)
	i := len(entries)
	for ok := it.Last(); ok; ok = it.Prev() {
		i--
		mustBeAt(t, it, entries, i)
	}
	if i != 0 || it.Err() != nil {
		t.Errorf("backward scan ended %d entries before the first, error %v", i, it.Err())
	}
}

// checkEnds: an iterator that wraps around, or that comes back from an end, makes loops endless or wrong.
func checkEnds(t *testing.T, build Build) {
	entries := sample(2)
	it := build(t, entries)
	defer closeIterator(t, it)
	if it.Valid() || it.Next() || it.Prev() {
		t.Error("a new iterator is at an entry")
	}
	if !it.Last() || it.Next() || it.Valid() || it.Next() || it.Prev() {
		t.Error("moving on from beyond the last entry led somewhere")
	}
	if !it.First() || it.Prev() || it.Valid() || it.Prev() || it.Next() {
		t.Error("moving on from before the first entry led somewhere")
	}
	if it.SeekGE(key.Make([]byte("z"), 1, key.KindPut)) || it.Prev() {
		t.Error("a seek beyond the last entry led somewhere")
	}
	if it.SeekLT(key.SeekTo(nil, key.MaxSeqNum)) || it.Next() {
		t.Error("a seek to before everything led somewhere")
	}
	if err := it.Err(); err != nil {
		t.Errorf("Err after ends only: %v", err)
	}
}

// checkVersions: a seek that lands on the wrong version shows a snapshot too new or too old a value.
func checkVersions(t *testing.T, build Build) {
	entries := sample(40)
	it := build(t, entries)
	defer closeIterator(t, it)
	for i, e := range entries {
		if !it.SeekGE(e.Key) {
			t.Fatalf("SeekGE(%v): no entry, error %v", e.Key, it.Err())
		}
		mustBeAt(t, it, entries, i)
		if !it.SeekGE(key.SeekTo(e.Key.User, e.Key.Trailer.Seq())) {
			t.Fatalf("seek to %v: no entry, error %v", e.Key, it.Err())
		}
		mustBeAt(t, it, entries, i)
		if it.SeekLT(e.Key) != (i > 0) {
			t.Fatalf("SeekLT(%v) = %v, error %v", e.Key, it.Valid(), it.Err())
		}
		if i > 0 {
			mustBeAt(t, it, entries, i-1)
		}
	}
}

// checkLent: what a batch has lent must outlive a Next wherever Pinned says so, which is not where a page ends.
func checkLent(t *testing.T, build Build) {
	entries := sample(300)
	it := build(t, entries)
	defer closeIterator(t, it)
	want := NewSlice(entries)
	dst := make([]Entry, 5)
	if it.First() != want.First() {
		t.Fatalf("First: Valid %v, error %v", it.Valid(), it.Err())
	}
	for want.Valid() {
		n := it.NextBatch(dst, key.Internal{})
		if n > 1 {
			want.place(want.at + n - 1)
		}
		mustBeAt(t, it, entries, want.at)
		if it.Pinned() {
			checkPinned(t, it, want, dst[:n])
		} else if it.Next() != want.Next() {
			t.Fatalf("Next after a batch: Valid %v, error %v", it.Valid(), it.Err())
		}
	}
}

// checkMoves: random moves over random entries against the reference.
func checkMoves(rt *rapid.T, t *testing.T, build Build) {
	entries := Entries(rt, "entries", 60)
	it := build(t, entries)
	defer closeIterator(t, it)
	want := NewSlice(entries)
	for range rapid.IntRange(1, 60).Draw(rt, "moves") {
		if want.Valid() && rapid.IntRange(0, 3).Draw(rt, "batch") == 0 {
			checkBatch(rt, it, want)
			continue
		}
		name, got, expected := move(rt, it, want)
		if got != expected || it.Valid() != expected || it.Err() != nil {
			rt.Fatalf("%s = %v, Valid %v, error %v; the reference says %v", name, got, it.Valid(), it.Err(), expected)
		}
		if expected {
			mustBeAt(rt, it, entries, want.at)
		}
	}
}

// checkBatch: what is handed out together must be what single steps would have come to, and nothing at or beyond the
// end.
func checkBatch(rt *rapid.T, it merge.Iterator, want *Slice) {
	dst := make([]Entry, rapid.IntRange(1, 5).Draw(rt, "room"))
	var end key.Internal
	if rapid.Bool().Draw(rt, "bounded") {
		end = key.Make(userKey(rt, "end"), key.SeqNum(rapid.IntRange(0, 101).Draw(rt, "end seq")), key.KindMax)
	}
	name, n, step, beyond := "NextBatch", 0, 1, 1
	if rapid.Bool().Draw(rt, "backward") {
		name, step, beyond = "PrevBatch", -1, -1
		n = it.PrevBatch(dst, end)
	} else {
		n = it.NextBatch(dst, end)
	}
	if n < 0 || n > len(dst) || !it.Valid() || it.Err() != nil {
		rt.Fatalf("%s = %d of %d, Valid %v, error %v", name, n, len(dst), it.Valid(), it.Err())
	}
	for i := range n {
		at := want.at + i*step
		if at < 0 || at >= len(want.Entries) {
			rt.Fatalf("%s handed out %d entries, of which %d are there", name, n, i)
		}
		e, k := want.Entries[at], dst[i].Key
		past := !end.Zero() && key.Compare(k, end)*beyond >= 0
		if key.Compare(k, e.Key) != 0 || !bytes.Equal(dst[i].Value, e.Value) || k.Trailer.Kind() > key.KindPut || past {
			rt.Fatalf("%s: entry %d is %v, want %v; end %v", name, i, k, e.Key, end)
		}
	}
	if n > 1 {
		want.place(want.at + (n-1)*step)
	}
	mustBeAt(rt, it, want.Entries, want.at)
	if n > 0 && it.Pinned() {
		checkPinned(rt, it, want, dst[:n])
	}
}

// checkPinned: what several sources have lent must still be there when they have moved on.
func checkPinned(t fataler, it merge.Iterator, want *Slice, lent []Entry) {
	before := make([]Entry, len(lent))
	for i, e := range lent {
		before[i] = Entry{Key: e.Key.Clone(), Value: bytes.Clone(e.Value)}
	}
	if it.Next() != want.Next() || it.Err() != nil {
		t.Fatalf("Next after a batch: Valid %v, error %v", it.Valid(), it.Err())
	}
	for i, e := range lent {
		if key.Compare(e.Key, before[i].Key) != 0 || !bytes.Equal(e.Value, before[i].Value) {
			t.Fatalf("entry %d of a batch was %v and is %v after a Next", i, before[i].Key, e.Key)
		}
	}
}

// move makes one random move of both iterators.
func move(rt *rapid.T, it, want merge.Iterator) (name string, got, expected bool) {
	name = rapid.SampledFrom([]string{
		"First", "Last", "SeekGE", "SeekLT", "Next", "Next", "Next", "Next", "Prev", "Prev", "Prev", "Prev",
	}).Draw(rt, "move")
	switch name {
	case "First":
		return name, it.First(), want.First()
	case "Last":
		return name, it.Last(), want.Last()
	case "Next":
		return name, it.Next(), want.Next()
	case "Prev":
		return name, it.Prev(), want.Prev()
	}
	target := key.Make(userKey(rt, "target"), key.SeqNum(rapid.IntRange(0, 101).Draw(rt, "seq")), key.KindMax)
	if name == "SeekGE" {
		return name, it.SeekGE(target), want.SeekGE(target)
	}
	return name, it.SeekLT(target), want.SeekLT(target)
}

// Entries draws up to max entries in order: few distinct user keys, so that they have several versions, of varied
// lengths, and values from empty to a few kilobytes, some of which end at a moment from 1 to 10. Every
// sequence number, from 1 to 100, appears once at most.
func Entries(rt *rapid.T, label string, max int) []Entry {
	seqs := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 100), 0, max, rapid.ID[uint64]).Draw(rt, label)
	entries := make([]Entry, len(seqs))
	for i, seq := range seqs {
		entries[i] = entry(rt, key.SeqNum(seq))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return key.Compare(a.Key, b.Key) })
	return entries
}

// entry draws the entry with number seq.
func entry(rt *rapid.T, seq key.SeqNum) Entry {
	user := userKey(rt, "user")
	switch rapid.IntRange(0, 7).Draw(rt, "kind") {
	case 0, 1:
		return Entry{Key: key.Make(user, seq, key.KindDelete)}
	case 2:
		return Entry{Key: key.Make(user, seq, key.KindMerge), Value: []byte{byte(operand.Append), byte(seq)}}
	case 3:
		add := operand.AppendInt64([]byte{byte(operand.Add)}, int64(seq))
		return Entry{Key: key.Make(user, seq, key.KindMerge), Value: add}
	}
	size := rapid.SampledFrom([]int{0, 1, 10, 100, 3000}).Draw(rt, "size")
	if rapid.IntRange(0, 3).Draw(rt, "ends") == 0 { // at one of a few moments
		end := key.Time(rapid.IntRange(1, 10).Draw(rt, "end"))
		value := key.WithEnd(nil, end, bytes.Repeat([]byte{byte(seq)}, size))
		return Entry{Key: key.Make(user, seq, key.KindPutUntil), Value: value}
	}
	return Entry{Key: key.Make(user, seq, key.KindPut), Value: bytes.Repeat([]byte{byte(seq)}, size)}
}

// userKey draws one of a few user keys, among which are prefixes of each other and bytes at both extremes, or any other
// short one.
func userKey(rt *rapid.T, label string) []byte {
	if rapid.IntRange(0, 3).Draw(rt, "any "+label) == 0 {
		return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x7f, 0x80, 0xff}), 0, 3).Draw(rt, label)
	}
	return slices.Clone(rapid.SampledFrom(userKeys).Draw(rt, label))
}

var userKeys = [][]byte{
	{}, {0}, {0, 0}, []byte("a"), []byte("aa"), []byte("aaaaaaaa"), []byte("aaaaaaaab"), []byte("ab"), []byte("b"),
	[]byte("bb"), []byte("key-0001"), []byte("key-0002"), []byte("key-00021"), {0x7f, 0xff}, {0x80}, {0x80, 0x80},
	{0xfe, 0xff}, {0xff}, {0xff, 0xff}, bytes.Repeat([]byte("long"), 200),
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// mustBeAt checks that it is at entries[i] and that reading the value leaves the key alone.
func mustBeAt(t fataler, it merge.Iterator, entries []Entry, i int) {
	t.Helper()
	k := it.Key()
	value, err := it.Value()
	if err != nil {
		t.Fatalf("Value of entry %d (%v): %v", i, entries[i].Key, err)
	}
	if key.Compare(k, entries[i].Key) != 0 || key.Compare(it.Key(), entries[i].Key) != 0 {
		t.Fatalf("at %v, want entry %d, %v", k, i, entries[i].Key)
	}
	if !bytes.Equal(value, entries[i].Value) {
		t.Fatalf("value of %v is %d bytes %.20q, want %d bytes %.20q", k, len(value), value,
			len(entries[i].Value), entries[i].Value)
	}
}

func closeIterator(t *testing.T, it merge.Iterator) {
	t.Helper()
	if err := it.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
