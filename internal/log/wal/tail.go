package wal

import (
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
	at     Predecessor // what has been read: up to Length of segment Num
	begun  bool        // at is true; otherwise only its number is
}

// NewTail returns a tail of the log of database db. Begin says where it begins.
func NewTail(fs vfs.FS, db [16]byte) *Tail {
	return &Tail{replay: replayer{fs: fs, o: ReplayOptions{DB: db}}}
}

// Begin makes the next ReadTo begin with segment num.
func (t *Tail) Begin(num filename.Num) { t.at, t.begun = Predecessor{Num: num}, false }

// Num is the segment that t stands in, 0 before Begin.
func (t *Tail) Num() filename.Num { return t.at.Num }

// ReadTo calls fn with every commit behind those that it has been called with, or with those of the first segment, up
// to the one that ends with sequence number last. The batch is valid until fn returns. After an error the tail stands
// behind the last commit for which fn has returned nil.
func (t *Tail) ReadTo(last key.SeqNum, fn func(segment filename.Num, first key.SeqNum, b *batch.Batch) error) error {
	for !t.begun || t.at.LastSeq < last {
		next, err := t.readSegment(last, fn)
		if vfs.IsNotExist(err) {
			return fmt.Errorf("%w: %w", status.ErrAhead, err)
		}
		if err != nil {
			return err
		}
		if next != 0 {
			if err := t.follow(next); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSegment reads on in the segment that t stands in. next is the one that its seal names, 0 if the seal was not
// reached.
func (t *Tail) readSegment(last key.SeqNum, fn func(filename.Num, key.SeqNum, *batch.Batch) error) (
	next filename.Num, err error) {
	err = t.replay.open(t.at.Num, func(s *segment) error {
		if !t.begun {
			if s.state != intact {
				return ahead(s.name, 0, "it holds another segment")
			}
			t.at = Predecessor{Num: s.num, Length: record.FileHeaderSize, LastSeq: s.prev.LastSeq, Sum: s.header.Sum()}
			t.begun = true
		}
		for t.at.LastSeq < last && next == 0 {
			rec, problem, err := t.replay.reader.At(t.at.Length)
			if err != nil {
				return err
			}
			if problem == "" && rec.Chain != t.at.Sum {
				problem = "the record does not follow the one before it"
			}
			if problem != "" {
				return ahead(s.name, t.at.Length, problem)
			}
			if next, err = t.readRecord(s, rec, last, fn); err != nil {
				return err
			}
			t.at.Length, t.at.Sum, t.at.LastSeq = rec.End, rec.Sum, t.replay.report.LastSeq
		}
		return nil
	})
	return next, err
}

// readRecord takes a valid record of s: a commit, or the seal, which names the next segment.
func (t *Tail) readRecord(s *segment, rec record.Record, last key.SeqNum,
	fn func(filename.Num, key.SeqNum, *batch.Batch) error) (next filename.Num, err error) {
	r := &t.replay
	r.report.LastSeq, r.next = t.at.LastSeq, 0
	r.fn = func(first key.SeqNum, b *batch.Batch) error {
		if end := first + key.SeqNum(b.Count()) - 1; end > last {
			return corrupt.New(s.name, rec.Offset, "a commit ends with %d, but %d was published", end, last)
		}
		return fn(s.num, first, b)
	}
	if err := r.replayRecord(s, rec); err != nil {
		return 0, err
	}
	if rec.Type == typeSeal && r.next == 0 {
		return 0, ahead(s.name, rec.Offset, "the log ends here")
	}
	return r.next, nil
}

// follow goes on with segment next, which the seal of the one that t has read names.
func (t *Tail) follow(next filename.Num) error {
	prev := t.at
	err := t.replay.open(next, func(s *segment) error {
		if s.state != intact || s.prev != prev {
			return ahead(s.name, 0, "it does not follow the segment before")
		}
		t.at = Predecessor{Num: next, Length: record.FileHeaderSize, LastSeq: prev.LastSeq, Sum: s.header.Sum()}
		return nil
	})
	if vfs.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", status.ErrAhead, err)
	}
	return err
}

func ahead(name string, off int64, what string) error {
	return fmt.Errorf("%w: %s at offset %d: %s", status.ErrAhead, name, off, what)
}
