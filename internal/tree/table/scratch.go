package table

import (
	"lightningdb/internal/system/offheap"
	"lightningdb/internal/tree/table/piece"
)

// scratch is memory for one value or block. Memory that is larger than a piece lies outside the Go heap and is given
// back by release: the collector would keep several values of 20 MiB for each that is in use. The zero scratch is
// empty.
type scratch struct {
	memory []byte
	apart  bool // memory is a region of package offheap
}

// bytes returns n bytes of any content. They are valid until the next call of bytes or release.
func (s *scratch) bytes(n int) []byte {
	if n <= cap(s.memory) && (!s.apart || n > piece.MaxBytes) {
		return s.memory[:n]
	}
	s.release()
	if n > piece.MaxBytes {
		if region, err := offheap.Alloc(n); err == nil {
			s.memory, s.apart = region, true
			return region
		}
	}
	s.memory = make([]byte, n)
	return s.memory
}

// releaseLarge releases memory that is large enough to give back at once.
func (s *scratch) releaseLarge() {
	if s.apart {
		s.release()
	}
}

// release gives the memory back. The second release does nothing.
func (s *scratch) release() {
	if s.apart {
		offheap.Free(s.memory)
	}
	*s = scratch{}
}
