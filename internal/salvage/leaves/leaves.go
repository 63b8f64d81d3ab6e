// Package leaves reads the leaf pages of a table, and its values outside of pages, that are whole, whatever else of
// its file is damaged. It believes nothing that has no checksum, and owns the memory of one page and a window of the
// file. A Reader is for one goroutine.
package leaves

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
)

// Of a table's blocks, as docs/format.md has them.
const (
	blockTrailer = 16
	unitLeaf     = 1
	unitExtent   = 4
	unitChunk    = 7
	unitLengths  = 8
	minPayload   = 30 // of a leaf
	maxBlock     = page.MaxSize + blockTrailer
)

// WindowBytes is how much of a file is held while leaves are looked for.
const WindowBytes = maxBlock + 256<<10

// Gap is a place in which leaves, or a value, are missing.
type Gap struct {
	Offset, Length int64 // -1 if not known
	What           string
	File           string // that it is in; empty for that of the table
}

// Reader reads the leaves of a table that are whole, in order. With a directory it goes there; without one it looks at
// every place where a block trailer may be. A block ends with its trailer, but where it begins only its content says:
// it has as many bytes as the trailer says if it is not compressed; otherwise it begins as its codec has it. The number
// of the page is in the checksum alone, and is tried.
type Reader struct {
	file  vfs.File
	size  int64
	id    uint64
	frame *table.Frame // nil if there is none

	next    int   // number of the leaf that comes next
	begin   int64 // of the last leaf that was whole
	end     int64
	missing func(Gap)

	at     int64 // where a trailer is looked for
	tries  int64 // how many numbers may still be tried
	window []byte
	start  int64 // of window in the file

	stored, raw []byte
}

// New returns a Reader of the first size bytes of f, table id. frame is nil if there is none. missing is told what is
// not whole.
func New(f vfs.File, size int64, id uint64, frame *table.Frame, missing func(Gap)) *Reader {
	return &Reader{file: f, size: size, id: id, frame: frame, missing: missing, tries: 1<<22 + size/16}
}

// Read returns the payload of the next leaf that is whole; nil at the end. It is valid until the next call.
func (r *Reader) Read() []byte {
	if r.frame == nil || r.frame.Leaf == nil {
		return r.find()
	}
	for r.next < r.frame.Leaves {
		n := r.next
		r.next++
		offset, length := r.frame.Leaf(n)
		payload, what := r.readAt(n, offset, length)
		if what == "" {
			r.begin, r.end = offset, offset+int64(length)
			return payload
		}
		r.missing(Gap{Offset: offset, Length: int64(length), What: what})
	}
	return nil
}

// readAt reads leaf n at its place. what says what is wrong with it, if something is.
func (r *Reader) readAt(n int, offset int64, length int) (payload []byte, what string) {
	r.stored = sized(r.stored, length)
	if m, err := r.file.ReadAt(r.stored, offset); m < length {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, "the file ends before the end of the page"
		}
		return nil, "the page cannot be read: " + err.Error()
	}
	if !newSum(r.stored[:length-blockTrailer]).matches(r.stored, r.id, uint64(n), offset) {
		return nil, "checksum mismatch in a leaf page"
	}
	if payload = r.unpack(r.stored, unitLeaf, page.MaxSize); payload == nil || page.Check(payload) != nil ||
		page.Level(payload) != 0 {
		return nil, "a leaf page that is none"
	}
	return payload, ""
}

// unpack returns the payload of a block whose checksum is right; nil if it is impossible.
func (r *Reader) unpack(stored []byte, unit byte, most uint64) []byte {
	payload := stored[:len(stored)-blockTrailer]
	head := binary.LittleEndian.Uint64(stored[len(payload):])
	c, raw := codec.ID(head), head>>16
	if byte(head>>8) != unit || raw > most || !c.Known() {
		return nil
	}
	if c == codec.None {
		if raw != uint64(len(payload)) {
			return nil
		}
		return payload
	}
	out, err := codec.Decode(c, r.raw[:0], payload, int(raw))
	if err != nil {
		return nil
	}
	r.raw = out
	return out
}

// ReadValue reads the value of an extent of table id, which has size bytes in file; nil if it is not whole.
func ReadValue(file vfs.File, size int64, id uint64, x page.Extent) []byte {
	if !possible(size, x) {
		return nil
	}
	stored := make([]byte, x.Stored)
	if n, _ := file.ReadAt(stored, int64(x.Offset)); n < len(stored) {
		return nil
	}
	var other Reader // the leaf that leads here stays valid
	open := func(from, to uint64, unit byte) []byte {
		b := stored[from:to]
		if !newSum(b[:len(b)-blockTrailer]).matches(b, id, 0, int64(x.Offset+from)) {
			return nil
		}
		return other.unpack(b, unit, page.ChunkSize)
	}
	var value []byte
	if x.Chunks() == 0 {
		value = open(0, x.Stored, unitExtent)
	} else {
		value = joined(x, open)
	}
	if uint64(len(value)) != x.Raw {
		return nil
	}
	return value
}

// joined is the value of an extent that is stored in chunks, as far as they are whole.
func joined(x page.Extent, open func(from, to uint64, unit byte) []byte) []byte {
	at, end := uint64(0), x.Stored-uint64(4*x.Chunks()+blockTrailer)
	lengths := bytes.Clone(open(end, x.Stored, unitLengths))
	value := make([]byte, 0, x.Raw)
	for ; len(lengths) >= 4; lengths = lengths[4:] {
		n := uint64(binary.LittleEndian.Uint32(lengths))
		if n < blockTrailer || n > end-at {
			return nil
		}
		value = append(value, open(at, at+n, unitChunk)...)
		at += n
	}
	return value
}

