package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// ReplayOptions says which log to replay.
type ReplayOptions struct {
	DB [16]byte // the id of the database

	// Start is the first segment that is still needed, according to the manifest. Its header was durable before the
	// manifest named it. 0 means that the manifest names none: then nothing can have been logged yet.
	Start filename.Num

	// Segments are the segments found in the directory, in any order. Those before Start are not looked at.
	Segments []filename.Num

	// Empty says that the database was closed cleanly: no segment from Start on was begun.
	Empty bool

	// Progress, if it is not nil, is told before each record how many bytes of the log have been read.
	Progress func(bytes int64)
}

// Report says what Replay found.
type Report struct {
	Segments   int        // segments replayed
	Records    int64      // commits replayed
	Operations int64      // operations in them
	Bytes      int64      // bytes of valid log, headers included
	LastSeq    key.SeqNum // the last sequence number of the log; 0 if nothing was ever logged

	// TornBytes is how many bytes of a torn tail were dropped, up to the last one that is not zero. It is 0 for a log
	// that ends where a record ends, whatever older bytes the segment holds behind it.
	TornBytes int64
}

// Replay reads the log from o.Start on and calls fn with every commit in order. The batch is valid until fn returns.
//
// The error is a *corrupt.Error if the log is damaged or incomplete, record.ErrVersionTooNew for the log of a newer
// program, the error of the device if a file cannot be read, or the error of fn. After an error fn has seen a part
// of the log, which must not be used.
func Replay(fs vfs.FS, o ReplayOptions, fn func(first key.SeqNum, b *batch.Batch) error) (Report, error) {
	r := &replayer{fs: fs, o: o, fn: fn}
	if o.Start != 0 && !o.Empty {
		if err := r.replayChain(o.Start); err != nil {
			return Report{}, err
		}
	}
	if err := r.checkOthers(); err != nil {
		return Report{}, err
	}
	return r.report, nil
}

// replayChain replays start and the segments that follow it.
func (r *replayer) replayChain(start filename.Num) error {
	for num := start; num != 0; num = r.next {
		if err := r.replaySegment(num); err != nil {
			return err
		}
	}
	return nil
}

// replayer is the state of one Replay.
type replayer struct {
	fs     vfs.FS
	o      ReplayOptions
	fn     func(first key.SeqNum, b *batch.Batch) error
	report Report

	reader  record.Reader
	batch   batch.Batch    // lent to fn
	visited []filename.Num // the segments of the chain so far, in order
	prev    Predecessor    // the end of the last segment replayed
	next    filename.Num   // the successor that its seal names; 0 if none
}

// segment is a segment file that r.reader reads.
type segment struct {
	num    filename.Num
	name   string
	state  headerState
	header record.FileHeader // unless state is broken
	prev   Predecessor       // unless state is broken
}

// headerState says what a segment file begins with.
type headerState uint8

const (
	broken  headerState = iota // no valid header: the file was not begun, or is damaged
	intact                     // its own header
	foreign                    // the header of another segment, or of another database
)

