//go:build unix && !race

package offheap

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A region of at least hugePageMinSize starts at a multiple of hugePageSize and asks for huge pages, so that a
// random access that misses the cache does not miss the page tables as well. The smallest such region has two huge
// pages.
const (
	hugePageSize    = 2 << 20
	hugePageMinSize = 2 * hugePageSize
)

func alloc(size int) ([]byte, error) {
	length := wholePages(size)
	if length < size {
		return nil, errors.New("size is out of range")
	}
	if size < hugePageMinSize {
		p, err := mapPages(length)
		if err != nil {
			return nil, err
		}
		return unsafe.Slice((*byte)(p), size), nil
	}
	p, err := mapAligned(length)
	if err != nil {
		return nil, err
	}
	preferHugePages(unsafe.Slice((*byte)(p), length))
	return unsafe.Slice((*byte)(p), size), nil
}

func free(b []byte) {
	// This can fail only if b is not what an Alloc returned, or if the system cannot split its records of mappings
	// any further. Nothing can be done about either, and the region is not used again.
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(wholePages(cap(b))))
}

func discard(part []byte) {
	page := unix.Getpagesize()
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(part))) & uintptr(page-1))
	if whole := (len(part) - skip) / page * page; whole > 0 {
		_ = unix.Madvise(part[skip:skip+whole], unix.MADV_DONTNEED) // a failure costs only memory
	}
}

func wholePages(size int) int {
	page := unix.Getpagesize()
	return (size + page - 1) &^ (page - 1)
}

func mapPages(length int) (unsafe.Pointer, error) {
	return unix.MmapPtr(-1, 0, nil, uintptr(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// mapAligned maps length bytes that begin at a multiple of hugePageSize: it maps one huge page more than needed and
// unmaps what lies before and after.
func mapAligned(length int) (unsafe.Pointer, error) {
	if length+hugePageSize < length {
		return nil, errors.New("size is out of range")
	}
	p, err := mapPages(length + hugePageSize)
	if err != nil {
		return nil, err
	}
	before := int(-uintptr(p) & (hugePageSize - 1))
	after := hugePageSize - before
	start := unsafe.Add(p, before)
	if before > 0 {
		_ = unix.MunmapPtr(p, uintptr(before)) // a failure costs address space, not memory
	}
	if after > 0 {
		_ = unix.MunmapPtr(unsafe.Add(start, length), uintptr(after))
	}
	return start, nil
}