// MayBe reports whether file has what may be the trailer of an extent at x. Few other places have it, and it costs less
// than the value.
func MayBe(file vfs.File, size int64, x page.Extent) bool {
	if !possible(size, x) {
		return false
	}
	unit, raw := byte(unitExtent), x.Raw
	if x.Chunks() > 0 {
		unit, raw = unitLengths, uint64(4*x.Chunks())
	}
	var trailer [blockTrailer]byte
	n, _ := file.ReadAt(trailer[:], int64(x.Offset+x.Stored)-blockTrailer)
	return n == blockTrailer && trailer[1] == unit && binary.LittleEndian.Uint64(trailer[:])>>16 == raw
}

// possible reports whether a table of size bytes may have an extent at x.
func possible(size int64, x page.Extent) bool {
	trailers := uint64(blockTrailer)
	if x.Chunks() > 0 {
		trailers += uint64(x.Chunks()) * (blockTrailer + 4)
	}
	return x.Raw <= page.MaxChunked && x.Stored > trailers && x.Stored <= x.Raw+trailers &&
		x.Offset <= uint64(size) && x.Stored <= uint64(size)-x.Offset
}

// Place is where the leaf that was read last begins, and its number, from 0 on.
func (r *Reader) Place() (offset int64, number int) { return r.begin, r.next - 1 }

// find looks for the next leaf.
func (r *Reader) find() []byte {
	for r.at = max(r.at, r.end); r.fill(); {
		last := r.start + int64(len(r.window)) - blockTrailer
		for ; r.at <= last; r.at++ {
			b := r.window[r.at-r.start:]
			if b[0] > byte(codec.Zstd) || b[1] != unitLeaf || b[5]|b[6]|b[7] != 0 {
				continue
			}
			if payload := r.tryTrailer(); payload != nil {
				return payload
			}
		}
	}
	if r.frame == nil || r.next < r.frame.Leaves {
		r.missing(Gap{Offset: r.end, Length: max(0, r.size-r.end), What: "no further leaf page can be found"})
	}
	return nil
}

// fill makes the window hold the trailer at r.at and what may be its block. It returns false at the end of the file.
func (r *Reader) fill() bool {
	if r.at+blockTrailer > r.size {
		return false
	}
	start := max(r.end, r.at-page.MaxSize)
	length := int(min(r.size-start, WindowBytes))
	r.window, r.start = sized(r.window, length), start
	n, _ := r.file.ReadAt(r.window, start)
	clear(r.window[n:])
	return true
}

// tryTrailer returns the leaf whose trailer is at r.at, if there is one.
func (r *Reader) tryTrailer() []byte {
	at := int(r.at - r.start)
	head := binary.LittleEndian.Uint64(r.window[at:])
	raw := int(head >> 16)
	if raw < minPayload || raw > page.MaxSize {
		return nil
	}
	var begin []byte // of a compressed payload
	switch codec.ID(head) {
	case codec.None:
		if at < raw {
			return nil
		}
		return r.tryBlock(at-raw, at)
	case codec.S2:
		begin = binary.AppendUvarint(nil, uint64(raw))
	case codec.Zstd:
		begin = []byte{0x28, 0xb5, 0x2f, 0xfd}
	}
	for from := max(0, at-raw); from < at; from++ {
		i := bytes.Index(r.window[from:at], begin)
		if i < 0 {
			return nil
		}
		from += i
		if payload := r.tryBlock(from, at); payload != nil {
			return payload
		}
	}
	return nil
}

// tryBlock returns the leaf that takes the window from begin to its trailer at end, if there is one.
func (r *Reader) tryBlock(begin, end int) []byte {
	stored, offset := r.window[begin:end+blockTrailer], r.start+int64(begin)
	sum := newSum(r.window[begin:end])
	limit := r.next + 1 + int((offset-r.end)/(minPayload/2))
	if r.frame != nil {
		limit = min(limit, r.frame.Leaves)
	}
	for n := r.next; n < limit; n++ {
		if r.tries--; r.tries < 0 && n > r.next+1024 {
			return nil
		}
		if !sum.matches(stored, r.id, uint64(n), offset) {
			continue
		}
		r.stored = append(r.stored[:0], stored...)
		payload := r.unpack(r.stored, unitLeaf, page.MaxSize)
		if payload == nil || page.Check(payload) != nil || page.Level(payload) != 0 {
			return nil
		}
		if n > r.next {
			r.missing(Gap{Offset: r.end, Length: offset - r.end, What: "leaf pages are damaged"})
		}
		r.begin = offset
		r.next, r.end, r.at = n+1, offset+int64(len(stored)), offset+int64(len(stored))
		return payload
	}
	return nil
}

// sum is the hash of a payload, to which the place of the block is added.
type sum struct{ digest xxhash.Digest }

func newSum(payload []byte) *sum {
	var s sum
	s.digest.Reset()
	s.digest.Write(payload)
	return &s
}

// matches reports whether stored ends with the checksum of a block of table id, with that number and offset.
func (s *sum) matches(stored []byte, id, number uint64, offset int64) bool {
	trailer := stored[len(stored)-blockTrailer:]
	var rest [32]byte
	copy(rest[:8], trailer)
	binary.LittleEndian.PutUint64(rest[8:], id)
	binary.LittleEndian.PutUint64(rest[16:], number)
	binary.LittleEndian.PutUint64(rest[24:], uint64(offset))
	d := s.digest
	d.Write(rest[:])
	return d.Sum64() == binary.LittleEndian.Uint64(trailer[8:])
}

// sized returns n bytes, in b's memory if that suffices.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
