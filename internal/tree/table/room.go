package table

import "lightningdb/internal/system/offheap"

// room is memory for one value or block. What is larger than a piece lies outside the Go heap, and is given back by
// release: the collector would keep several values of 20 MiB for each that is in use. The zero room is empty.
type room struct {
	memory []byte
	apart  bool // memory is a region of package offheap
}

// bytes returns n bytes of any content. They are valid until the next call of bytes or release.
func (r *room) bytes(n int) []byte {
	if n <= cap(r.memory) && (!r.apart || n > ioSize) {
		return r.memory[:n]
	}
	r.release()
	if n > ioSize {
		if region, err := offheap.Alloc(n); err == nil {
			r.memory, r.apart = region, true
			return region
		}
	}
	r.memory = make([]byte, n)
	return r.memory
}

// releaseLarge is release of memory that is worth giving back at once.
func (r *room) releaseLarge() {
	if r.apart {
		r.release()
	}
}

// release gives the memory back. The second release does nothing.
func (r *room) release() {
	if r.apart {
		offheap.Free(r.memory)
	}
	*r = room{}
}
