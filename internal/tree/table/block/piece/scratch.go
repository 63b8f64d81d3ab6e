package piece

import (
	"sync"

	"lightningdb/internal/system/offheap"
)

// Scratch is memory for one value or block. Memory that is larger than a piece lies outside the Go heap and is given
// back by Release: the collector would keep several values of 20 MiB for each that is in use. The zero Scratch is
// empty.
type Scratch struct {
	memory []byte
	apart  bool // memory is a region of package offheap
}

// Bytes returns n bytes of any content. They are valid until the next call of Bytes or Release.
func (s *Scratch) Bytes(n int) []byte {
	if n <= cap(s.memory) && (!s.apart || n > MaxBytes) {
		return s.memory[:n]
	}
	s.Release()
	if n > MaxBytes {
		if region, err := offheap.Alloc(n); err == nil {
			s.memory, s.apart = region, true
			return region
		}
	}
	s.memory = make([]byte, n)
	return s.memory
}

// ReleaseLarge releases memory that is large enough to give back at once.
func (s *Scratch) ReleaseLarge() {
	if s.apart {
		s.Release()
	}
}

// Release gives the memory back. The second Release does nothing.
func (s *Scratch) Release() {
	if s.apart {
		offheap.Free(s.memory)
	}
	*s = Scratch{}
}

// spareScratch holds idle memory.
var spareScratch = sync.Pool{New: func() any { return new(Scratch) }}

// SpareScratch returns idle memory, to be given back by Recycle.
func SpareScratch() *Scratch { return spareScratch.Get().(*Scratch) }

// Recycle gives s to SpareScratch, without its memory if that is large.
func (s *Scratch) Recycle() {
	s.ReleaseLarge()
	spareScratch.Put(s)
}
