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

// A layer that copies a batch would delete something else; one would keep what does nothing.
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
	if err := b.DeletePrefix(long); err != nil || b.Len() != len(want) { // no key is that long
		t.Errorf("%v, and it has %d operations", err, b.Len())
	}
}

// Bounds may be of any length, as those of loops may, though no key is.
func TestDeleteRange_takesBoundsOfAnyLength(t *testing.T) {
	longest := func(c byte) []byte { return bytes.Repeat([]byte{c}, MaxKeySize) }
	keys := [][]byte{{}, []byte("a"), longest('a'), []byte("b"), longest(0xff)}
	bounds := [][]byte{nil, []byte("b"), longest('a'), append(longest('a'), 'b', 0xff), append(longest(0), 0),
		longest(0xff), append(longest(0xff), 0)}
	for _, lo := range bounds {
		for _, hi := range bounds {
			db, err := Open("", &Options{InMemory: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			for _, k := range keys {
				if err := db.Put(k, nil); err != nil {
					t.Fatal(err)
				}
			}
			what := fmt.Sprintf("from %d bytes %.3q to %d bytes %.3q", len(lo), lo, len(hi), hi)
			all, shown := shownBy(t, db.Range(nil, nil)), shownBy(t, db.Range(lo, hi))
			undo := errors.New("undo")
			if err := db.Update(t.Context(), func(tx *Tx) error {
				if err := tx.DeleteRange(lo, hi); err != nil {
					return err
				}
				if left := shownBy(t, tx.Range(nil, nil)); len(left) != len(all)-len(shown) {
					t.Errorf("%s: a transaction has %d keys of %d: %d are in the range", what, len(left), len(all), len(shown))
				}
				return undo
			}); !errors.Is(err, undo) {
				t.Fatal(err)
			}
			if err := db.DeleteRange(lo, hi); err != nil {
				t.Fatal(err)
			}
			checkDeleted(t, db, what, all, shown)
		}
	}
}
