package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// readBufferBytes is how much of a file a Reader holds. A larger record gets memory of its own, once its checksum
// has proved right.
const readBufferBytes = 256 << 10

// NoRecord is the problem of a place where no record was begun: the end of the file, or zeros.
const NoRecord = "no record"

// PrefixSize is how many bytes of a body Find shows before it knows whether the record is valid.
const PrefixSize = 24

// Reader reads the records of a file that may hold any bytes. It does not close the file.
//
// It keeps three answers apart: a valid record; a problem with the bytes, in words; and an error of the device,
// which is returned as it is and never taken for the end of the file.
type Reader struct {
	f    vfs.File
	name string
	at   place
	size int64

	buffer []byte // bytes of the file from start
	start  int64
	memory []byte // the memory of buffer
	large  []byte // the last record that did not fit into the buffer
}

// Open makes r read f, which errors call name, as file num of database db. A Reader may be opened again and keeps
// its memory.
func (r *Reader) Open(f vfs.File, name string, db [16]byte, num filename.Num) error {
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if want := min(readBufferBytes, size); int64(len(r.memory)) < want {
		r.memory = make([]byte, want)
	}
	*r = Reader{f: f, name: name, at: placeOf(db, num), size: size, memory: r.memory, large: r.large}
	return nil
}

// Size is the length of the file when it was opened.
func (r *Reader) Size() int64 { return r.size }

// FileHeader decodes the file's header. Its errors are those of DecodeFileHeader and of the device.
func (r *Reader) FileHeader(magic Magic) (FileHeader, error) {
	data, err := r.bytes(0, int(min(r.size, FileHeaderSize)))
	if err != nil {
		return FileHeader{}, err
	}
	return DecodeFileHeader(magic, data)
}

// At reads the record at off. problem says in words why the bytes there are no valid record, and is empty if they
// are one; NoRecord means that nothing was begun there. At does not check the chain. The body is valid until the
// next call.
func (r *Reader) At(off int64) (rec Record, problem string, err error) {
	h, problem, err := r.headerAt(off)
	if problem != "" || err != nil {
		return Record{}, problem, err
	}
	size := Size(int(h.length))
	data, err := r.whole(off, h)
	if err != nil {
		return Record{}, "", err
	}
	if data == nil || crc32.Update(r.at.seed, castagnoli, data[4:]) != h.sum {
		return Record{}, "checksum mismatch", nil
	}
	return Record{
		Type: h.typ, Offset: off, End: off + size, Sum: h.sum, Chain: h.chain, Body: data[HeaderSize:][:h.length:h.length],
		Attempt: h.attempt,
	}, "", nil
}

// whole returns the bytes of the record at off, which must be inside the file. A record larger than the buffer gets
// memory only if its checksum is right; otherwise the result is nil.
func (r *Reader) whole(off int64, h header) ([]byte, error) {
	size := Size(int(h.length))
	if size <= readBufferBytes {
		return r.bytes(off, int(size))
	}
	if sum, err := r.checksum(off, h); err != nil || sum != h.sum {
		return nil, err
	}
	if int64(cap(r.large)) < size {
		r.large = make([]byte, size)
	}
	r.large = r.large[:size]
	return r.large, r.readAt(r.large, off)
}

// headerAt reads the header of the record at off and checks everything except the checksum.
func (r *Reader) headerAt(off int64) (h header, problem string, err error) {
	data, err := r.bytes(off, int(min(max(r.size-off, 0), HeaderSize)))
	if err != nil {
		return header{}, "", err
	}
	if bytes.Equal(data, zeros[:len(data)]) {
		return header{}, NoRecord, nil
	}
	if len(data) < HeaderSize {
		return header{}, "the file ends inside a record's header", nil
	}
	h = decodeHeader(data)
	switch {
	case h.num != r.at.num:
		return h, fmt.Sprintf("record of file number %d", h.num), nil
	case h.offset != off:
		return h, fmt.Sprintf("record from offset %d", h.offset), nil
	case h.length > MaxBodySize:
		return h, "impossible length", nil
	case Size(int(h.length)) > r.size-off:
		return h, "the file ends inside a record", nil
	}
	return h, "", nil
}

