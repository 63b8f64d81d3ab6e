// Package wal is the write-ahead log: numbered segments of records, one record for each commit. It owns the bytes of
// the segments and their files, and decides what of them counts after a crash. Log is the log of an open database;
// it decides when a file is used again or removed. It does not decide when to sync, when to start a segment or which
// segments are still needed: the engine does, and the manifest remembers the last of these.
//
// Log and Segment say what may run concurrently. Replay is for one goroutine and starts none.
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
//	          Prepare           Begin            Seal             a flush has put all of it into tables
//	nothing ──────────► blank ─────────► active ──────────► sealed ──────────► retired ──────────► removed
//	                      ▲                                                       │
//	                      └───────────────────────── Reuse ───────────────────────┘
//
// The order is what makes the chain of segments a proof:
//
//   - First there is a blank: the file of the next segment, with zeros where its header will be and a durable name.
//     Prepare makes a new file. Reuse takes the file of a retired segment: it overwrites the header with zeros,
//     syncs, gives the file its new name, and syncs the directory, in this order.
//   - Then the active segment ends with a seal, which names the blank, and is synced (Seal).
//   - Then the header is written into the blank, naming the sealed segment and where that ends, and is synced
//     (Begin).
//   - Only then are records appended to it.
//
// So a seal that names a successor proves that the successor's file existed, and a valid header that names a
// predecessor proves that the predecessor is complete.
//
// Recovery never appends to a segment that it has read. It makes what it replayed durable in tables, creates a root
// segment, and begins a new manifest, which says that the log starts there. Only then is anything appended to the
// root. If recovery is interrupted before that edit, the root stands unused behind the old log, whose last segment
// may have a torn tail. A transaction larger than memory begins the log anew in the same way, while the old log is
// still active: the edit that adds its tables names the root.
//
// A clean close leaves no log, except a segment in which nothing was ever logged. When everything is in tables, the
// last edit of the manifest names a segment that is never begun as the start of the log, and says that the log has
// ended before it. If a segment from there on holds a valid record, that is damage.
//
// # Why syncs write no metadata
//
// A sync is fast where the file need not grow. So the active segment is allocated ahead with zeros, in pieces as
// long as it is so far, up to 1 MiB (AllocateAhead), and retired segments are used again, because their blocks have
// been written already. On a full disk nothing is allocated ahead any more: what is left of it belongs to the data.
// A group that no sync waits for may be stored through a mapping of such blocks instead of being written (Store).
//
// The price is that something stands behind the end of the log: zeros, or records of what the file was before.
// Neither passes for a record of this segment, because every record names its file, its offset and, by a checksum,
// the record before it (package record). And wherever the file goes on behind a group, zeros of a header's length
// follow it, so that old records are not taken for a torn tail.
//
// # A group that is refused
//
// Append writes a group whole or takes it back. Where a full disk has let in a part of it, the header of the group's
// first record is overwritten with zeros, and that is synced before anything else is written there. So a restart
// never finds a commit whose caller was told that the disk is full. After any other failure the segment is poisoned,
// and what became of the group is not known. Appender in package record has the argument.
//
// # Which segments count
//
// Replay follows the chain, from the segment that the manifest names, from each seal to the segment it names. A
// successor that was not begun ends the log. Every other segment found must be unused: it holds no valid record of
// its own, and its own header names no predecessor. Otherwise the chain is broken, and commits that were
// acknowledged may be missing. Segments before the one that the manifest names are not looked at.
//
// # Where the log ends
//
// Without a seal the log ends at the first place that holds no valid record. What stands there is taken for the torn
// tail of a write that a crash interrupted, unless a later valid record of the segment proves otherwise: each record
// says how far its segment had been synced when it was encoded, and a place before that was durable once, so it is
// damaged. Bytes behind a seal mean nothing.
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

// predecessorOf is what h says about the log before its segment.
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
