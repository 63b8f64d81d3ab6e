package lock

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// bound draws a key of few, or nil for an open end.
func bound(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 7).Draw(t, name+" is open") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 3).Draw(t, name)
}

// A key that falls through a gap between joined ranges would be written under the eyes of the transaction that read it.
func TestRanges_containWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set ranges
		var added []keyRange
		for range rapid.IntRange(0, 8).Draw(t, "ranges") {
			r := keyRange{lo: bound(t, "lo"), hi: bound(t, "hi")}
			set.add(r.lo, r.hi)
			added = append(added, r)
		}
		for key := range allKeys(3, 4) {
			want := false
			for _, r := range added {
				want = want || bytes.Compare(r.lo, key) <= 0 && (r.hi == nil || bytes.Compare(key, r.hi) < 0)
			}
			if got := set.contain(key); got != want {
				t.Fatalf("key %x in %x: %v, want %v", key, set, got, want)
			}
		}
		for i := 1; i < len(set); i++ {
			if set[i-1].hi == nil || bytes.Compare(set[i-1].hi, set[i].lo) >= 0 {
				t.Fatalf("ranges overlap, touch, or are out of order: %x", set)
			}
		}
	})
}

// allKeys yields every key of up to size bytes below limit.
func allKeys(size int, limit byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		all := [][]byte{{}}
		for len(all) > 0 {
			key := all[0]
			all = all[1:]
			if !yield(key) {
				return
			}
			for b := byte(0); b < limit && len(key) < size; b++ {
				all = append(all, append(bytes.Clone(key), b))
			}
		}
	}
}
