package merge_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/visible"
)

// deal spreads entries over n runs in a fixed pseudo-random manner.
func deal(entries []mergetest.Entry, n int) []*mergetest.Slice {
	hands := make([][]mergetest.Entry, n)
	for i, e := range entries {
		h := int(uint32(i)*2654435761>>16+uint32(e.Key.Trailer.Seq())) % n
		hands[h] = append(hands[h], e)
	}
	runs := make([]*mergetest.Slice, n)
	for i := range runs {
		runs[i] = mergetest.NewSlice(hands[i])
	}
	return runs
}

func iterators(runs []*mergetest.Slice) []merge.Iterator {
	its := make([]merge.Iterator, len(runs))
	for i, run := range runs {
		its[i] = run
	}
	return its
}

// TestSlice_conforms would let a wrong reference approve wrong iterators.
func TestSlice_conforms(t *testing.T) {
	mergetest.Run(t, func(_ testing.TB, entries []mergetest.Entry) merge.Iterator { return mergetest.NewSlice(entries) })
}

// TestMerging_conforms: a merge that loses or misorders entries loses data in every scan and compaction.
func TestMerging_conforms(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		t.Run(fmt.Sprint(n, " runs"), func(t *testing.T) {
			mergetest.Run(t, func(_ testing.TB, entries []mergetest.Entry) merge.Iterator {
				return merge.New(iterators(deal(entries, n))...)
			})
		})
	}
}

// TestMerging_resetForgets: a pooled merge that remembers its former runs would mix two views.
func TestMerging_resetForgets(t *testing.T) {
	var pooled merge.Merging
	mergetest.Run(t, func(_ testing.TB, entries []mergetest.Entry) merge.Iterator {
		return pooled.Reset(iterators(deal(entries, 4))...)
	})
}

// TestNew_ofNothing: an empty database has no sources, and scanning it must end, not fail.
func TestNew_ofNothing(t *testing.T) {
	it := merge.New()
	if it.First() || it.Last() || it.SeekGE(key.Internal{}) || it.SeekLT(key.Internal{}) || it.Next() || it.Prev() {
		t.Error("a merge of nothing is at an entry")
	}
	if it.Err() != nil || it.Close() != nil {
		t.Error("a merge of nothing failed")
	}
}

// TestMerging_errorIsNeverAnEnd: if one unreadable source were taken for one that has ended, keys would go missing
// silently, or deleted ones come back.
func TestMerging_errorIsNeverAnEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		entries := mergetest.Entries(rt, "entries", 30)
		runs := deal(entries, rapid.IntRange(2, 4).Draw(rt, "runs"))
		broken := runs[rapid.IntRange(0, len(runs)-1).Draw(rt, "broken")]
		if len(broken.Entries) == 0 {
			return
		}
		broken.FailAt = rapid.IntRange(0, len(broken.Entries)-1).Draw(rt, "fail at")
		it := merge.New(iterators(runs)...)
		checkScanFails(rt, it.First, it.Next, it, entries, broken.Entries[broken.FailAt].Key)
		slices.Reverse(entries)
		checkScanFails(rt, it.Last, it.Prev, it, entries, broken.Entries[broken.FailAt].Key)
		if err := it.Close(); err != nil {
			rt.Fatal(err)
		}
		for i, run := range runs {
			if !run.Closed {
				rt.Fatalf("run %d was not closed", i)
			}
		}
	})
}

// checkScanFails scans and expects the entries in front of bad, or some of them, and then the injected error.
func checkScanFails(
	rt *rapid.T, start, step func() bool, it merge.Iterator, entries []mergetest.Entry, bad key.Internal,
) {
	i := 0
	for ok := start(); ok; ok = step() {
		if key.Compare(it.Key(), entries[i].Key) != 0 || key.Compare(it.Key(), bad) == 0 {
			rt.Fatalf("entry %d is %v, want %v; %v is unreadable", i, it.Key(), entries[i].Key, bad)
		}
		i++
	}
	if !errors.Is(it.Err(), mergetest.ErrInjected) {
		rt.Fatalf("scan ended after %d of %d entries with error %v", i, len(entries), it.Err())
	}
	if step() || it.Valid() || !errors.Is(it.Err(), mergetest.ErrInjected) {
		rt.Fatalf("the error was forgotten by the next step")
	}
}