// open calls fn while r.reader reads segment num. The error satisfies vfs.IsNotExist if there is no such file.
func (r *replayer) open(num filename.Num, fn func(s *segment) error) (err error) {
	s := &segment{num: num, name: filename.Make(filename.Log, num)}
	f, err := r.fs.Open(s.name)
	if err != nil {
		return fmt.Errorf("replay log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := r.reader.Open(f, s.name, r.o.DB, s.num); err != nil {
		return err
	}
	if err := r.readHeader(s); err != nil {
		return err
	}
	return fn(s)
}

func (r *replayer) readHeader(s *segment) error {
	h, err := r.reader.FileHeader(record.MagicLog)
	if errors.Is(err, record.ErrBadHeader) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.state, s.header, s.prev = intact, h, predecessorOf(&h)
	if h.DB != r.o.DB || h.Num != s.num {
		s.state = foreign
	}
	return nil
}

// replaySegment replays segment num, which the manifest or the seal of the segment before names, and sets r.next.
func (r *replayer) replaySegment(num filename.Num) error {
	if len(r.visited) > 0 && num <= r.prev.Num {
		return corrupt.New(filename.Make(filename.Log, r.prev.Num), -1, "its seal names segment %d as the next", num)
	}
	r.visited, r.next = append(r.visited, num), 0
	err := r.open(num, func(s *segment) error {
		switch {
		case s.state == foreign:
			return corrupt.New(s.name, 0, "it holds segment %d of database %x", s.header.Num, s.header.DB)
		case s.state == broken && num == r.o.Start:
			return corrupt.New(s.name, 0, "the segment's header is damaged")
		case s.state == broken:
			return r.checkUnused(s)
		case num == r.o.Start:
			r.report.LastSeq = s.prev.LastSeq
		case s.prev != r.prev:
			return corrupt.New(s.name, 0, "the segment does not follow segment %d as that is now", r.prev.Num)
		}
		r.report.Segments++
		return r.replayRecords(s)
	})
	if vfs.IsNotExist(err) {
		return corrupt.New(filename.Make(filename.Log, num), -1, "the segment is needed but missing")
	}
	return err
}

// replayRecords replays the records of s up to its end.
func (r *replayer) replayRecords(s *segment) error {
	off, chain, sealed := int64(record.FileHeaderSize), s.header.Sum(), false
	for !sealed {
		if r.o.Progress != nil {
			r.o.Progress(r.report.Bytes + off)
		}
		rec, problem, err := r.reader.At(off)
		if err != nil {
			return err
		}
		if problem == "" && rec.Chain != chain {
			problem = "the record does not follow the one before it"
		}
		if problem != "" {
			if err := r.endOfLog(s, off, problem); err != nil {
				return err
			}
			break
		}
		if err := r.replayRecord(s, rec); err != nil {
			return err
		}
		off, chain, sealed = rec.End, rec.Sum, rec.Type == typeSeal
	}
	r.report.Bytes += off
	r.prev = Predecessor{Num: s.num, Length: off, LastSeq: r.report.LastSeq, Sum: chain}
	return nil
}

// replayRecord takes a record whose bytes are as they were written. If it is impossible, it was written like that.
func (r *replayer) replayRecord(s *segment, rec record.Record) error {
	if !plausible(rec) {
		return corrupt.New(s.name, rec.Offset, "impossible record of type %d", rec.Type)
	}
	p, payload, _ := splitBody(rec.Body)
	if rec.Type == typeCommit {
		return r.replayCommit(s, rec.Offset, p, payload)
	}
	if len(rec.Body) != sealBodySize || p.seq != r.report.LastSeq || p.count != 0 {
		return corrupt.New(s.name, rec.Offset, "impossible seal")
	}
	r.next = filename.Num(binary.LittleEndian.Uint64(payload))
	return nil
}

// plausible reports whether rec can be a record of a log. Only the front of rec need be known.
func plausible(rec record.Record) bool {
	p, _, ok := splitBody(rec.Body)
	if !ok || p.zero != 0 || p.synced < record.FileHeaderSize || p.synced > rec.Offset {
		return false
	}
	return rec.Type == typeCommit || rec.Type == typeSeal
}

func (r *replayer) replayCommit(s *segment, off int64, p prefix, payload []byte) error {
	if want := r.report.LastSeq + 1; p.seq != want {
		return corrupt.New(s.name, off, "sequence number %d follows %d", p.seq, want-1)
	}
	if p.count == 0 || p.count > math.MaxInt32 || p.seq+key.SeqNum(p.count) > key.MaxSeqNum {
		return corrupt.New(s.name, off, "impossible number of operations: %d", p.count)
	}
	b, err := batch.Decode(payload, int(p.count))
	if err != nil {
		return corrupt.New(s.name, off, "commit %d: %v", p.seq, err)
	}
	r.batch = b
	if err := r.fn(p.seq, &r.batch); err != nil {
		return err
	}
	r.report.Records++
	r.report.Operations += int64(p.count)
	r.report.LastSeq += key.SeqNum(p.count)
	return nil
}

// endOfLog decides whether the log may end at off of s, where there is no valid record.
func (r *replayer) endOfLog(s *segment, off int64, problem string) error {
	proof, err := r.findProof(off)
	if err != nil {
		return err
	}
	if proof >= 0 {
		return corrupt.New(s.name, off, "%s, though the record at offset %d says that this was durable", problem, proof)
	}
	if problem == record.NoRecord { // what stands behind never belonged to this segment, or was never finished
		return nil
	}
	return r.reportTorn(off, math.MaxInt64)
}

// findProof returns where a record is that says that offset off of its segment was durable when it was written; -1 if
// there is none.
func (r *replayer) findProof(off int64) (int64, error) {
	return r.reader.Find(off, func(rec record.Record) bool {
		p, _, _ := splitBody(rec.Body)
		return plausible(rec) && p.synced > off
	})
}

// reportTorn reports what is dropped of the segment that r.reader reads, between off and end.
func (r *replayer) reportTorn(off, end int64) error {
	used, err := r.reader.UsedEnd(off, end)
	if err != nil {
		return err
	}
	if used > off {
		r.report.TornBytes = used - off
	}
	return nil
}

// checkOthers checks the segments that the chain did not lead to. None of them can have been used. One that has gone
// since the directory was listed was unused, and a writer that has lost the database since then has removed it.
func (r *replayer) checkOthers() error {
	nums := slices.Clone(r.o.Segments)
	slices.Sort(nums)
	for _, num := range slices.Compact(nums) {
		if num < r.o.Start || slices.Contains(r.visited, num) {
			continue
		}
		if err := r.open(num, r.checkUnused); err != nil && !vfs.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// checkUnused reports damage if s was in use. If it was not, nothing is lost with it: a header is durable before the
// first record is written, the predecessor's seal is durable before the header, and the manifest names a root before
// the root's first record is written.
func (r *replayer) checkUnused(s *segment) error {
	if s.state == intact && s.prev.Num != 0 {
		return corrupt.New(s.name, 0, "the segment follows segment %d, but the log ends before", s.prev.Num)
	}
	at, err := r.reader.Find(record.FileHeaderSize-1, plausible)
	if err != nil {
		return err
	}
	if at >= 0 && s.state == intact {
		return corrupt.New(s.name, at, "commits that the manifest does not know of: the manifest or CURRENT is out of date")
	}
	if at >= 0 {
		return corrupt.New(s.name, at, "the segment is in use, but its header is damaged")
	}
	if s.state == broken && r.report.TornBytes == 0 {
		return r.reportTorn(0, record.FileHeaderSize) // it was not begun: what follows is from before
	}
	return nil
}
