package table

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/record"
	"lightningdb/internal/tree/table/block"
)

// ErrVersion says that a table is intact but needs a newer version of the program: its format version, a flag, the
// codec or the encryption is not known to this one. Use errors.Is.
var ErrVersion = record.ErrVersionTooNew

// The constants of the footer, which the package comment describes.
const (
	footerSize    = 96
	footerMagic   = "LTNGTBL\n"
	formatVersion = 1

	// maxPages bounds the page numbers of a table, and what it takes to open one.
	maxPages = 1<<31 - 1<<16

	minPageBits = 9
	maxPageBits = 16
)

type footer struct {
	codec      codec.ID
	pageBits   uint8
	leaves     uint32
	inners     uint32
	locators   uint32
	id         uint64
	size       int64
	properties int64 // offset
	directory  int64 // offset
}

func (f *footer) encode() []byte {
	b := make([]byte, footerSize)
	binary.LittleEndian.PutUint16(b[0:], formatVersion)
	b[4], b[5] = byte(f.codec), f.pageBits
	binary.LittleEndian.PutUint32(b[12:], f.leaves)
	binary.LittleEndian.PutUint32(b[16:], f.inners)
	binary.LittleEndian.PutUint32(b[20:], f.locators)
	binary.LittleEndian.PutUint64(b[24:], f.id)
	binary.LittleEndian.PutUint64(b[32:], uint64(f.size))
	binary.LittleEndian.PutUint64(b[40:], uint64(f.properties))
	binary.LittleEndian.PutUint64(b[48:], uint64(f.directory))
	binary.LittleEndian.PutUint64(b[80:], xxhash.Sum64(b[:80]))
	copy(b[88:], footerMagic)
	return b
}

// decodeFooter decodes the footer of a file of the given size. Damage is a *corrupt.Error without a file, its
// offset inside the footer; a table of the future is ErrVersion.
func decodeFooter(b []byte, size int64) (footer, error) {
	if len(b) != footerSize || string(b[88:]) != footerMagic {
		return footer{}, corrupt.New("", 88, "not a table: the magic is missing")
	}
	if xxhash.Sum64(b[:80]) != binary.LittleEndian.Uint64(b[80:]) {
		return footer{}, corrupt.New("", 80, "checksum mismatch in the footer")
	}
	version := binary.LittleEndian.Uint16(b[0:])
	flags := binary.LittleEndian.Uint16(b[2:])
	keyID := binary.LittleEndian.Uint32(b[8:])
	if version != formatVersion || flags != 0 || keyID != 0 || !codec.ID(b[4]).Known() {
		return footer{}, ErrVersion
	}
	f := footer{
		codec:      codec.ID(b[4]),
		pageBits:   b[5],
		leaves:     binary.LittleEndian.Uint32(b[12:]),
		inners:     binary.LittleEndian.Uint32(b[16:]),
		locators:   binary.LittleEndian.Uint32(b[20:]),
		id:         binary.LittleEndian.Uint64(b[24:]),
		size:       int64(binary.LittleEndian.Uint64(b[32:])),
		properties: int64(binary.LittleEndian.Uint64(b[40:])),
		directory:  int64(binary.LittleEndian.Uint64(b[48:])),
	}
	return f, f.check(b, size)
}

// check verifies what a footer says about itself and about a file of the given size.
func (f *footer) check(b []byte, size int64) error {
	layout := f.layout()
	switch {
	case f.size != size:
		return corrupt.New("", 32, "the file has %d bytes and should have %d", size, f.size)
	case f.pageBits < minPageBits || f.pageBits > maxPageBits:
		return corrupt.New("", 5, "impossible page size")
	case f.leaves == 0 || f.locators == 0 || f.pages() > maxPages || (f.leaves == 1) != (f.inners == 0):
		return corrupt.New("", 12, "impossible number of pages")
	case f.properties <= 0 || f.directory <= f.properties || f.directory >= size-footerSize:
		return corrupt.New("", 40, "impossible place of properties or directory")
	case f.directory-f.properties < block.TrailerSize || size-footerSize-f.directory != layout.Size():
		return corrupt.New("", 48, "impossible length of properties or directory")
	}
	for i, v := range b[:80] {
		if v != 0 && (i == 6 || i == 7 || i >= 56) {
			return corrupt.New("", int64(i), "reserved byte of the footer is not zero")
		}
	}
	return nil
}

// pages is the number of all pages, without the blocks of the directory.
func (f *footer) pages() int64 { return int64(f.leaves) + int64(f.inners) + int64(f.locators) }
