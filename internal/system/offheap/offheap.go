// Package offheap hands out large regions of memory that the garbage collector neither scans nor counts, so that a
// cache or a memtable of 100 MiB does not make the heap grow to twice that. It keeps no state: a region belongs to
// the caller of Alloc until Free. Everything is safe for concurrent use.
//
// On Unix regions are anonymous private mappings. Elsewhere, and under the race detector, which watches only the Go
// heap, they are ordinary slices with the same alignment, and Free leaves them to the garbage collector.
//
// The operating system provides the pages of a region when they are first touched, which is slow. So a region should
// be used again rather than freed.
package offheap

import "fmt"

// Alloc returns a zeroed region of size bytes that starts on a page boundary. Length and capacity are both size. A
// size of zero gives an empty region. Alloc fails if size is negative or the system has no memory or address space
// left. Where regions come from the heap, a region of more than 1 GiB fails, and running out of memory ends the
// process as it does for any allocation.
func Alloc(size int) ([]byte, error) {
	if size < 0 {
		return nil, fmt.Errorf("allocate memory: negative size %d", size)
	}
	if size == 0 {
		return nil, nil
	}
	b, err := alloc(size)
	if err != nil {
		return nil, fmt.Errorf("allocate %d bytes of memory: %w", size, err)
	}
	return b, nil
}

// Free returns a region to the system. b must be what Alloc returned, not a slice of it. Neither b nor any slice of
// it may be used again: on Unix that is a fault that ends the process.
func Free(b []byte) {
	if cap(b) > 0 {
		free(b)
	}
}

// Discard returns the memory under part of a region to the system, as far as it covers whole pages. The region stays
// the caller's, but its content there is lost, and the pages are provided anew at the next use. Where regions come
// from the heap, Discard does nothing.
func Discard(part []byte) {
	if len(part) > 0 {
		discard(part)
	}
}

// SmallPages asks that part of a region, which must not have been touched yet, take memory in small pages. In a
// large region a first touch takes and clears a huge page of 2 MiB, which is too much where little may ever be used.
func SmallPages(part []byte) {
	if len(part) > 0 {
		smallPages(part)
	}
}

// LargePages takes back SmallPages: what part loses by Discard and touches again comes in huge pages. part begins where
// its region does; in a region too small for huge pages nothing changes.
func LargePages(part []byte) {
	if len(part) > 0 {
		preferHugePages(part)
	}
}
