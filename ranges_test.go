package lightningdb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// rangeBounds are bounds and prefixes of every kind: none, empty, next to each other, prefixes of each other, and of
// bytes that are no text.
var rangeBounds = [][]byte{nil, {}, {0}, {0, 0}, []byte("a"), []byte("a\x00"), []byte("ab"), []byte("b"), {0x80},
	{0xfe, 0xff}, {0xff}, {0xff, 0}, {0xff, 0xff}, {0xff, 0xff, 0xff}}

// openWithBounds opens a database with an entry at each of the bounds.
func openWithBounds(t *testing.T) *DB {
	db, err := Open("", &Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var b Batch
	for _, k := range rangeBounds {
		b.Put(k, []byte("value"))
	}
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	return db
}

// shownBy is the keys that r shows.
func shownBy(t *testing.T, r *Range) (keys []string) {
	t.Helper()
	for k := range r.Keys() {
		keys = append(keys, string(k))
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// checkDeleted checks that what a range showed is gone, and the rest of all is there.
func checkDeleted(t *testing.T, db *DB, what string, all, shown []string) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return slices.Contains(shown, k) })
	if left := shownBy(t, db.Range(nil, nil)); !slices.Equal(left, want) {
		t.Errorf("%s: %q is left, want %q", what, left, want)
	}
	for _, k := range all {
		if ok, err := db.Has([]byte(k)); ok == slices.Contains(shown, k) || err != nil {
			t.Errorf("%s: %q is there: %v, %v", what, k, ok, err)
		}
	}
}

// A program deletes what it has seen a Range or Prefix show: more would be lost data, less would be left.
func TestDeleteRange_deletesWhatRangeShows(t *testing.T) {
	for _, lo := range rangeBounds {
		for _, hi := range rangeBounds {
			db := openWithBounds(t)
			all, shown := shownBy(t, db.Range(nil, nil)), shownBy(t, db.Range(lo, hi))
			if err := db.DeleteRange(lo, hi); err != nil {
				t.Fatal(err)
			}
			checkDeleted(t, db, fmt.Sprintf("[%q, %q) (no end: %v)", lo, hi, hi == nil), all, shown)
		}
		db := openWithBounds(t)
		all, shown := shownBy(t, db.Range(nil, nil)), shownBy(t, db.Prefix(lo))
		if err := db.DeletePrefix(lo); err != nil {
			t.Fatal(err)
		}
		checkDeleted(t, db, fmt.Sprintf("prefix %q", lo), all, shown)
	}
}

// The operations of a batch take effect in their order, also where a range is one of them.
func TestBatch_deletesRangesInItsOrder(t *testing.T) {
	db := openWithBounds(t)
	var b Batch
	b.Put([]byte("user/1"), []byte("before"))
	b.Add([]byte("user/n"), 5)
	b.DeletePrefix([]byte("user/"))
	b.Add([]byte("user/n"), 2)
	b.Put([]byte("user/2"), []byte("after"))
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	if keys := shownBy(t, db.Prefix([]byte("user/"))); !slices.Equal(keys, []string{"user/2", "user/n"}) {
		t.Errorf("%q is left", keys)
	}
	v, err := db.Get([]byte("user/n"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Int64(v); n != 2 || err != nil {
		t.Errorf("the counter is %d, %v", n, err)
	}
}

// A layer that copies a batch would delete something else; one that gives bounds which are too long would not be told.
func TestBatch_showsTheRangesThatItDeletes(t *testing.T) {
	var b Batch
	long := make([]byte, MaxKeySize+1)
	err := errors.Join(b.DeleteRange(nil, nil), b.DeleteRange([]byte("a"), []byte("b")), b.DeletePrefix([]byte{0xff}),
		b.DeleteRange([]byte("b"), []byte("a")), b.DeleteRange(nil, []byte{}), b.DeleteRange(long[1:], nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []Operation{
		{Kind: "delete range", Key: []byte{}},
		{Kind: "delete range", Key: []byte("a"), Value: []byte("b")},
		{Kind: "delete range", Key: []byte{0xff}},
		{Kind: "delete range", Key: long[1:]},
	}
	if got := slices.Collect(b.All()); !slices.EqualFunc(got, want, func(a, b Operation) bool {
		return a.Kind == b.Kind && a.Key != nil && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
			(a.Value == nil) == (b.Value == nil)
	}) {
		t.Errorf("%.40q", got)
	}
	for _, ends := range [][2][]byte{{long, nil}, {nil, long}} {
		if err := b.DeleteRange(ends[0], ends[1]); !errors.Is(err, ErrKeyTooLarge) || b.Len() != len(want) {
			t.Errorf("%v, and it has %d operations", err, b.Len())
		}
	}
	if err := b.DeletePrefix(long); !errors.Is(err, ErrKeyTooLarge) || !errors.Is(b.Err(), ErrKeyTooLarge) {
		t.Errorf("%v, %v", err, b.Err())
	}
}
