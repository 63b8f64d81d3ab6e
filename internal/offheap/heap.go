//go:build !unix || race

package offheap

import (
	"errors"
	"unsafe"
)

// pageSize is the alignment of regions that come from the heap. No system that takes this path has smaller pages.
const pageSize = 4096

func alloc(size int) ([]byte, error) {
	if size+pageSize < size {
		return nil, errors.New("size is out of range")
	}
	b := make([]byte, size+pageSize-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (pageSize - 1))
	return b[skip : skip+size : skip+size], nil
}

func free([]byte) {}

func discard([]byte) {}

func smallPages([]byte) {}
