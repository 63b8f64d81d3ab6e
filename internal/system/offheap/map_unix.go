//go:build unix && !race

package offheap

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Regions from hugePageThreshold on start at a multiple of hugePageSize and ask for huge pages, so that a random
// access misses the cache but not the page tables too. The smallest such region has two of them.
const (
	hugePageSize      = 2 << 20
	hugePageThreshold = 2 * hugePageSize
)

func alloc(size int) ([]byte, error) {
	length := wholePages(size)
	if length < size {
		return nil, errors.New("size is out of range")
	}
	if size < hugePageThreshold {
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
	// The only possible failure is an argument that no Alloc returned, or, inside unmap, a system that cannot
	// split its books any further; nothing can be done about either, and the region is not used again.
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(wholePages(cap(b))))
}

func discard(part []byte) {
	page := unix.Getpagesize()
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(part))) & uintptr(page-1))
	if whole := (len(part) - skip) / page * page; whole > 0 {
		_ = unix.Madvise(part[skip:skip+whole], unix.MADV_DONTNEED) // a failure costs memory
	}
}

func wholePages(size int) int {
	page := unix.Getpagesize()
	return (size + page - 1) &^ (page - 1)
}

func mapPages(length int) (unsafe.Pointer, error) {
	return unix.MmapPtr(-1, 0, nil, uintptr(length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// mapAligned maps length bytes from a multiple of hugePageSize on: it maps one huge page more than needed and gives
// back what lies before and after.
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
