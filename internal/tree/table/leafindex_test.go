package table

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
)

// A leaf index that leads to another leaf than that of a key makes the key go missing. It may only decide nothing.
func TestLeafIndex_leadsWhereInnerPagesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, rows := drawOptions(t), drawRows(t)
		o.PageSize = rapid.SampledFrom([]int{512, 512, 1024, 4096}).Draw(t, "small page") // or there are no inner pages
		f, _ := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		x := r.makeLeafIndex()
		if r.foot.inners == 0 {
			return
		}
		if x == nil {
			t.Fatalf("no leaf index of %d leaves under %d inner pages", r.foot.leaves, r.foot.inners)
		}
		for range 50 {
			target := drawTarget(t, rows)
			want, err := r.descend(target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, decided := x.LeafFor(target.User); decided && got != want {
				t.Fatalf("%v: leaf %d of %d, want %d", target, got, r.foot.leaves, want)
			}
		}
	})
}

// Without a leaf index every seek pays for inner pages; one made too early has all of them read for a single seek.
func TestLeafIndex_isMadeWhenSeeksHavePaidForIt(t *testing.T) {
	rows := numbered(20_000)
	f, _ := build(t, Options{ID: testID, PageSize: 512}, rows)
	r := mustOpen(t, f, Options{ID: testID})
	defer r.close(t)
	it := r.NewIterator()
	defer it.Close()
	for n := range int(r.foot.inners) {
		if r.leafIndex.Load() != nil {
			t.Fatalf("there is a leaf index after %d seeks, and there are %d inner pages", n, r.foot.inners)
		}
		it.SeekGE(rows[n].key)
	}
	x := r.leafIndex.Load()
	if x == nil {
		t.Fatalf("there is no leaf index after %d seeks", r.foot.inners)
	}
	undecided := 0
	for _, row := range rows {
		if _, decided := x.LeafFor(row.key.User); !decided {
			undecided++
		}
	}
	if undecided > len(rows)/10 {
		t.Errorf("the leaf index leaves %d of %d keys open", undecided, len(rows))
	}
}

// Keys that begin alike for longer than a leaf index looks must still be found.
func TestLeafIndex_leavesEqualHeadsOpen(t *testing.T) {
	var rows []row
	for _, tenant := range []string{"a", "b"} {
		for i := range 2000 {
			rows = append(rows, put(fmt.Sprintf("%s/a long way to what differs/%06d", tenant, i), i+1, "value"))
		}
	}
	o := Options{ID: testID, PageSize: 512}
	f, _ := build(t, o, rows)
	r := mustOpen(t, f, o)
	defer r.close(t)
	r.leafIndex.Store(r.makeLeafIndex())
	it := r.NewIterator()
	defer it.Close()
	for i := range rows {
		it.SeekGE(key.SeekTo(rows[i].key.User, key.MaxSeqNum))
		checkAt(t, it, rows, i)
	}
}
