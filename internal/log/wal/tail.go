package wal

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/vfs"
)

// Tail reads the log of another process, commit by commit, while that process writes it. It relies on nothing but what
// it is told to be published: everything behind that may be unfinished, or be taken back. It is for one goroutine.
//
// A segment that was removed or used again, or never held what was published, gives status.ErrAhead, never a commit of
// another place: each record names its segment and the record before it.
type Tail struct {
	replay replayer
	at     Predecessor  // what has been read: up to Length of segment Num
	begun  bool         // at is true; otherwise only its number is
	next   filename.Num // the segment that follows, if at is behind a seal; otherwise 0
	behind Predecessor  // at, but never behind a seal
}

// NewTail returns a tail of the log of database db. Begin says where it begins.
func NewTail(fs vfs.FS, db [16]byte) *Tail {
	return &Tail{replay: replayer{fs: fs, o: ReplayOptions{DB: db}}}
}

// Begin makes the next ReadTo begin with segment num.
func (t *Tail) Begin(num filename.Num) { t.at, t.begun, t.next = Predecessor{Num: num}, false, 0 }

// Position is where t stands, for Resume: behind the last commit that it has read, or behind the header of a segment.
func (t *Tail) Position() Predecessor { return t.behind }

// Resume makes the next ReadTo go on at a Position of a tail of this log, which may be that of an earlier process. It
// reads the segment up to there. The error is status.ErrAhead if the segment is gone, or holds anything else there than
// it held then: so the log of a copy of the database, which has been written apart, is not taken for this one.
func (t *Tail) Resume(at Predecessor) error {
	t.Begin(at.Num)
	err := t.ReadTo(at.LastSeq, func(filename.Num, key.SeqNum, *batch.Batch) error { return nil })
	var damage *corrupt.Error // also a commit that begins before the position and ends behind it
	if errors.As(err, &damage) || err == nil && t.behind != at {
		return ahead(filename.Make(filename.Log, at.Num), at.Length, "the log was another one here")
	}
	return err
}

// Num is the segment that t stands in, 0 before Begin.
func (t *Tail) Num() filename.Num { return t.at.Num }

// ReadTo calls fn with every commit behind those that it has been called with, or with those of the first segment, up
// to the one that ends with sequence number last. The batch is valid until fn returns. After an error the tail stands
// behind the last commit for which fn has returned nil, and may be called again.
func (t *Tail) ReadTo(last key.SeqNum, fn func(segment filename.Num, first key.SeqNum, b *batch.Batch) error) error {
	for !t.begun || t.at.LastSeq < last {
		var err error
		if t.next == 0 {
			err = t.readSegment(last, fn)
		} else {
			err = t.follow()
		}
		if vfs.IsNotExist(err) {
			return fmt.Errorf("%w: %w", status.ErrAhead, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSegment reads on in the segment that t stands in, to last or behind its seal.
func (t *Tail) readSegment(last key.SeqNum, fn func(filename.Num, key.SeqNum, *batch.Batch) error) error {
	return t.replay.open(t.at.Num, func(s *segment) error {
		if !t.begun {
			if s.state != intact {
				return ahead(s.name, 0, "it holds another segment")
			}
			t.at = Predecessor{Num: s.num, Length: record.FileHeaderSize, LastSeq: s.prev.LastSeq, Sum: s.header.Sum()}
			t.begun, t.behind = true, t.at
		}
		for t.at.LastSeq < last && t.next == 0 {
			rec, problem, err := t.replay.reader.At(t.at.Length)
			if err != nil {
				return err
			}
			if problem == "" && rec.Chain != t.at.Sum {
				problem = "the record does not follow the one before it"
			}
			if problem != "" {
				return t.missing(s, problem)
			}
			if err := t.readRecord(s, rec, last, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// missing says why there is no valid record where t stands in s: damage, if a later record of s proves that this place
// was durable once. When a segment is used again, its header goes first, and the later records of before may still be
// there: so the header must be intact after they were found.
func (t *Tail) missing(s *segment, problem string) error {
	at := t.at.Length
	proof, err := t.replay.findProof(at)
	if err != nil {
		return err
	}
	if proof >= 0 {
		err = t.replay.open(s.num, func(again *segment) error {
			if again.state != intact {
				proof = -1
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if proof >= 0 {
		return corrupt.New(s.name, at, "%s, though the record at offset %d says that this was durable", problem, proof)
	}
	return ahead(s.name, at, problem)
}

// readRecord takes a valid record of s: a commit, or the seal, which names the next segment.
func (t *Tail) readRecord(s *segment, rec record.Record, last key.SeqNum,
	fn func(filename.Num, key.SeqNum, *batch.Batch) error) error {
	r := &t.replay
	r.report.LastSeq, r.next = t.at.LastSeq, 0
	r.fn = func(first key.SeqNum, b *batch.Batch) error {
		if end := first + key.SeqNum(b.Count()) - 1; end > last {
			return corrupt.New(s.name, rec.Offset, "a commit ends with %d, but %d was published", end, last)
		}
		return fn(s.num, first, b)
	}
	if err := r.replayRecord(s, rec); err != nil {
		return err
	}
	switch {
	case rec.Type == typeSeal && r.next == 0:
		return ahead(s.name, rec.Offset, "the log ends here")
	case rec.Type == typeSeal && r.next <= s.num:
		return corrupt.New(s.name, rec.Offset, "its seal names segment %d as the next", r.next)
	}
	t.at.Length, t.at.Sum, t.at.LastSeq, t.next = rec.End, rec.Sum, r.report.LastSeq, r.next
	if rec.Type == typeCommit {
		t.behind = t.at
	}
	return nil
}

// follow goes on with the next segment, which the seal that t stands behind names.
func (t *Tail) follow() error {
	return t.replay.open(t.next, func(s *segment) error {
		if s.state != intact || s.prev != t.at {
			return ahead(s.name, 0, "it does not follow the segment before")
		}
		t.at = Predecessor{Num: s.num, Length: record.FileHeaderSize, LastSeq: s.prev.LastSeq, Sum: s.header.Sum()}
		t.next, t.behind = 0, t.at
		return nil
	})
}

func ahead(name string, off int64, what string) error {
	return fmt.Errorf("%w: %s at offset %d: %s", status.ErrAhead, name, off, what)
}