// checksum computes the checksum of the record at off, piece by piece. The whole record must be inside the file.
func (r *Reader) checksum(off int64, h header) (uint32, error) {
	sum := r.at.seed
	end := off + Size(int(h.length))
	for at := off + 4; at < end; {
		data, err := r.bytes(at, int(min(end-at, readBufferBytes)))
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, data)
		at += int64(len(data))
	}
	return sum, nil
}

// Find searches behind off for a valid record of this file that likely accepts, whatever its chain, and returns
// where it begins, or -1. likely sees the record before its checksum is verified, and at most the first PrefixSize
// bytes of its body. It should be strict.
//
// In an honest file each byte belongs to one record at most. A file that is made to look as if it held very many
// overlapping ones, to keep the search busy, is reported as damaged.
func (r *Reader) Find(off int64, likely func(Record) bool) (int64, error) {
	budget := 4*(r.size-off) + readBufferBytes
	for at := (off + alignment) &^ (alignment - 1); at+HeaderSize <= r.size; {
		data, err := r.bytes(at, int(min(r.size-at, readBufferBytes)))
		if err != nil {
			return -1, err
		}
		skip, candidate := r.candidate(data, at)
		at += int64(skip)
		if !candidate {
			continue
		}
		found, cost, err := r.confirm(at, likely)
		if err != nil {
			return -1, err
		}
		if found {
			return at, nil
		}
		if budget -= cost; budget < 0 {
			return -1, corrupt.New(r.name, at, "the rest of the file holds more would-be records than a log can")
		}
		at += alignment
	}
	return -1, nil
}

// candidate returns how many bytes into data, which was read at off, the first header stands that names this file
// and its own offset. If there is none, it returns how many bytes need not be searched again.
func (r *Reader) candidate(data []byte, off int64) (skip int, found bool) {
	le := binary.LittleEndian
	for ; skip+HeaderSize <= len(data); skip += alignment {
		if le.Uint64(data[skip+24:]) == uint64(off)+uint64(skip) && le.Uint64(data[skip+16:]) == uint64(r.at.num) {
			return skip, true
		}
	}
	return skip, false
}

// confirm reports whether the candidate at off is a record that likely accepts and whose checksum is right, and how
// many bytes it had to read to find out.
func (r *Reader) confirm(off int64, likely func(Record) bool) (found bool, cost int64, err error) {
	h, problem, err := r.headerAt(off)
	if problem != "" || err != nil {
		return false, 0, err
	}
	prefix, err := r.bytes(off+HeaderSize, int(min(h.length, PrefixSize)))
	if err != nil {
		return false, 0, err
	}
	cost = Size(int(h.length))
	if !likely(Record{Type: h.typ, Offset: off, End: off + cost, Sum: h.sum, Chain: h.chain, Body: prefix}) {
		return false, 0, nil
	}
	sum, err := r.checksum(off, h)
	return err == nil && sum == h.sum, cost, err
}

// UsedEnd returns where the last byte between off and end that is not zero ends, or off if all are zeros.
func (r *Reader) UsedEnd(off, end int64) (int64, error) {
	used := off
	end = min(end, r.size)
	for at := off; at < end; {
		data, err := r.bytes(at, int(min(end-at, readBufferBytes)))
		if err != nil {
			return 0, err
		}
		if n := len(bytes.TrimRight(data, "\x00")); n > 0 {
			used = at + int64(n)
		}
		at += int64(len(data))
	}
	return used, nil
}

// bytes returns n <= readBufferBytes bytes at off, which must be inside the file. They are valid until the next
// call.
func (r *Reader) bytes(off int64, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if off < r.start || off+int64(n) > r.start+int64(len(r.buffer)) {
		r.buffer = r.memory[:min(int64(len(r.memory)), r.size-off)]
		r.start = off
		if err := r.readAt(r.buffer, off); err != nil {
			r.buffer = nil
			return nil, err
		}
	}
	return r.buffer[off-r.start:][:n:n], nil
}

// readAt fills p. If the file has become shorter, that is an error, not an end.
func (r *Reader) readAt(p []byte, off int64) error {
	n, err := r.f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %s at offset %d: %w", r.name, off, err)
}
