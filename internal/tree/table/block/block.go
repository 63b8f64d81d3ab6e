// Package block is the blocks that a table consists of, but for its footer: payloads with a trailer that says how they
// are stored, and whose checksum covers which table they belong to, what they are and where they stand.
package block

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

// Unit is the role of a block. The values are on disk: never renumber, never reuse.
type Unit uint8

// The units of a table.
const (
	Leaf       Unit = 1
	Inner      Unit = 2
	Locator    Unit = 3
	Extent     Unit = 4
	Properties Unit = 5
	Directory  Unit = 6
	Chunk      Unit = 7
	Lengths    Unit = 8 // of the chunks of an extent
)

func (u Unit) String() string {
	switch u {
	case Leaf:
		return "leaf page"
	case Inner:
		return "inner page"
	case Locator:
		return "locator page"
	case Extent:
		return "extent"
	case Properties:
		return "properties"
	case Directory:
		return "directory"
	case Chunk:
		return "chunk"
	case Lengths:
		return "lengths of chunks"
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
const TrailerSize = 16

// MaxPage is the most bytes that the block of a page has.
const MaxPage = page.MaxSize + TrailerSize

// Place is the identity of a block within its table.
type Place struct {
	Unit   Unit
	Number int // of a page; 0 for what is not one
	Offset int64
	Nth    int // which chunk of its extent, for messages: its offset is its identity
}

// String names the block for messages.
func (p Place) String() string { return fmt.Sprintf("%v %d", p.Unit, max(p.Number, p.Nth)) }

// At is the place of a block; number is 0 for what is not a page.
func At(u Unit, number int, offset int64) Place {
	return Place{Unit: u, Number: number, Offset: offset}
}

// Checksum is that of a block of the table with the given id; head is the first half of its trailer.
func (p Place) Checksum(id uint64, payload []byte, head uint64) uint64 {
	var rest [32]byte
	binary.LittleEndian.PutUint64(rest[0:], head)
	binary.LittleEndian.PutUint64(rest[8:], id)
	binary.LittleEndian.PutUint64(rest[16:], uint64(p.Number))
	binary.LittleEndian.PutUint64(rest[24:], uint64(p.Offset))
	var d xxhash.Digest
	d.Reset()
	d.Write(payload)
	d.Write(rest[:])
	return d.Sum64()
}

// Seal returns the trailer of a block with the given stored payload, and its checksum.
func (p Place) Seal(id uint64, payload []byte, c codec.ID, rawSize int) (trailer [TrailerSize]byte, sum uint64) {
	head := uint64(c) | uint64(p.Unit)<<8 | uint64(rawSize)<<16
	sum = p.Checksum(id, payload, head)
	binary.LittleEndian.PutUint64(trailer[0:], head)
	binary.LittleEndian.PutUint64(trailer[8:], sum)
	return trailer, sum
}

// Source is the file of a table, with what is needed to tell its blocks from those of others and to name it in
// errors.
type Source struct {
	File  vfs.File
	Name  string
	ID    uint64
	Codec codec.ID // the only codec that blocks of this table may have, apart from none

	Tell func(damage error) // is told of damage; nil if nobody wants to know
}

// Damaged returns a *corrupt.Error about what begins at offset.
func (s *Source) Damaged(offset int64, format string, args ...any) error {
	err := corrupt.New(s.Name, offset, format, args...)
	if s.Tell != nil {
		s.Tell(err)
	}
	return err
}

// Read fills buf from offset on. Callers stay inside the file's size as verified when the table was opened, so an early
// end of the file is damage; any other failure is the device's.
func (s *Source) Read(buf []byte, offset int64) error {
	n, err := s.File.ReadAt(buf, offset)
	switch {
	case n == len(buf):
		return nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return s.Damaged(offset, "the file ends after %d of %d bytes", n, len(buf))
	case err == nil:
		err = io.ErrNoProgress
	}
	return fmt.Errorf("read %d bytes at offset %d of %s: %w", len(buf), offset, s.Name, err)
}

// Open verifies a stored block, checksum first, and returns its payload: a part of stored if it is not compressed,
// otherwise in dst's memory if that suffices, and never more than maxRaw bytes.
func (s *Source) Open(dst, stored []byte, at Place, maxRaw uint64) ([]byte, error) {
	if len(stored) < TrailerSize {
		return nil, s.Damaged(at.Offset, "%v is too short", at)
	}
	payload := stored[: len(stored)-TrailerSize : len(stored)-TrailerSize]
	head := binary.LittleEndian.Uint64(stored[len(payload):])
	if at.Checksum(s.ID, payload, head) != StoredChecksum(stored) {
		return nil, s.Damaged(at.Offset, "checksum mismatch in %v", at)
	}
	c, raw := codec.ID(head), head>>16
	if Unit(head>>8) != at.Unit || (c != codec.None && c != s.Codec) {
		return nil, s.Damaged(at.Offset, "impossible trailer of %v", at)
	}
	if c == codec.None && raw == uint64(len(payload)) {
		return payload, nil
	}
	if c == codec.None || raw > maxRaw {
		return nil, s.Damaged(at.Offset, "impossible length of %v", at)
	}
	payload, err := codec.Decode(c, dst, payload, int(raw))
	if err != nil {
		return nil, s.Damaged(at.Offset, "%v: %v", at, err)
	}
	return payload, nil
}

// StoredChecksum is the checksum at the end of a block.
func StoredChecksum(stored []byte) uint64 {
	return binary.LittleEndian.Uint64(stored[len(stored)-8:])
}

// Located gives the damage that a decoder found in what begins at offset its file and place. Other errors name the
// file; nil stays nil.
func (s *Source) Located(offset int64, what string, err error) error {
	var d *corrupt.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &d):
		return s.Damaged(offset, "%s: %s (byte %d of it)", what, d.What, d.Offset)
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}
