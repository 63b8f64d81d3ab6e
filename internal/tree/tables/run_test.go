package tables

import (
	"bytes"
	"slices"
	"testing"

	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"pgregory.net/rapid"
)

// A table that is left out hides its keys; one too many costs a seek.
func TestWithin_isTheTablesThatOverlap(t *testing.T) {
	user := rapid.Custom(drawUser)
	rapid.Check(t, func(t *rapid.T) {
		bounds := rapid.SliceOfNDistinct(user, 0, 12, func(b []byte) string { return string(b) }).Draw(t, "bounds")
		slices.SortFunc(bounds, bytes.Compare)
		var refs []*Ref
		for i := 0; i+1 < len(bounds); i += 2 {
			refs = append(refs, Of(&manifest.TableMeta{Smallest: bounds[i], Largest: bounds[i+1]}))
		}
		r := NewRun(refs)
		lo, hi := drawBound(t, user, "lo"), drawBound(t, user, "hi")
		var want []*Ref
		for _, table := range refs {
			beyond := hi != nil && bytes.Compare(table.meta.Smallest, hi) >= 0
			if !beyond && (lo == nil || bytes.Compare(table.meta.Largest, lo) >= 0) {
				want = append(want, table)
			}
		}
		got := r.Within(span.Span{Lo: lo, Hi: hi})
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Fatalf("[%q, %q): %d tables, want %d", lo, hi, len(got), len(want))
		}
	})
}

func drawBound(t *rapid.T, user *rapid.Generator[[]byte], label string) []byte {
	if rapid.Bool().Draw(t, label+" open") {
		return nil
	}
	if rapid.IntRange(0, 7).Draw(t, label+" empty") == 0 {
		return []byte{}
	}
	return user.Draw(t, label)
}

// drawUser draws a user key of few bytes, or one that begins as others do for as long as the head of a key.
func drawUser(t *rapid.T) []byte {
	tail := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x7f, 0x80, 0xff}), 0, 4).Draw(t, "user")
	long := rapid.SampledFrom([]string{"", "", "aaaaaaaa", "\xff\xff\xff\xff\xff\xff\xff\xff"}).Draw(t, "long")
	return append([]byte(long), tail...)
}
