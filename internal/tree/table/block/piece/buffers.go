// Package piece lends the memory in which tables are written and read from front to back, in pieces. Everything in it
// is safe for concurrent use.
package piece

import (
	"math/bits"
	"sync"

	"lightningdb/internal/system/offheap"
)

const (
	// MaxBytes is the size of the pieces in which tables are written and read ahead, if there is memory for it.
	MaxBytes = 256 << 10
	// minBytes is the size of the pieces if there is not; or four pages, if that is more.
	minBytes = 32 << 10
)

// Buffers is the memory for pieces of tables that are being written, or read from front to back. It lies outside the
// Go heap, where a merge of many tables would leave megabytes to the collector, and within a budget. The less of the
// budget is left, the smaller are the pieces that it lends, so that a merge of forty tables takes hardly more than
// one of four. It is safe for concurrent use. A nil *Buffers lends pieces of MaxBytes on the Go heap.
type Buffers struct {
	budget int64 // bytes

	mu     sync.Mutex
	lent   int64
	kept   int64                           // bytes of idle
	idle   [maxBits - minBits + 1][][]byte // by size
	closed bool
}

// The size of a piece is a power of two bytes.
const (
	minBits = 15
	maxBits = 18
)

// NewBuffers returns buffers that take little more than budget bytes, unless very many pieces are lent at once: the
// smallest pieces are always available.
func NewBuffers(budget int64) *Buffers { return &Buffers{budget: budget} }

// ForReading lends a piece to read pages of pageSize ahead: at most a quarter of what is left.
func (b *Buffers) ForReading(pageSize int) []byte {
	if b == nil {
		return make([]byte, MaxBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lendLocked(max((b.budget-b.lent)/4, 4*int64(pageSize)))
}

// ForWriting lends a piece to write a table. A job writes one table at a time, but merges many.
func (b *Buffers) ForWriting() []byte {
	if b == nil {
		return make([]byte, MaxBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lendLocked(b.budget / 8)
}

// lendLocked lends a piece of about size bytes.
func (b *Buffers) lendLocked(size int64) []byte {
	size = 1 << (bits.Len64(uint64(min(max(size, minBytes), MaxBytes))) - 1)
	b.lent += size
	idle := &b.idle[sizeClass(size)]
	if last := len(*idle) - 1; last >= 0 {
		piece := (*idle)[last]
		*idle = (*idle)[:last]
		b.kept -= size
		return piece
	}
	if b.kept > 0 && b.lent+b.kept > b.budget {
		b.trimLocked() // of other sizes
	}
	piece, err := offheap.Alloc(int(size))
	if err != nil {
		return make([]byte, size+1) // TakeBack tells it from the others by its odd size
	}
	return piece
}

func sizeClass(size int64) int { return bits.Len64(uint64(size)) - 1 - minBits }

// TakeBack takes back a piece that was lent. It does nothing for nil.
func (b *Buffers) TakeBack(piece []byte) {
	if b == nil || piece == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	size := int64(len(piece)) &^ 1
	b.lent -= size
	switch {
	case size < int64(len(piece)): // it is on the heap
	case b.closed || b.lent+b.kept+size > b.budget:
		offheap.Free(piece)
	default:
		b.kept += size
		b.idle[sizeClass(size)] = append(b.idle[sizeClass(size)], piece)
	}
}

// Bytes is the memory of all pieces, idle ones included.
func (b *Buffers) Bytes() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lent + b.kept
}

// Trim gives idle pieces back to the system.
func (b *Buffers) Trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trimLocked()
}

// Close trims now, and for every piece that is still to be taken back.
func (b *Buffers) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.trimLocked()
}

func (b *Buffers) trimLocked() {
	for i := range b.idle {
		for _, piece := range b.idle[i] {
			offheap.Free(piece)
		}
		b.idle[i] = nil
	}
	b.kept = 0
}
