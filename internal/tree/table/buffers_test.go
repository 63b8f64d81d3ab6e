package table

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/offheap"
	"lightningdb/internal/tree/visible"
)

// A merge of forty tables would take 10 MiB in addition to a limit of 10 MiB, and a program gets killed for it.
func TestBuffers_boundWhatAMergeTakes(t *testing.T) {
	const budget = 640 << 10
	b := NewBuffers(budget)
	var lent [][]byte
	for range 40 {
		lent = append(lent, b.forReading(DefaultPageSize))
	}
	lent = append(lent, b.forWriting())
	if got := b.Bytes(); got > budget+40*minPieceBytes {
		t.Errorf("40 inputs and an output take %d bytes of a budget of %d", got, budget)
	}
	if first, last := len(lent[0]), len(lent[39]); first < 2*minPieceBytes || last != minPieceBytes {
		t.Errorf("the first input reads %d bytes at a time, the last %d", first, last)
	}
	for _, piece := range lent {
		b.takeBack(piece)
	}
	if got := b.Bytes(); got > budget || got == 0 {
		t.Errorf("%d bytes are kept when nothing is lent, of %d", got, budget)
	}
	if n := testing.AllocsPerRun(100, func() { b.takeBack(b.forReading(DefaultPageSize)) }); n != 0 {
		t.Errorf("%v allocations for a piece that is there", n)
	}
	late := b.forWriting()
	b.Close()
	b.takeBack(late)
	if got := b.Bytes(); got != 0 {
		t.Errorf("%d bytes are left after Close", got)
	}
}

// The least pieces must do for the largest pages, and for blocks larger than they are.
func TestBuffers_smallPiecesReadEverything(t *testing.T) {
	for _, pageSize := range []int{MinPageSize, DefaultPageSize, MaxPageSize} {
		eachCodec(t, func(t *testing.T, c codec.ID) {
			rows := sortRows(append(numbered(500), smallRows()...))
			o := Options{ID: testID, Codec: codec.By(c), PageSize: pageSize, Buffers: NewBuffers(0)}
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
	b := NewBuffers(0)
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
		o := Options{ID: testID, Codec: codec.By(codec.S2), Buffers: NewBuffers(1 << 20)}
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

// Where each read closes one table to open another, the heap would grow by a directory each time.
func TestBuffers_directoriesAreUsedAgain(t *testing.T) {
	b := NewBuffers(1 << 20)
	first, err := decodeDirectory(b.directory(), make(directory, 0).encode(), 0, 0)
	if err != nil || b.directory() != nil {
		t.Fatalf("an empty directory: %v, %v", first, err)
	}
	large := directory{}
	for n := range 100 {
		large.add(int64(n)*1000, 1000)
	}
	encoded := large.encode()
	open := func(limit int64, bytes []byte) directory {
		d, err := decodeDirectory(b.directory(), bytes, 0, limit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open(100_000, encoded)
	b.keepDirectory(d)
	small := open(3_000, encoded[:3*directoryEntrySize])
	if &small[0] != &d[0] || len(small) != 3 {
		t.Error("a smaller directory is in new memory, or has the pages of the one before")
	}
	b.keepDirectory(small[:0:1])
	if again := open(100_000, encoded); !slices.Equal(again, large) {
		t.Error("a larger directory is not whole")
	}
	for range 2 * spareDirectories {
		b.keepDirectory(d)
	}
	if n := len(b.directories); n != spareDirectories {
		t.Errorf("%d directories are kept", n)
	}
}
