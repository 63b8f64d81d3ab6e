package block

import (
	"encoding/binary"
	"slices"

	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block/piece"
)

// A value of more than page.ChunkSize bytes is stored in chunks, so that it is written and read in constant memory:
//
//	chunked extent = chunk{n} lengths
//
// Each chunk is a block of page.ChunkSize bytes before compression, the last one of what is left. The payload of the
// lengths, which is never compressed, is the stored length of each chunk (u32). What an entry says of an extent, offset
// and stored length, is of the whole; so its raw length tells n, and its end leads to the lengths.

// Chunks is where the chunks of one extent are. The zero value is of none.
type Chunks struct {
	x    page.Extent
	ends []int64 // of each chunk, in the file

	Sum uint64 // checksum of the block of lengths
}

// Of reports whether c is of x.
func (c *Chunks) Of(x page.Extent) bool { return c.x == x && len(c.ends) > 0 }

// LengthsSize is how many bytes the lengths of n chunks take in a file.
func LengthsSize(n int) int64 { return 4*int64(n) + TrailerSize }

// ReadChunks makes c what the file says of the chunks of x, a chunked extent that lies inside the file.
func (s *Source) ReadChunks(c *Chunks, x page.Extent) error {
	*c = Chunks{ends: c.ends[:0]}
	n := x.Chunks()
	at := At(Lengths, 0, int64(x.Offset+x.Stored)-LengthsSize(n))
	if x.Raw > page.MaxChunked || at.Offset-int64(x.Offset) < int64(n)*TrailerSize {
		return s.Damaged(int64(x.Offset), "an extent of %d bytes is to hold %d", x.Stored, x.Raw)
	}
	memory := piece.SpareScratch()
	defer memory.Recycle()
	stored := memory.Bytes(int(LengthsSize(n)))
	if err := s.Read(stored, at.Offset); err != nil {
		return err
	}
	lengths, err := s.Open(nil, stored, at, 0)
	if err != nil {
		return err
	}
	end := int64(x.Offset)
	for ; len(lengths) > 0; lengths = lengths[4:] {
		end += int64(binary.LittleEndian.Uint32(lengths))
		c.ends = append(c.ends, end)
	}
	if end != at.Offset {
		c.ends = c.ends[:0]
		return s.Damaged(at.Offset, "the chunks of an extent end at %d", end)
	}
	c.x, c.Sum = x, StoredChecksum(stored)
	return nil
}

// AppendChunk verifies the nth chunk of an extent and appends what it holds to dst. sum is its checksum. On an error it
// returns dst.
func (s *Source) AppendChunk(dst []byte, c *Chunks, n int) (out []byte, sum uint64, err error) {
	at, length := int64(c.x.Offset), int64(0)
	if n > 0 {
		at = c.ends[n-1]
	}
	length = c.ends[n] - at
	if length < TrailerSize || length > page.ChunkSize+TrailerSize {
		return dst, 0, s.Damaged(at, "chunk %d has %d bytes", n, length)
	}
	memory := piece.SpareScratch()
	defer memory.Recycle()
	stored := memory.Bytes(int(length))
	if err := s.Read(stored, at); err != nil {
		return dst, 0, err
	}
	want := c.x.ChunkLen(n)
	out = slices.Grow(dst, want)
	place := At(Chunk, 0, at)
	place.Nth = n
	value, err := s.Open(out[len(dst):], stored, place, page.ChunkSize)
	if err != nil {
		return dst, 0, err
	}
	if len(value) != want {
		return dst, 0, s.Damaged(at, "chunk %d holds %d bytes and should hold %d", n, len(value), want)
	}
	return append(out[:len(dst)], value...), StoredChecksum(stored), nil
}

// AppendChunks verifies all chunks of x, which lies inside the file, and appends what they hold to dst. On an error it
// returns dst.
func (s *Source) AppendChunks(dst []byte, x page.Extent) ([]byte, error) {
	var c Chunks
	if err := s.ReadChunks(&c, x); err != nil {
		return dst, err
	}
	out := slices.Grow(dst, int(x.Raw))
	for n := range x.Chunks() {
		var err error
		if out, _, err = s.AppendChunk(out, &c, n); err != nil {
			return dst, err
		}
	}
	return out, nil
}
