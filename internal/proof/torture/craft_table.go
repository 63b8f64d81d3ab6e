package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// tableFile is a table whose blocks are not compressed: docs/format.md, "Table".
type tableFile struct {
	data   []byte
	blocks []tableBlock // pages in order of number, then properties, then the directory's
	pages  int          // of them
}

// tableBlock is the place of a block, and what the place is for.
type tableBlock struct {
	name   string
	number uint64
	at     uint64
	end    uint64 // of the payload
}

const (
	tableFooterSize  = 96
	blockTrailerSize = 16
	entryLengthBits  = 20 // of the directory
	digestOffset     = 48 // in the properties
)

func newTableFile(data []byte) *tableFile {
	t := &tableFile{data: bytes.Clone(data)}
	footer := t.footer()
	properties, directory := binary.LittleEndian.Uint64(footer[40:]), binary.LittleEndian.Uint64(footer[48:])
	end, pageSize := uint64(len(data)-tableFooterSize), uint64(1)<<footer[5]
	var index []tableBlock // the directory
	for at := directory; at < end; at += pageSize {
		b := tableBlock{fmt.Sprintf("directory %d", len(index)), 0, at, min(at+pageSize, end) - blockTrailerSize}
		index = append(index, b)
		for ; b.at < b.end; b.at += 8 {
			entry := binary.LittleEndian.Uint64(t.data[b.at:])
			from, n := entry>>entryLengthBits, uint64(len(t.blocks))
			page := tableBlock{fmt.Sprintf("page %d", n), n, from, from + entry&(1<<entryLengthBits-1) - blockTrailerSize}
			t.blocks = append(t.blocks, page)
		}
	}
	t.pages = len(t.blocks)
	t.blocks = append(t.blocks, tableBlock{"properties", 0, properties, directory - blockTrailerSize})
	for i, b := range index {
		b.number = uint64(t.pages + i)
		t.blocks = append(t.blocks, b)
	}
	return t
}

func (t *tableFile) footer() []byte { return t.data[len(t.data)-tableFooterSize:] }

func (t *tableFile) id() uint64 { return binary.LittleEndian.Uint64(t.footer()[24:]) }

// seal gives every block and the footer a right checksum, and the properties a right digest. It returns by how much
// the digest has changed.
func (t *tableFile) seal() (change uint64) {
	for _, b := range t.blocks[:t.pages] {
		change += t.sealBlock(b)
	}
	properties := t.blocks[t.pages]
	if properties.end-properties.at >= digestOffset+8 {
		digest := t.data[properties.at+digestOffset:]
		binary.LittleEndian.PutUint64(digest, binary.LittleEndian.Uint64(digest)+change)
	}
	for _, b := range t.blocks[t.pages:] {
		t.sealBlock(b)
	}
	footer := t.footer()
	binary.LittleEndian.PutUint64(footer[80:], xxhash.Sum64(footer[:80]))
	return change
}

// sealBlock gives b a right checksum and returns how much larger than the old one it is.
func (t *tableFile) sealBlock(b tableBlock) uint64 {
	stored := t.data[b.end+8:]
	covered := bytes.Clone(t.data[b.at : b.end+8])
	for _, n := range []uint64{t.id(), b.number, b.at} {
		covered = binary.LittleEndian.AppendUint64(covered, n)
	}
	before, sum := binary.LittleEndian.Uint64(stored), xxhash.Sum64(covered)
	binary.LittleEndian.PutUint64(stored, sum)
	return sum - before
}

// tableCrafts change every two bytes of every block, its trailer and the footer, and let pages change places.
func tableCrafts(name string, t *tableFile) (crafts []Craft) {
	words := func(what string, from, to uint64, strict bool) {
		for off := from; off+2 <= to; off += 2 {
			was := binary.LittleEndian.Uint16(t.data[off:])
			for _, odd := range []uint16{0, was + 1, was ^ 0x100, 0xffff} {
				if odd == was {
					continue
				}
				crafts = append(crafts, Craft{fmt.Sprintf("%s, %s: %#x at offset %d", name, what, odd, off-from), strict,
					func(f *craftedFiles) { binary.LittleEndian.PutUint16(f.tables[name].data[off:], odd) }})
			}
		}
	}
	for n, b := range t.blocks {
		words(b.name, b.at, b.end, n >= t.pages)
		words(b.name+", trailer", b.end, b.end+8, true)
	}
	footer := uint64(len(t.data) - tableFooterSize)
	words("footer", footer, footer+80, true)
	return slices.Concat(crafts, pageCrafts(name, t), referencesCrafts(name, t))
}

// pageCrafts let pages that have the same length change places, each sealed as what it stands for.
func pageCrafts(name string, t *tableFile) (crafts []Craft) {
	pages := t.blocks[:t.pages]
	for i, a := range pages {
		for _, b := range pages[i+1:] {
			if a.end-a.at != b.end-b.at {
				continue
			}
			crafts = append(crafts, Craft{fmt.Sprintf("%s, %s and %s swapped", name, a.name, b.name), false,
				func(f *craftedFiles) {
					data := f.tables[name].data
					kept := bytes.Clone(data[a.at : a.end+8])
					copy(data[a.at:a.end+8], data[b.at:b.end+8])
					copy(data[b.at:b.end+8], kept)
				}})
		}
	}
	return crafts
}
