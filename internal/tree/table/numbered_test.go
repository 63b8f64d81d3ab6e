package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/merge"
)

// openNumbered opens f as a table whose entries have the sequence number seq.
func openNumbered(f *memFile, o Options, seq key.SeqNum) (*opened, error) {
	d := epoch.NewDomain()
	c := cache.New(1<<20, DefaultPageSize, d)
	r, err := Open(f, OpenOptions{Name: "000001.tbl", ID: o.ID, Size: int64(len(f.data)), Cache: c, Seq: seq})
	return &opened{r, d, c}, err
}

// A commit that was written before it had its number would be seen by snapshots from before it, or hidden by what it
// has overwritten.
func TestReader_givesEntriesTheirNumber(t *testing.T) {
	const seq = 50
	o := Options{ID: testID, PageSize: 512}
	var held, seen []row
	for i := range 300 {
		r := put(fmt.Sprintf("key%04d", 2*i), 1, fmt.Sprint("value", i))
		if i%7 == 0 {
			r = del(fmt.Sprintf("key%04d", 2*i), 1)
		}
		r.key.Trailer = key.MakeTrailer(LocalSeq, r.key.Trailer.Kind())
		held = append(held, r)
		seen = append(seen, row{key.Make(r.key.User, seq, r.key.Trailer.Kind()), r.value})
	}
	f, _ := build(t, o, held)
	r, err := openNumbered(f, o, seq)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close(t)
	if p := r.Properties(); p.SmallestSeq != seq || p.LargestSeq != seq {
		t.Errorf("the properties say %d to %d", p.SmallestSeq, p.LargestSeq)
	}
	if err := r.Verify(context.Background()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	for i := range 602 {
		for _, at := range []key.SeqNum{0, 1, seq - 1, seq, seq + 1, key.MaxSeqNum} {
			checkGet(t, r, seen, fmt.Appendf(nil, "key%04d", i), at)
		}
	}
	for _, it := range []*Iterator{r.NewIterator(), r.NewSequentialIterator()} {
		i := 0
		for ok := it.First(); ok; ok = it.Next() {
			checkAt(t, it, seen, i)
			i++
		}
		checkAt(t, it, seen, i)
		checkSeeks(t, it, seen)
		checkBatches(t, it, seen)
		if err := it.Close(); err != nil {
			t.Error(err)
		}
	}
}

// checkSeeks goes to random places around the sequence number of rows.
func checkSeeks(t *testing.T, it *Iterator, rows []row) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		seq := []key.SeqNum{0, 1, 49, 50, 51, key.MaxSeqNum}[r.IntN(6)]
		kind := []key.Kind{key.KindDelete, key.KindPut, key.KindMax}[r.IntN(3)]
		target := key.Make(fmt.Appendf(nil, "key%04d", r.IntN(602)), seq, kind)
		i, _ := slices.BinarySearchFunc(rows, target, func(r row, k key.Internal) int { return key.Compare(r.key, k) })
		it.SeekGE(target)
		checkAt(t, it, rows, i)
		it.SeekLT(target)
		checkAt(t, it, rows, i-1)
	}
}

// checkBatches hands out batches from random places to random ends around the sequence number of rows.
func checkBatches(t *testing.T, it *Iterator, rows []row) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, 2))
	dst := make([]merge.Entry, 40)
	for range 2000 {
		seq := []key.SeqNum{0, 49, 50, 51, key.MaxSeqNum}[r.IntN(5)]
		end := key.Make(fmt.Appendf(nil, "key%04d", r.IntN(602)), seq, key.KindMax)
		at := r.IntN(len(rows))
		it.SeekGE(rows[at].key)
		n, step := 0, 1
		if r.IntN(2) == 0 {
			n = it.NextBatch(dst, end)
		} else {
			n, step = it.PrevBatch(dst, end), -1
		}
		for i := range n {
			if key.Compare(dst[i].Key, rows[at+i*step].key) != 0 || key.Compare(dst[i].Key, end)*step >= 0 {
				t.Fatalf("entry %d of a batch from %v to %v is %v", i, rows[at].key, end, dst[i].Key)
			}
		}
		if n > 0 {
			checkAt(t, it, rows, at+(n-1)*step)
		}
	}
}

// A table of many versions would collapse into one commit in which an old value may win.
func TestOpen_refusesToNumberWhatHasNumbers(t *testing.T) {
	for name, rows := range map[string][]row{
		"another sequence number": {put("a", 2, "x")},
		"different ones":          {put("a", 1, "x"), put("b", 2, "x")},
		"versions of one key":     {put("a", 2, "x"), put("a", 1, "x")},
	} {
		o := Options{ID: testID}
		f, _ := build(t, o, rows)
		if _, err := openNumbered(f, o, 50); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
