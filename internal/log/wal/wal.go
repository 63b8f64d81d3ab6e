// Package wal is the write-ahead log: numbered segments of records, one record per commit. It owns the bytes of the
// segments and the decision what of them counts after a crash. It does not decide when to sync, when to start a
// segment, or which segments are still needed: the engine does, and the manifest remembers it.
//
// Segment says what may run concurrently; Replay is for one goroutine and starts none.
//
// # A segment
//
// A segment is a record.FileHeader and records, both as package record defines them. The header adds, little-endian:
//
//	offset size
//	    40    8  number of the segment before; 0 in a root, the first of a chain
//	    48    8  length of the segment before, in bytes; 0 in a root
//	    56    8  last sequence number before this segment
//	    64    4  checksum of the last record (the seal) of the segment before; 0 in a root
//	    68    8  zeros
//
// The body of a record is
//
//	offset size
//	     0    8  synced: the log up to this offset of this segment was durable when the record was encoded
//	     8    8  commit: sequence number of the first operation; seal: the last sequence number in the log
//	    16    4  commit: number of operations; seal: 0
//	    20    4  zeros
//	    24    n  commit (type 1): the operations, see package batch; seal (type 2): number of the segment that
//	             follows (8 bytes), 0 if none does
//
// # From one segment to the next
//
// The order is: make the next file, empty or zero-filled, and make its name durable (Prepare), or give that of a segment that
// is needed no more a header of zeros and the new name, durably one after the other (Reuse); seal the old segment and
// sync it (Seal); write the next header and sync it (Begin); only then append to it. So a segment with a valid header
// that names a predecessor proves that the predecessor is complete, and a seal that names a successor proves that the
// successor's file existed.
//
// Recovery never appends to a segment that it read. It makes what it replayed durable elsewhere (in tables), creates a
// root segment, and begins a new manifest, which says that the log starts there; only then may anything be appended to the
// root. If recovery is interrupted before that edit, the root stands unused behind the old log, whose last segment may
// have a torn tail.
//
// Replay therefore follows the chain: from the segment that the manifest names, from seal to successor. A successor
// that was not begun ends the log. Every other segment found must be unused: it holds no valid record of its own and
// names no predecessor. A record in it, or a predecessor, proves that the chain is broken.
//
// # Where the log ends
//
// The segment where the chain ends without a seal is valid up to the first invalid record. That is a torn tail, the
// trace of a crash, unless a later valid record of the segment says, with its synced field, that the log had been
// durable beyond that place: then it is damage. Bytes behind a seal mean nothing.
package wal

import (
	"encoding/binary"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
)

const (
	prefixSize   = record.PrefixSize
	sealBodySize = prefixSize + 8
)

// segmentHeader is the header of segment num of database db behind prev.
func segmentHeader(db [16]byte, num filename.Num, prev Predecessor) record.FileHeader {
	h := record.FileHeader{Magic: record.MagicLog, DB: db, Num: num}
	le := binary.LittleEndian
	le.PutUint64(h.Extra[0:], uint64(prev.Num))
	le.PutUint64(h.Extra[8:], uint64(prev.Length))
	le.PutUint64(h.Extra[16:], uint64(prev.LastSeq))
	le.PutUint32(h.Extra[24:], prev.Sum)
	return h
}

// predecessorOf is what h says of the log before its segment.
func predecessorOf(h *record.FileHeader) Predecessor {
	le := binary.LittleEndian
	return Predecessor{
		Num:     filename.Num(le.Uint64(h.Extra[0:])),
		Length:  int64(le.Uint64(h.Extra[8:])),
		LastSeq: key.SeqNum(le.Uint64(h.Extra[16:])),
		Sum:     le.Uint32(h.Extra[24:]),
	}
}

// prefix is the front of every body.
type prefix struct {
	synced int64
	seq    key.SeqNum
	count  uint32
	zero   uint32
}

func putPrefix(dst *[prefixSize]byte, p prefix) {
	le := binary.LittleEndian
	le.PutUint64(dst[0:], uint64(p.synced))
	le.PutUint64(dst[8:], uint64(p.seq))
	le.PutUint32(dst[16:], p.count)
	le.PutUint32(dst[20:], p.zero)
}

// splitBody takes the body of a record apart. ok is false if it is too short.
func splitBody(body []byte) (p prefix, payload []byte, ok bool) {
	if len(body) < prefixSize {
		return prefix{}, nil, false
	}
	le := binary.LittleEndian
	return prefix{
		synced: int64(le.Uint64(body)),
		seq:    key.SeqNum(le.Uint64(body[8:])),
		count:  le.Uint32(body[16:]),
		zero:   le.Uint32(body[20:]),
	}, body[prefixSize:], true
}
