package offheap

import (
	"testing"
	"unsafe"
)

// A region that is unaligned, dirty or shares bytes with another would corrupt whatever is built in it.
func TestAlloc_givesZeroedAlignedDisjointRegions(t *testing.T) {
	sizes := []int{1, 7, 4096, 4097, 1 << 20, 4<<20 - 1, 4 << 20, 4<<20 + 1, 9<<20 + 12345}
	var regions [][]byte
	for _, size := range sizes {
		b, err := Alloc(size)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != size || cap(b) != size {
			t.Fatalf("Alloc(%d): length %d, capacity %d", size, len(b), cap(b))
		}
		if p := uintptr(unsafe.Pointer(unsafe.SliceData(b))); p%4096 != 0 {
			t.Errorf("Alloc(%d) starts at %#x, not on a page boundary", size, p)
		}
		for i, c := range b {
			if c != 0 {
				t.Fatalf("Alloc(%d): byte %d is %#x", size, i, c)
			}
		}
		regions = append(regions, b)
	}
	for i, b := range regions {
		for j := range b {
			b[j] = byte(i + 1)
		}
	}
	for i, b := range regions {
		for j, c := range b {
			if c != byte(i+1) {
				t.Fatalf("byte %d of region %d was overwritten through region %d", j, i, c-1)
			}
		}
		Free(b)
	}
}

// Freeing one region must not unmap its neighbours.
func TestFree_leavesOtherRegionsAlone(t *testing.T) {
	var regions [][]byte
	for range 8 {
		b, err := Alloc(4<<20 + 4096)
		if err != nil {
			t.Fatal(err)
		}
		b[0], b[len(b)-1] = 1, 2
		regions = append(regions, b)
	}
	for i := 0; i < len(regions); i += 2 {
		Free(regions[i])
	}
	for i := 1; i < len(regions); i += 2 {
		b := regions[i]
		if b[0] != 1 || b[len(b)-1] != 2 || b[len(b)/2] != 0 {
			t.Fatalf("region %d changed", i)
		}
		Free(b)
	}
}

// Sizes come from options; a wrong one must be an error, not a crash.
func TestAlloc_refusesImpossibleSizes(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	for _, size := range []int{-1, -huge, huge, huge - 4096} {
		if size > 0 && regionsOnHeap {
			continue // the heap answers such a size with a fatal error of the runtime
		}
		if b, err := Alloc(size); err == nil {
			t.Errorf("Alloc(%d) gave %d bytes", size, len(b))
		}
	}
	if b, err := Alloc(0); err != nil || len(b) != 0 {
		t.Errorf("Alloc(0) = %d bytes, %v", len(b), err)
	}
	Free(nil)
}
