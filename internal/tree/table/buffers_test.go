package table

import (
	"bytes"
	"runtime"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/offheap"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/visible"
)

// The least pieces must do for the largest pages, and for blocks larger than they are.
func TestBuffers_smallPiecesReadEverything(t *testing.T) {
	for _, pageSize := range []int{MinPageSize, DefaultPageSize, MaxPageSize} {
		eachCodec(t, func(t *testing.T, c codec.ID) {
			rows := sortRows(append(numbered(500), smallRows()...))
			o := Options{ID: testID, Codec: codec.By(c), PageSize: pageSize, Buffers: piece.NewBuffers(0)}
			f, _ := build(t, o, rows)
			if got := o.Buffers.Bytes(); got > 0 {
				t.Errorf("a finished writer keeps %d bytes", got)
			}
			r := mustOpen(t, f, o)
			defer r.close(t)
			checkWalk(t, r.NewSequentialIterator(), rows)
			if err := r.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a compaction that fails has lent would be missing for as long as the program runs.
func TestRelease_givesBackWhatAnUnfinishedWriterHolds(t *testing.T) {
	b := piece.NewBuffers(0)
	w := NewWriter(&memFile{}, Options{Buffers: b})
	if err := w.Add(numbered(1)[0].key, nil); err != nil {
		t.Fatal(err)
	}
	w.Release()
	w.Release()
	if _, err := w.Finish(); err == nil || b.Bytes() > 0 {
		t.Errorf("%d bytes are lent to a writer that was released; Finish gives %v", b.Bytes(), err)
	}
}

// heapUse is how many bytes f allocates on the Go heap.
func heapUse(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A large value that is read or written must leave nothing to the garbage collector: it lets several accumulate
// before it looks for them.
func TestExtent_largeValuesLeaveNothingOnTheHeap(t *testing.T) {
	if heapUse(func() { offheap.Free(must(offheap.Alloc(1 << 20))) }) > 1<<19 {
		t.Skip("all memory is on the heap here")
	}
	compressible := bytes.Repeat([]byte("a few words and "), 128<<10)
	for name, value := range map[string][]byte{"noise": noise(2 << 20), "text": compressible} {
		rows := numbered(3)
		for i := range rows {
			rows[i].value = value
		}
		o := Options{ID: testID, Codec: codec.By(codec.S2), Buffers: piece.NewBuffers(1 << 20)}
		f := &memFile{data: make([]byte, 0, 8<<20)}
		wrote := heapUse(func() {
			w := NewWriter(f, o)
			for _, row := range rows {
				if err := w.Add(row.key, row.value); err != nil {
					t.Fatal(err)
				}
			}
			must(w.Finish())
		})
		r := mustOpen(t, f, o)
		dst := make([]byte, 0, len(value))
		read := heapUse(func() {
			for _, it := range []*Iterator{r.NewIterator(), r.NewSequentialIterator()} {
				for ok := it.First(); ok; ok = it.Next() {
					if got := must(it.Value()); len(got) != len(value) {
						t.Errorf("read %d bytes", len(got))
					}
				}
				it.Close()
			}
			g := r.domain.Enter()
			defer g.Exit()
			user := rows[1].key.User
			got, _, err := r.Get(dst, user, key.Hash(user), visible.Reader{Seq: key.MaxSeqNum})
			if err != nil || !bytes.Equal(got, value) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
		r.close(t)
		if wrote > 1<<20 || read > 1<<20 {
			t.Errorf("%s: to write three values of 2 MiB took %d bytes of the heap, to read them %d", name, wrote, read)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
