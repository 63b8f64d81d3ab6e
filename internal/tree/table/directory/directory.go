// Package directory says where the pages of a table are, in page number order.
//
// The directory is cut into blocks, of which a reader needs one to find a page. It reads them through the cache, as
// pages, when a page is not there: a page that is in the cache is found without. So an open table holds nothing of its
// directory in memory. An entry is one u64:
//
//	bits 20 to 63  file offset of the page's block
//	bits  0 to 19  length of the block
//
// A block of the directory is not compressed. With its trailer it has as many bytes as a page may have, the last one
// what is left: so the place of each follows from its number. The package knows entries and their order; it reads no
// file and no checksum. A Layout may be used by many goroutines, the rest by one.
package directory

import (
	"encoding/binary"

	"lightningdb/internal/format/corrupt"
)

const (
	// EntrySize is the size of an entry, in bytes.
	EntrySize = 8
	// MaxFileSize is what an entry can address, in bytes.
	MaxFileSize = 1 << (64 - lengthBits)

	lengthBits = 20
)

// List is the entries of many pages.
type List []uint64

// Add appends the entry of the next page.
func (l *List) Add(offset int64, length int) {
	*l = append(*l, uint64(offset)<<lengthBits|uint64(length))
}

// At returns where page n of the list lies in the file.
func (l List) At(n int) (offset int64, length int) { return split(l[n]) }

func split(entry uint64) (offset int64, length int) {
	return int64(entry >> lengthBits), int(entry & (1<<lengthBits - 1))
}

// Encode appends the entries to dst.
func (l List) Encode(dst []byte) []byte {
	for _, entry := range l {
		dst = binary.LittleEndian.AppendUint64(dst, entry)
	}
	return dst
}

// At returns what entry i of a block says.
func At(block []byte, i int) (offset int64, length int) {
	return split(binary.LittleEndian.Uint64(block[i*EntrySize:]))
}

// Layout is how a table's directory is cut into blocks, and what must be true of its entries.
type Layout struct {
	Pages, Leaves int
	PageSize      int   // of the table, in bytes
	Trailer       int   // bytes behind the entries of each block
	MaxLength     int   // of a page's block
	Limit         int64 // where the last page ends
}

// PerBlock is how many entries a block has, unless it is the last one.
func (l *Layout) PerBlock() int { return (l.PageSize - l.Trailer) / EntrySize }

// Blocks is the number of blocks.
func (l *Layout) Blocks() int { return (l.Pages + l.PerBlock() - 1) / l.PerBlock() }

// Size is the length of all blocks, in bytes.
func (l *Layout) Size() int64 { return int64(l.Pages)*EntrySize + int64(l.Blocks())*int64(l.Trailer) }

// Block returns where block i begins in the directory, and its length.
func (l *Layout) Block(i int) (offset int64, length int) {
	offset = int64(i) * int64(l.PageSize)
	return offset, int(min(int64(l.PageSize), l.Size()-offset))
}

// Check verifies the entries of block i: the pages lie before the limit, in ascending order and without overlap, and
// behind the leaves without a gap. What lies between the last page of a block and the first of the next, it cannot see.
// Damage is a *corrupt.Error without a file, its offset inside block.
func (l *Layout) Check(i int, block []byte) error {
	end := int64(0)
	for k := range len(block) / EntrySize {
		n := i*l.PerBlock() + k
		offset, length := At(block, k)
		if length <= l.Trailer || length > l.MaxLength || offset < end || offset+int64(length) > l.Limit {
			return corrupt.New("", int64(k*EntrySize), "directory leads outside the file or to overlapping pages")
		}
		gap := k > 0 && n >= l.Leaves && offset != end
		if end = offset + int64(length); gap || n == l.Pages-1 && end != l.Limit {
			return corrupt.New("", int64(k*EntrySize), "directory leaves a gap")
		}
	}
	return nil
}
