package table

import (
	"math/bits"
	"sync"

	"lightningdb/internal/system/offheap"
)

const (
	// maxPieceBytes is the size of the pieces in which tables are written and read ahead, if there is memory for it.
	maxPieceBytes = 256 << 10
	// minPieceBytes is the size of the pieces if there is not; or four pages, if that is more.
	minPieceBytes = 32 << 10
)

// Buffers is the memory for pieces of tables that are being written, or read from front to back. It lies outside the
// Go heap, where a merge of many tables would leave megabytes to the collector, and within a budget. The less of the
// budget is left, the smaller are the pieces that it lends, so that a merge of forty tables takes hardly more than
// one of four. It is safe for concurrent use. A nil *Buffers lends pieces of maxPieceBytes on the Go heap.
type Buffers struct {
	budget int64 // bytes

	mu     sync.Mutex
	lent   int64
	kept   int64                                     // bytes of idle
	idle   [maxPieceBits - minPieceBits + 1][][]byte // by size
	closed bool

	directories []directory // of tables that were closed
}

// spareDirectories is how many directories are kept for the next tables. Where more tables are read than may be open,
// each read may open one: without them the heap would grow by the directories that the garbage collector has not come
// to yet.
const spareDirectories = 16

// The size of a piece is a power of two bytes.
const (
	minPieceBits = 15
	maxPieceBits = 18
)

// NewBuffers returns buffers that take little more than budget bytes, unless very many pieces are lent at once: the
// smallest pieces are always available.
func NewBuffers(budget int64) *Buffers { return &Buffers{budget: budget} }

// forReading lends a piece to read pages of pageSize ahead: at most a quarter of what is left.
func (b *Buffers) forReading(pageSize int) []byte {
	if b == nil {
		return make([]byte, maxPieceBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lendLocked(max((b.budget-b.lent)/4, 4*int64(pageSize)))
}

// forWriting lends a piece to write a table. A job writes one table at a time, but merges many.
func (b *Buffers) forWriting() []byte {
	if b == nil {
		return make([]byte, maxPieceBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lendLocked(b.budget / 8)
}

// lendLocked lends a piece of about size bytes.
func (b *Buffers) lendLocked(size int64) []byte {
	size = 1 << (bits.Len64(uint64(min(max(size, minPieceBytes), maxPieceBytes))) - 1)
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
		return make([]byte, size+1) // takeBack tells it from the others by its odd size
	}
	return piece
}

func sizeClass(size int64) int { return bits.Len64(uint64(size)) - 1 - minPieceBits }

// takeBack takes back a piece that was lent. It does nothing for nil.
func (b *Buffers) takeBack(piece []byte) {
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

// directory returns memory for the directory of a table, nil if there is none to spare.
func (b *Buffers) directory() directory {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.directories) - 1
	if last < 0 {
		return nil
	}
	d := b.directories[last]
	b.directories = b.directories[:last]
	return d
}

// keepDirectory takes over the directory of a table that nobody reads any more.
func (b *Buffers) keepDirectory(d directory) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.directories) < spareDirectories {
		b.directories = append(b.directories, d)
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
