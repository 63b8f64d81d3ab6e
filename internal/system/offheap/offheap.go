// Package offheap hands out large regions of memory that the garbage collector neither scans nor counts, so that a
// cache or a memtable of 100 MiB does not make the heap grow to twice that. It owns no state: whoever calls Alloc
// owns the region until Free. Both are safe for concurrent use.
//
// Regions come from anonymous private mappings on Unix. Elsewhere, and under the race detector (which watches only
// the Go heap), they are ordinary slices with the same alignment, and Free leaves them to the garbage collector.
//
// The operating system provides the pages of a region when they are first touched, which is slow; a region is worth
// recycling.
package offheap

import "fmt"

// Alloc returns a zeroed region of size bytes that starts on a page boundary. Length and capacity are both size. A
// size of zero gives an empty region. It fails if size is negative or the system has no memory or address space left;
// where regions come from the heap, one of more than 1 GiB fails, and running out of memory ends the process as it does
// for any allocation.
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

// Free gives back a region. b must be what Alloc returned, unsliced, and neither it nor any slice of it may be used
// again: on Unix such a use is a fault that ends the process.
func Free(b []byte) {
	if cap(b) > 0 {
		free(b)
	}
}

// Discard gives the memory under part of a region back to the system, as far as it covers whole pages. The region stays
// the caller's; what was there is lost, and is touched anew when it is next used. Where regions come from the heap it
// does nothing.
func Discard(part []byte) {
	if len(part) > 0 {
		discard(part)
	}
}

// SmallPages asks that part of a region, which was not touched yet, take memory by the small page: of a large region a first
// touch takes a huge page, 2 MiB, and clears it, which is too much where perhaps little will ever be used.
func SmallPages(part []byte) {
	if len(part) > 0 {
		smallPages(part)
	}
}
