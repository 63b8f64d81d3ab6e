package page

import (
	"encoding/binary"
	"math"

	"lightningdb/internal/format/key"
)

// Builder assembles one page after the other. Entries must be added in strictly increasing internal order, of the
// kinds and sizes that the level allows: Check refuses what was built otherwise. The zero value is an empty leaf;
// it is not safe for concurrent use.
type Builder struct {
	buf   []byte
	slots []uint16
	level int
}

// Reset starts a page of the given level and keeps the memory.
func (b *Builder) Reset(level int) {
	b.buf, b.slots, b.level = b.buf[:0], b.slots[:0], level
}

// Len is the number of entries added.
func (b *Builder) Len() int { return len(b.slots) }

// Size is the length of the payload that Finish would return now, in bytes.
func (b *Builder) Size() int { return len(b.buf) + indexSize*len(b.slots) + footerSize }

// InlineSize is by how much an entry with this key and an inline value of valueSize bytes makes the page grow, at
// most.
func InlineSize(k key.Internal, valueSize int) int {
	return indexSize + padded(trailerSize+2*5+len(k.User)+valueSize)
}

// ExtentSize is by how much an entry with this key whose value is an extent makes the page grow, at most.
func ExtentSize(k key.Internal) int {
	return indexSize + padded(trailerSize+5+binary.MaxVarintLen64+len(k.User)+placeSize(k.Trailer.Kind()))
}

// Fits reports whether an entry that makes the page grow by size bytes leaves it no larger than limit and small
// enough to be addressed.
func (b *Builder) Fits(size, limit int) bool {
	return b.Size()+size <= limit && len(b.slots) < math.MaxUint16
}

// Add appends an entry with an inline value and returns the offset at which it begins.
func (b *Builder) Add(k key.Internal, value []byte) int {
	at := b.begin(k, uint64(len(value))<<1)
	b.buf = append(b.buf, value...)
	b.pad()
	return at
}

// AddExtent appends an entry whose value is stored at x, with its end if it ends, and returns the offset at
// which it begins.
func (b *Builder) AddExtent(k key.Internal, x Extent) int {
	at := b.begin(k, x.Raw<<1|1)
	if k.Trailer.Kind() == key.KindPutUntil {
		b.buf = key.WithEnd(b.buf, x.End, nil)
	}
	b.buf = binary.LittleEndian.AppendUint64(b.buf, x.Offset)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, x.Stored)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, x.File)
	b.pad()
	return at
}

// AddChild appends a separator and the page it leads to.
func (b *Builder) AddChild(k key.Internal, child uint32) {
	b.begin(k, childSize<<1)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, child)
	b.pad()
}

// Finish returns the payload. It borrows the builder's memory until the next Reset. The page must have an entry.
func (b *Builder) Finish() []byte {
	end := len(b.buf)
	first, _, _ := At(b.buf[:end], 0)
	last, _, _ := At(b.buf[:end], b.offset(len(b.slots)-1))
	prefix := key.CommonPrefix(first.Key.User, last.Key.User)
	for i := range b.slots {
		e, _, _ := At(b.buf[:end], b.offset(i))
		b.buf = binary.LittleEndian.AppendUint32(b.buf, head(e.Key.User, prefix))
	}
	for _, s := range b.slots {
		b.buf = binary.LittleEndian.AppendUint16(b.buf, s)
	}
	b.buf = binary.LittleEndian.AppendUint16(b.buf, uint16(len(b.slots)))
	b.buf = append(b.buf, byte(b.level), 0)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(prefix))
	return b.buf
}

func (b *Builder) offset(i int) int { return entryAlign * int(b.slots[i]) }

// begin appends all of an entry but its value.
func (b *Builder) begin(k key.Internal, word uint64) int {
	at := len(b.buf)
	b.slots = append(b.slots, uint16(at/entryAlign))
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(k.Trailer))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(k.User)))
	b.buf = binary.AppendUvarint(b.buf, word)
	b.buf = append(b.buf, k.User...)
	return at
}

func (b *Builder) pad() {
	for len(b.buf)%entryAlign != 0 {
		b.buf = append(b.buf, 0)
	}
}
