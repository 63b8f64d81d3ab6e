package wal

import (
	"encoding/binary"
	"math"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// Pieces is what is whole of a segment that may be damaged anywhere.
type Pieces struct {
	Before  Predecessor  // what the header says; nothing if that is damaged
	Holes   []Hole       // what is not whole, in order, but for what follows End
	Sealed  bool         // a seal was found, and Next and LastSeq are what it says
	Next    filename.Num // the segment that follows
	LastSeq key.SeqNum   // the newest sequence number that was found
	End     int64        // where the last record that counts ends
	Torn    int64        // how many bytes behind End are used and hold nothing that counts

	Unproven int64 // where records begin behind End that are whole, and of which nobody knows whether they count; or 0
}

// Hole is a place in which records are missing.
type Hole struct {
	Offset, End int64
	What        string
}

// ReadPieces calls commit with every commit that is whole in f, what is there of segment num of database db, in order.
// The batch is valid until commit returns.
//
// Behind a record that is not whole the next one that is counts if a record from there on says that the damaged one had
// been durable. It counts, too, if the place was written to and no group was taken back before: what a group that was
// taken back has left begins with zeros, and what it has left behind a later group has an earlier attempt.
func ReadPieces(f vfs.File, name string, num filename.Num, db [16]byte,
	commit func(first key.SeqNum, b *batch.Batch) error) (*Pieces, error) {
	p := &piecewise{commit: commit}
	if err := p.reader.Open(f, name, db, num); err != nil {
		return nil, err
	}
	off, chained := int64(record.FileHeaderSize), false
	if h, err := p.reader.FileHeader(record.MagicLog); err == nil && h.Num == num && h.DB == db {
		p.found.Before, p.chain, chained = predecessorOf(&h), h.Sum(), true
	} else {
		p.found.Holes = append(p.found.Holes, Hole{0, off, "the segment's header is damaged"})
	}
	p.found.LastSeq = p.found.Before.LastSeq
	return &p.found, p.read(off, chained)
}

// piecewise is the state of one ReadPieces.
type piecewise struct {
	reader  record.Reader
	commit  func(first key.SeqNum, b *batch.Batch) error
	found   Pieces
	chain   uint32
	attempt uint32
}

func (p *piecewise) read(off int64, chained bool) error {
	for !p.found.Sealed {
		rec, problem, err := p.reader.At(off)
		if err != nil {
			return err
		}
		if problem == "" && chained && rec.Chain != p.chain {
			problem = "the record does not follow the one before it"
		}
		if problem != "" {
			next, err := p.resume(off, problem)
			if err != nil || next < 0 {
				return err
			}
			p.found.Holes = append(p.found.Holes, Hole{off, next, problem})
			off, chained = next, false
			continue
		}
		if err := p.take(rec); err != nil {
			return err
		}
		p.chain, p.attempt, chained = rec.Sum, rec.Attempt, true
		off, p.found.End = rec.End, rec.End
	}
	return nil
}

// resume returns where the records go on behind off, where there is none; -1 if the segment ends there.
func (p *piecewise) resume(off int64, problem string) (int64, error) {
	proof, err := p.reader.Find(off-1, func(rec record.Record) bool {
		prefix, _, _ := splitBody(rec.Body)
		return plausible(rec) && prefix.synced > off
	})
	if err != nil {
		return -1, err
	}
	next, err := p.reader.Find(off-1, plausible)
	if err != nil {
		return -1, err
	}
	if proof < 0 && next > off && problem != record.NoRecord {
		if rec, problem, err := p.reader.At(next); err != nil || problem == "" && rec.Attempt >= p.attempt {
			return next, err
		}
	}
	if proof >= 0 {
		return next, nil
	}
	p.found.Unproven = max(0, next)
	if problem != record.NoRecord {
		used, err := p.reader.UsedEnd(off, math.MaxInt64)
		p.found.Torn = used - off
		return -1, err
	}
	return -1, nil
}

// take hands out a record. One that breaks a rule is a hole.
func (p *piecewise) take(rec record.Record) error {
	prefix, payload, _ := splitBody(rec.Body)
	bad := func(what string) { p.found.Holes = append(p.found.Holes, Hole{rec.Offset, rec.End, what}) }
	if !plausible(rec) {
		bad("impossible record")
		return nil
	}
	if rec.Type == typeSeal {
		if len(rec.Body) != sealBodySize {
			bad("impossible seal")
			return nil
		}
		p.found.Sealed, p.found.Next = true, filename.Num(binary.LittleEndian.Uint64(payload))
		p.found.LastSeq = max(p.found.LastSeq, min(prefix.seq, key.MaxSeqNum-1))
		return nil
	}
	if prefix.count == 0 || prefix.count > math.MaxInt32 || prefix.seq <= p.found.LastSeq ||
		prefix.seq+key.SeqNum(prefix.count) > key.MaxSeqNum {
		bad("impossible sequence numbers")
		return nil
	}
	b, err := batch.Decode(payload, int(prefix.count))
	if err != nil {
		bad(err.Error())
		return nil
	}
	p.found.LastSeq = prefix.seq + key.SeqNum(prefix.count) - 1
	return p.commit(prefix.seq, &b)
}

// Body is what the body of a record says.
type Body struct {
	Seal       bool
	Synced     int64
	Sequence   key.SeqNum // the first of a commit, the last before a seal
	Count      uint32
	Next       filename.Num // of a seal
	Operations []byte       // of a commit
}

// ParseBody takes the body of a record of a log apart. ok is false if it is none.
func ParseBody(rec record.Record) (b Body, ok bool) {
	p, payload, ok := splitBody(rec.Body)
	b = Body{Seal: rec.Type == typeSeal, Synced: p.synced, Sequence: p.seq, Count: p.count}
	if b.Seal && len(payload) == 8 {
		b.Next = filename.Num(binary.LittleEndian.Uint64(payload))
	} else {
		b.Operations = payload
	}
	return b, ok && plausible(rec)
}
