package tree

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/tree/manifest"
)

// A table that is left out hides its keys; one too many costs a seek.
func TestWithin_isTheTablesThatOverlap(t *testing.T) {
	user := rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), 1, 12)
	rapid.Check(t, func(t *rapid.T) {
		bounds := rapid.SliceOfNDistinct(user, 0, 12, func(b []byte) string { return string(b) }).Draw(t, "bounds")
		slices.SortFunc(bounds, bytes.Compare)
		var tables []*tableRef
		for i := 0; i+1 < len(bounds); i += 2 {
			tables = append(tables, &tableRef{meta: &manifest.TableMeta{Smallest: bounds[i], Largest: bounds[i+1]}})
		}
		r := newRun(tables)
		lo, hi := drawBound(t, user, "lo"), drawBound(t, user, "hi")
		if lo != nil && hi != nil && bytes.Compare(lo, hi) > 0 {
			lo, hi = hi, lo
		}
		var want []*tableRef
		for _, table := range tables {
			beyond := hi != nil && bytes.Compare(table.meta.Smallest, hi) >= 0
			if !beyond && (lo == nil || bytes.Compare(table.meta.Largest, lo) >= 0) {
				want = append(want, table)
			}
		}
		got := r.within(lo, hi)
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Fatalf("[%q, %q): %d tables, want %d", lo, hi, len(got), len(want))
		}
	})
}

func drawBound(t *rapid.T, user *rapid.Generator[[]byte], label string) []byte {
	if rapid.Bool().Draw(t, label+" open") {
		return nil
	}
	return user.Draw(t, label)
}
