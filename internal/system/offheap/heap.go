//go:build !unix || race

package offheap

import (
	"errors"
	"unsafe"
)

// pageSize is the alignment of regions that come from the heap. No system that takes this path has smaller pages.
const pageSize = 4096

// maxRegionBytes bounds a region from the heap. The heap takes all of the memory at once, and ends the process if
// there is not enough; a mapping takes only what is touched, and fails.
const maxRegionBytes = 1 << 30

func alloc(size int) ([]byte, error) {
	if size > maxRegionBytes {
		return nil, errors.New("a region of the heap has at most 1 GiB")
	}
	b := make([]byte, size+pageSize-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (pageSize - 1))
	return b[skip : skip+size : skip+size], nil
}

func free([]byte) {}

func discard([]byte) {}

func smallPages([]byte) {}

func preferHugePages([]byte) {}
