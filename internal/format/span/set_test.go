package span

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// held returns the keys in set.
func held(set Set) keys {
	got := keys{}
	for _, k := range universe {
		if set.Contains([]byte(k)) {
			got[k] = true
		}
	}
	return got
}

// check compares set with the keys that it should hold, and with the one form that it should have for them.
func check(t *rapid.T, what string, set Set, want keys) {
	t.Helper()
	if got := held(set); !maps.Equal(got, want) {
		t.Fatalf("%s: %q contains %q, want %q", what, set, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for i, s := range set {
		if s.Empty() {
			t.Fatalf("%s: %q has an empty span", what, set)
		}
		if i > 0 && (set[i-1].Hi == nil || bytes.Compare(set[i-1].Hi, s.Lo) >= 0) {
			t.Fatalf("%s: spans of %q overlap, touch, or are out of order", what, set)
		}
	}
}

// among draws a span between two of ends. Most are short, or they would become one at once: they lie apart, touch,
// overlap, bridge others, or are empty.
func among(t *rapid.T, ends []string) Span {
	lo := rapid.IntRange(0, len(ends)-1).Draw(t, "lo")
	hi := lo + rapid.SampledFrom([]int{-1, 0, 1, 1, 1, 1, 2, 2, 3, 8}).Draw(t, "length")
	if hi < 0 || hi > len(ends) {
		return draw(t, "any")
	}
	if hi == len(ends) {
		return Span{Lo: []byte(ends[lo])}
	}
	return Span{Lo: []byte(ends[lo]), Hi: []byte(ends[hi])}
}

// A key that falls through a gap between joined spans would be written under the eyes of the transaction that read it.
func TestSet_holdsWhatWasPutIntoIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set Set
		var gathered []Span
		want := keys{}
		ends := rapid.SliceOfNDistinct(rapid.SampledFrom(universe), 4, 20, rapid.ID).Draw(t, "ends")
		slices.Sort(ends)
		for range rapid.IntRange(0, 12).Draw(t, "spans") {
			s := among(t, ends)
			gathered = append(gathered, s.Clone())
			set.Add(s)
			maps.Copy(want, naive(s.Lo, s.Hi))
			check(t, "added", set, want)
			scramble(s)
			check(t, "after a change of the bounds given", set, want)
		}
		union := Union(gathered)
		check(t, "united", union, want)
		if !slices.EqualFunc(union, set, same) {
			t.Fatalf("united %q, added %q", union, set)
		}
		if rest := gathered[len(union):]; slices.ContainsFunc(rest, func(s Span) bool { return s.Lo != nil || s.Hi != nil }) {
			t.Fatalf("keys that are in no span of the set are kept: %q", rest)
		}
		checkCoarsen(t, set, want)
	})
}

// scramble changes the bytes of a Span's bounds.
func scramble(s Span) {
	for _, b := range [][]byte{s.Lo, s.Hi} {
		for i := range b {
			b[i] ^= 0xff
		}
	}
}

// checkCoarsen sees to it that a set of fewer spans holds all that it held, from its first to its last key.
func checkCoarsen(t *rapid.T, set Set, want keys) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	all, n := Span{}, len(set)
	if n > 0 {
		all = Span{Lo: set[0].Lo, Hi: set[n-1].Hi}
	}
	before := slices.Clone(set)
	coarse := set.Coarsen(limit)
	got := held(coarse)
	for k := range got {
		if !all.Contains([]byte(k)) {
			t.Fatalf("%q, from %q, contains %q", coarse, before, k)
		}
	}
	check(t, "coarsened", coarse, got)
	for k := range want {
		if !got[k] {
			t.Fatalf("%q, from %q, does not contain %q", coarse, before, k)
		}
	}
	if len(coarse) > limit || n <= limit && !slices.EqualFunc(coarse, before, same) {
		t.Fatalf("%q was coarsened to %q, with a limit of %d", before, coarse, limit)
	}
}

// Every commit looks keys up in sets, under the one lock of all commits.
func TestSet_Contains_allocatesNothing(t *testing.T) {
	set := numbered(100)
	key := number(50)
	if n := testing.AllocsPerRun(100, func() { set.Contains(key) }); n > 0 {
		t.Errorf("%v allocations for a look", n)
	}
}

func number(n int) []byte { return fmt.Appendf(nil, "account/%010d", n) }

// numbered is a set of n spans that lie apart.
func numbered(n int) Set {
	var set Set
	for i := range n {
		set.Add(Span{Lo: number(2 * i), Hi: number(2*i + 1)})
	}
	return set
}

func BenchmarkSet_Contains(b *testing.B) {
	set, probes := numbered(1000), make([][]byte, 1<<10)
	for i := range probes {
		probes[i] = number(rand.IntN(2000))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		set.Contains(probes[i%len(probes)])
	}
}

// BenchmarkSet_Add is one of a thousand spans, which come in no order.
func BenchmarkSet_Add(b *testing.B) {
	spans := slices.Clone(numbered(1000))
	rand.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	var set Set
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(spans) == 0 {
			set = set[:0]
		}
		set.Add(spans[i%len(spans)])
	}
}

// BenchmarkUnion is a thousand spans that were gathered in no order.
func BenchmarkUnion(b *testing.B) {
	gathered := slices.Clone(numbered(1000))
	rand.Shuffle(len(gathered), func(i, j int) { gathered[i], gathered[j] = gathered[j], gathered[i] })
	work := make([]Span, len(gathered))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, gathered)
		Union(work)
	}
}

// A commit that deletes a range would not wait for a lock in it, or not be seen by who has read there.
func TestSet_Meet_isTheFirstKeyOfBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s, o Set
		for range rapid.IntRange(0, 4).Draw(t, "of s") {
			s.Add(draw(t, "s"))
		}
		for range rapid.IntRange(0, 4).Draw(t, "of o") {
			o.Add(draw(t, "o"))
		}
		want, shared := "", false
		for _, k := range universe {
			if in := s.Contains([]byte(k)) && o.Contains([]byte(k)); in && (!shared || k < want) {
				want, shared = k, true
			}
		}
		if got, ok := s.Meet(o); ok != shared || string(got) != want {
			t.Fatalf("%q and %q meet at %q, %v; want %q, %v", s, o, got, ok, want, shared)
		}
	})
}
