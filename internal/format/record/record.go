// Package record is the framing that the write-ahead log and the manifest share: a file header, and behind it
// records that are checksummed, bound to their place, and chained. It does not know what the bodies mean.
//
// A Reader is for one goroutine. Appender says what may run concurrently with it.
//
// # A record
//
// Little-endian; every record begins at a multiple of 8.
//
//	offset size
//	     0    4  checksum: CRC-32C over the database id (16 bytes, not stored here), then bytes 4 to the end
//	     4    4  length of the body, in bytes
//	     8    4  chain: checksum of the record before; of the file header for the first record
//	    12    1  type
//	    13    3  attempt: how many groups had been taken back in this file when the record was encoded
//	    16    8  number of the file
//	    24    8  offset of the record in the file
//	    32    n  body
//	  32+n       zeros up to a multiple of 8
//
// # Why each field is there
//
// Old bytes may stand behind the end of a log: from a deleted file whose blocks came back, from what the file was
// before it was used again, or from a write that failed and was overwritten by a shorter one. None of them can pass
// for a record that follows the last one. Bytes of another database differ in the checksum, those of another file in
// the number, and moved ones in the offset. A record of this very file that a failed write has left has a chain that
// leads to a record which is gone. If that one was written again, byte for byte, its attempt differs, and so does
// its checksum.
package record

import (
	"encoding/binary"
	"hash/crc32"

	"lightningdb/internal/format/filename"
)

const (
	// HeaderSize is the size of a record's header, in bytes.
	HeaderSize = 32
	// MaxBodySize is the largest body of a record, in bytes.
	MaxBodySize = 1 << 30

	alignment  = 8
	maxAttempt = 1<<24 - 1
)

// Type says what the body of a record is. Each file format numbers its own types, from 1. The values are on disk.
type Type uint8

// Record is one valid record. Body is borrowed from the Reader that returned the record.
type Record struct {
	Type   Type
	Offset int64  // where it begins in its file
	End    int64  // where the next record begins
	Sum    uint32 // its checksum, which is the chain of the next record
	Chain  uint32 // the checksum of the record before
	Body   []byte

	Attempt uint32 // how many groups had been taken back in the file when it was encoded
}

// Size is the number of bytes that a record with a body of n bytes takes in the file.
func Size(n int) int64 { return HeaderSize + int64(n) + int64(padding(n)) }

// padding is the number of zeros behind a body of n bytes.
func padding(n int) int { return -n & (alignment - 1) }

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	zeros      [HeaderSize]byte
)

// place is what binds a record to where it stands. A record of another place is no record here.
type place struct {
	seed uint32 // the checksum of the database id
	num  filename.Num
}

func placeOf(db [16]byte, num filename.Num) place {
	return place{seed: crc32.Checksum(db[:], castagnoli), num: num}
}

// header is a decoded record header.
type header struct {
	sum     uint32
	length  uint32
	chain   uint32
	typ     Type
	attempt uint32
	num     filename.Num
	offset  int64
}

// appendHeader encodes h with zeros in place of the checksum, which covers what follows and is filled in later.
func appendHeader(dst []byte, h header) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, h.length)
	dst = le.AppendUint32(dst, h.chain)
	dst = le.AppendUint32(dst, uint32(h.typ)|h.attempt<<8)
	dst = le.AppendUint64(dst, uint64(h.num))
	return le.AppendUint64(dst, uint64(h.offset))
}

// decodeHeader decodes the first HeaderSize bytes of data.
func decodeHeader(data []byte) header {
	le := binary.LittleEndian
	return header{
		sum:     le.Uint32(data),
		length:  le.Uint32(data[4:]),
		chain:   le.Uint32(data[8:]),
		typ:     Type(data[12]),
		attempt: le.Uint32(data[12:]) >> 8,
		num:     filename.Num(le.Uint64(data[16:])),
		offset:  int64(le.Uint64(data[24:])),
	}
}