// TestMerging_recoversFromError: a seek after a transient error must see everything again.
func TestMerging_recoversFromError(t *testing.T) {
	runs := deal(sampleEntries(20), 3)
	it := merge.New(iterators(runs)...)
	runs[1].FailAt = 0
	if it.First() || it.Err() == nil {
		t.Fatal("no error")
	}
	runs[1].FailAt = -1
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if n != 20 || it.Err() != nil {
		t.Errorf("%d of 20 entries, error %v", n, it.Err())
	}
}

func sampleEntries(n int) []mergetest.Entry {
	entries := make([]mergetest.Entry, n)
	for i := range entries {
		k := key.Make(fmt.Appendf(nil, "user-key-%016d", i), key.SeqNum(n-i), key.KindPut)
		entries[i] = mergetest.Entry{Key: k, Value: fmt.Appendf(nil, "value-%d", i)}
	}
	return entries
}

// array is the simplest source there can be, so that benchmarks show the cost of merging and not of reading.
type array struct {
	entries []mergetest.Entry
	at      int
}

func (a *array) First() bool            { a.at = 0; return a.Valid() }
func (a *array) Last() bool             { a.at = len(a.entries) - 1; return a.Valid() }
func (a *array) Next() bool             { a.at++; return a.Valid() }
func (a *array) Prev() bool             { a.at--; return a.Valid() }
func (a *array) Valid() bool            { return uint(a.at) < uint(len(a.entries)) }
func (a *array) Key() key.Internal      { return a.entries[a.at].Key }
func (a *array) Value() ([]byte, error) { return a.entries[a.at].Value, nil }
func (a *array) Pinned() bool           { return true }

func (a *array) Extent() (page.Reference, bool) { return page.Reference{}, false }

func (a *array) Chunk(dst []byte, _ int) ([]byte, error) { return dst, nil }
func (a *array) Err() error                              { return nil }
func (a *array) Close() error                            { return nil }

func (a *array) SeekGE(k key.Internal) bool {
	a.at, _ = slices.BinarySearchFunc(a.entries, k, func(e mergetest.Entry, k key.Internal) int {
		return key.Compare(e.Key, k)
	})
	return a.Valid()
}

func (a *array) SeekLT(k key.Internal) bool {
	a.SeekGE(k)
	a.at--
	return a.Valid()
}

func (a *array) NextBatch(dst []mergetest.Entry, end key.Internal) (n int) {
	for n < min(len(dst), len(a.entries)-a.at) && (len(end.User) == 0 || key.Compare(a.entries[a.at+n].Key, end) < 0) {
		dst[n] = a.entries[a.at+n]
		n++
	}
	a.at += max(n-1, 0)
	return n
}

func (a *array) PrevBatch(dst []mergetest.Entry, end key.Internal) (n int) {
	for n < min(len(dst), a.at+1) && (len(end.User) == 0 || key.Compare(a.entries[a.at-n].Key, end) > 0) {
		dst[n] = a.entries[a.at-n]
		n++
	}
	a.at -= max(n-1, 0)
	return n
}

// benchRuns is a merge of n arrays of 64 Ki entries together. run is how many entries in a row come from the same
// array: 1 is the worst case, and the best array is far from the usual one.
func benchRuns(n, run int) merge.Iterator {
	runs := make([]array, n)
	for i, e := range sampleEntries(64 << 10) {
		a := &runs[i/run*7919%n]
		a.entries = append(a.entries, e)
	}
	its := make([]merge.Iterator, n)
	for i := range runs {
		its[i] = &runs[i]
	}
	return merge.New(its...)
}

func BenchmarkMerging(b *testing.B) {
	for _, n := range []int{1, 2, 5} {
		for _, run := range []int{1, 16} {
			b.Run(fmt.Sprintf("runs=%d/inRow=%d", n, run), func(b *testing.B) {
				it := benchRuns(n, run)
				scan(b, it.First, it.Next)
			})
		}
	}
}

func BenchmarkVisible(b *testing.B) {
	for _, n := range []int{1, 2, 5} {
		var v merge.Visible
		v.Reset(benchRuns(n, 4), visible.Reader{Seq: key.MaxSeqNum}, nil, []byte("v"))
		b.Run(fmt.Sprintf("runs=%d/forward", n), func(b *testing.B) { scan(b, v.First, v.Next) })
		b.Run(fmt.Sprintf("runs=%d/backward", n), func(b *testing.B) { scan(b, v.Last, v.Prev) })
	}
}

// scan times one step of an endless scan.
func scan(b *testing.B, start, step func() bool) {
	b.ReportAllocs()
	start()
	for b.Loop() {
		if !step() {
			start()
		}
	}
}
