package table

import (
	"encoding/binary"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/tree/page"
)

// The directory says where each page is, in page number order:
//
//	offset in entry  size  meaning
//	              0     8  file offset of the page's block (u64)
//	              8     4  length of the block (u32)
//
// In memory an entry is one word: the offset in the upper 44 bits, the length in the lower 20.
const (
	directoryEntrySize = 12
	lengthBits         = 20
	maxFileSize        = 1 << (64 - lengthBits)
	maxPageBlock       = page.MaxSize + blockTrailerSize
)

type directory []uint64

func (d *directory) add(offset int64, length int) {
	*d = append(*d, uint64(offset)<<lengthBits|uint64(length))
}

func (d directory) at(n int) (offset int64, length int) {
	return int64(d[n] >> lengthBits), int(d[n] & (1<<lengthBits - 1))
}

// end is where page n ends; for n = -1, where the first page may begin.
func (d directory) end(n int) int64 {
	if n < 0 {
		return 0
	}
	offset, length := d.at(n)
	return offset + int64(length)
}

func (d directory) encode() []byte {
	b := make([]byte, 0, len(d)*directoryEntrySize+blockTrailerSize)
	for n := range d {
		offset, length := d.at(n)
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		b = binary.LittleEndian.AppendUint32(b, uint32(length))
	}
	return b
}

// decodeDirectory decodes a directory of pages that lie before limit, in ascending order and without overlap, into the
// memory of d if that suffices. Damage is a *corrupt.Error without a file, its offset inside b.
func decodeDirectory(d directory, b []byte, leaves int, limit int64) (directory, error) {
	if pages := len(b) / directoryEntrySize; cap(d) < pages {
		d = make(directory, 0, pages)
	}
	d = d[:0]
	end := int64(0)
	for at := 0; at+directoryEntrySize <= len(b); at += directoryEntrySize {
		offset := binary.LittleEndian.Uint64(b[at:])
		length := int64(binary.LittleEndian.Uint32(b[at+8:]))
		if length <= blockTrailerSize || length > maxPageBlock || limit < length ||
			offset < uint64(end) || offset > uint64(limit-length) {
			return nil, corrupt.New("", int64(at), "directory leads outside the file or to overlapping pages")
		}
		if len(d) >= leaves && offset != uint64(end) {
			return nil, corrupt.New("", int64(at), "directory leaves a gap")
		}
		d.add(int64(offset), int(length))
		end = int64(offset) + length
	}
	if end != limit {
		return nil, corrupt.New("", int64(len(b)), "directory leaves a gap")
	}
	return d, nil
}
