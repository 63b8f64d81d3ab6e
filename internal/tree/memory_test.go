package tree

import (
	"fmt"
	"testing"

	"lightningdb/internal/format/key"
)

// heapRoom is how many bytes more on the Go heap it takes until the cache gives up a piece of its memory.
func (h *harness) heapRoom(t *testing.T) int64 {
	t.Helper()
	const step = 512
	h.ShareMemory()
	frames, room := h.cache.Metrics().Frames, int64(0)
	for ; h.cache.Metrics().Frames == frames; room += step {
		h.CountOnHeap(step)
		h.ShareMemory()
		if room > 10<<20 {
			t.Fatal("the cache gives up nothing")
		}
	}
	h.CountOnHeap(-room)
	h.ShareMemory()
	return room
}

// What is on the Go heap takes twice its bytes, because as much garbage gathers: without that the process outgrows its
// limit where many tables are open.
func TestShareMemory_leavesTheHeapTwiceWhatIsOnIt(t *testing.T) {
	h := newHarness(t, Options{})
	defer h.close()
	w := h.tables.NewSpill(1)
	for i := range 4000 {
		if err := w.Add(fmt.Appendf(nil, "key %08d", i), key.KindPut, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	spill, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer spill.Remove()
	before := h.heapRoom(t)
	h.CountOnHeap(before)
	if piece := h.heapRoom(t); piece < 1<<20-1024 || piece > 1<<20+1024 {
		t.Errorf("the cache gives up 2 MiB for %d bytes on the heap", piece)
	}
	h.CountOnHeap(-before)
	for i := range 4000 {
		if _, _, _, err := spill.Get(nil, fmt.Appendf(nil, "key %08d", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, open := h.tables.Size()
	if after := h.heapRoom(t); open < 8<<10 || after < before-open-1024 || after > before-open+1024 {
		t.Errorf("the heap has room for %d bytes, and for %d beside open tables of %d", before, after, open)
	}
}
