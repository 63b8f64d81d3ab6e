package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/page"
)

// unit is the role of a block. The values are on disk: never renumber, never reuse.
type unit uint8

const (
	unitLeaf       unit = 1
	unitInner      unit = 2
	unitLocator    unit = 3
	unitExtent     unit = 4
	unitProperties unit = 5
	unitDirectory  unit = 6
)

func (u unit) String() string {
	switch u {
	case unitLeaf:
		return "leaf page"
	case unitInner:
		return "inner page"
	case unitLocator:
		return "locator page"
	case unitExtent:
		return "extent"
	case unitProperties:
		return "properties"
	case unitDirectory:
		return "directory"
	}
	return fmt.Sprintf("unit %d", uint8(u))
}

// A block as stored is its payload followed by the trailer:
//
//	offset from the payload's end  size  meaning
//	                            0     1  codec of the payload
//	                            1     1  unit
//	                            2     6  length of the payload before compression, in bytes
//	                            8     8  checksum
//
// The checksum is xxHash64 (seed 0) over the stored payload, the first 8 bytes of the trailer, and 24 bytes that
// are not stored: table id (u64), number (u64: the page number, 0 for what is not a page), file offset of the
// block (u64). A block that was written for another table or another place does not verify.
const blockTrailerSize = 16

// maxPageBlock is the most bytes that the block of a page has.
const maxPageBlock = page.MaxSize + blockTrailerSize

// place is the identity of a block within its table.
type place struct {
	unit   unit
	number int
	offset int64
}

// checksum is that of a block of the table with the given id; head is the first half of its trailer.
func (p place) checksum(id uint64, payload []byte, head uint64) uint64 {
	var rest [32]byte
	binary.LittleEndian.PutUint64(rest[0:], head)
	binary.LittleEndian.PutUint64(rest[8:], id)
	binary.LittleEndian.PutUint64(rest[16:], uint64(p.number))
	binary.LittleEndian.PutUint64(rest[24:], uint64(p.offset))
	var d xxhash.Digest
	d.Reset()
	d.Write(payload)
	d.Write(rest[:])
	return d.Sum64()
}

// seal returns the trailer of a block with the given stored payload, and its checksum.
func (p place) seal(id uint64, payload []byte, c codec.ID, rawSize int) (trailer [blockTrailerSize]byte, sum uint64) {
	head := uint64(c) | uint64(p.unit)<<8 | uint64(rawSize)<<16
	sum = p.checksum(id, payload, head)
	binary.LittleEndian.PutUint64(trailer[0:], head)
	binary.LittleEndian.PutUint64(trailer[8:], sum)
	return trailer, sum
}

// source is the file of a table, with what is needed to tell its blocks from those of others and to name it in
// errors.
type source struct {
	file  vfs.File
	name  string
	id    uint64
	codec codec.ID // the only codec that blocks of this table may have, apart from none
}

// damaged returns a *corrupt.Error about what begins at offset.
func (s *source) damaged(offset int64, format string, args ...any) error {
	return corrupt.New(s.name, offset, format, args...)
}

// read fills buf from offset on. Callers stay inside the file's size as verified by Open, so an early end of the
// file is damage; any other failure is the device's.
func (s *source) read(buf []byte, offset int64) error {
	n, err := s.file.ReadAt(buf, offset)
	switch {
	case n == len(buf):
		return nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return s.damaged(offset, "the file ends after %d of %d bytes", n, len(buf))
	case err == nil:
		err = io.ErrNoProgress
	}
	return fmt.Errorf("read %d bytes at offset %d of %s: %w", len(buf), offset, s.name, err)
}

// open verifies a stored block, checksum first, and returns its payload: a part of stored if it is not compressed,
// otherwise in dst's memory if that suffices, and never more than maxRaw bytes.
func (s *source) open(dst, stored []byte, at place, maxRaw uint64) ([]byte, error) {
	if len(stored) < blockTrailerSize {
		return nil, s.damaged(at.offset, "%v %d is too short", at.unit, at.number)
	}
	payload := stored[: len(stored)-blockTrailerSize : len(stored)-blockTrailerSize]
	head := binary.LittleEndian.Uint64(stored[len(payload):])
	if at.checksum(s.id, payload, head) != storedChecksum(stored) {
		return nil, s.damaged(at.offset, "checksum mismatch in %v %d", at.unit, at.number)
	}
	c, raw := codec.ID(head), head>>16
	if unit(head>>8) != at.unit || (c != codec.None && c != s.codec) {
		return nil, s.damaged(at.offset, "impossible trailer of %v %d", at.unit, at.number)
	}
	if c == codec.None && raw == uint64(len(payload)) {
		return payload, nil
	}
	if c == codec.None || raw > maxRaw {
		return nil, s.damaged(at.offset, "impossible length of %v %d", at.unit, at.number)
	}
	payload, err := codec.Decode(c, dst, payload, int(raw))
	if err != nil {
		return nil, s.damaged(at.offset, "%v %d: %v", at.unit, at.number, err)
	}
	return payload, nil
}

// storedChecksum is the checksum at the end of a block.
func storedChecksum(stored []byte) uint64 {
	return binary.LittleEndian.Uint64(stored[len(stored)-8:])
}
