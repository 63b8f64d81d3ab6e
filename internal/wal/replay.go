package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"lightningdb/internal/batch"
	"lightningdb/internal/corrupt"
	"lightningdb/internal/filename"
	"lightningdb/internal/key"
	"lightningdb/internal/record"
	"lightningdb/internal/vfs"
)

// ReplayOptions says which log to replay.
type ReplayOptions struct {
	DB [16]byte // id of the database

	// Start is the first segment still needed, as the manifest says; its header was durable before the manifest
	// named it. 0 means that the manifest names none: then no commit was ever acknowledged.
	Start filename.Num

	// Segments are the segments found in the directory, in any order. Those before Start are left alone.
	Segments []filename.Num

	// End is the result of the Seal with which the database was closed cleanly, if the manifest holds one. It
	// is checked where that segment is replayed. It shows a log that was cut short at a record's end.
	End Predecessor
}

// Report says what Replay found.
type Report struct {
	Segments   int        // replayed
	Records    int64      // commits
	Operations int64      // in them
	Bytes      int64      // of valid log, headers included
	LastSeq    key.SeqNum // last sequence number of the log; 0 if it is empty and always was

	// Torn tail of the last segment: where it begins and how many bytes, up to the last one that is not zero, were
	// dropped. TornBytes is 0 for a log that ends at a record's end. In a segment that held older bytes,
	// these are counted too.
	TornFile   string
	TornOffset int64
	TornBytes  int64
	TornWhat   string // why the bytes at TornOffset are no record, in words

	// Unused are segments that hold no record and never will: prepared and not begun, or left by an interrupted
	// recovery. They can be removed when the manifest no longer needs any segment before them, not earlier.
	Unused []filename.Num
}

// Replay reads the log from o.Start on and calls fn with every commit in order. The batch is fn's only until it returns.
//
// The error is a *corrupt.Error for a damaged or incomplete log, record.ErrVersionTooNew for a log of a newer
// program, the error of the device if a file cannot be read, or that of fn. fn has then seen a part of the log, which must
// not be used.
func Replay(fs vfs.FS, o ReplayOptions, fn func(first key.SeqNum, b *batch.Batch) error) (Report, error) {
	r := &replayer{fs: fs, o: o, fn: fn}
	if err := r.survey(); err != nil {
		return Report{}, err
	}
	if err := r.separateUnused(); err != nil {
		return Report{}, err
	}
	if err := r.checkComplete(); err != nil {
		return Report{}, err
	}
	for i := range r.segments {
		if err := r.replaySegment(i); err != nil {
			return Report{}, err
		}
	}
	return r.report, nil
}

// replayer is the state of one Replay.
type replayer struct {
	fs     vfs.FS
	o      ReplayOptions
	fn     func(first key.SeqNum, b *batch.Batch) error
	report Report

	reader   record.Reader
	found    []filename.Num // segments at or behind Start, ascending
	segments []segment      // those in use, once separateUnused is done
	prev     Predecessor    // the segment that was replayed last
	next     filename.Num   // the successor that its seal names
	sealed   bool           // whether it ends with a seal
}

// segment is a segment file whose header was read.
type segment struct {
	num    filename.Num
	name   string
	intact bool // the header is valid
	header record.FileHeader
	prev   Predecessor
}

func (s *segment) isRoot() bool { return s.intact && s.prev.Num == 0 }

// survey reads the headers of all segments from Start on.
func (r *replayer) survey() error {
	nums := slices.Clone(r.o.Segments)
	slices.Sort(nums)
	nums = slices.Compact(nums)
	i, _ := slices.BinarySearch(nums, r.o.Start)
	r.found = nums[i:]
	for _, num := range r.found {
		s := segment{num: num, name: filename.Make(filename.Log, num)}
		err := r.open(&s, func() error { return r.readHeader(&s) })
		if err != nil {
			return err
		}
		r.segments = append(r.segments, s)
	}
	return nil
}

// open calls fn while r.reader reads s.
func (r *replayer) open(s *segment, fn func() error) (err error) {
	f, err := r.fs.Open(s.name)
	if err != nil {
		return fmt.Errorf("replay log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := r.reader.Open(f, s.name, r.o.DB, s.num); err != nil {
		return err
	}
	return fn()
}

func (r *replayer) readHeader(s *segment) error {
	h, err := r.reader.FileHeader(record.MagicLog)
	if errors.Is(err, record.ErrBadHeader) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if h.DB != r.o.DB {
		return corrupt.New(s.name, 0, "segment of another database")
	}
	if h.Num != s.num {
		return corrupt.New(s.name, 0, "holds segment %d", h.Num)
	}
	s.intact, s.header, s.prev = true, h, predecessorOf(&h)
	return nil
}

// separateUnused takes the segments from the end of the list that were prepared or created but never used.
func (r *replayer) separateUnused() error {
	for n := len(r.segments); n > 0; n-- {
		s := &r.segments[n-1]
		if s.num == r.o.Start || s.intact && !s.isRoot() {
			break
		}
		if err := r.open(s, func() error { return r.checkUnused(s) }); err != nil {
			return err
		}
		r.report.Unused = append(r.report.Unused, s.num)
		r.segments = r.segments[:n-1]
	}
	slices.Reverse(r.report.Unused)
	return nil
}

// checkUnused reports damage if s holds a record: headers are durable before the first record is written, and
// the manifest names a root before the first record is written.
func (r *replayer) checkUnused(s *segment) error {
	what := "the segment holds records but its header is damaged"
	if s.intact {
		what = "the segment holds records that the manifest does not know of: the manifest or CURRENT is out of date"
	}
	at, err := r.reader.Find(record.FileHeaderSize-1, plausible)
	if err != nil {
		return err
	}
	if at >= 0 {
		return corrupt.New(s.name, at, "%s", what)
	}
	return nil
}

// plausible reports whether rec, of which only the front is known, may be a record of a log.
func plausible(rec record.Record) bool {
	p, _, ok := splitBody(rec.Body)
	if !ok || p.zero != 0 || p.synced < record.FileHeaderSize || p.synced > rec.Offset {
		return false
	}
	return rec.Type == typeCommit || rec.Type == typeSeal
}

// checkComplete reports segments that must be there and are not.
func (r *replayer) checkComplete() error {
	if r.o.Start == 0 {
		if len(r.segments) > 0 {
			s := r.segments[0]
			return corrupt.New(s.name, 0, "the segment is in use, but the manifest does not know of any")
		}
		return nil
	}
	if len(r.found) == 0 || r.found[0] != r.o.Start {
		return corrupt.New(filename.Make(filename.Log, r.o.Start), -1, "the segment is needed but missing")
	}
	if !r.segments[0].intact {
		return corrupt.New(r.segments[0].name, 0, "the segment's header is damaged")
	}
	r.report.LastSeq = r.segments[0].prev.LastSeq
	if end := r.o.End.Num; end > r.o.Start && !slices.Contains(r.found, end) {
		return corrupt.New(filename.Make(filename.Log, end), -1, "the segment is needed but missing")
	}
	return nil
}

// replaySegment replays the i-th segment in use.
func (r *replayer) replaySegment(i int) error {
	s := &r.segments[i]
	last := i == len(r.segments)-1
	return r.open(s, func() error {
		if err := r.checkLink(s, i); err != nil {
			return err
		}
		if err := r.replayRecords(s, last); err != nil {
			return err
		}
		r.report.Segments++
		return r.checkEnd(s)
	})
}

// checkLink checks that s follows the segment that was replayed before it.
func (r *replayer) checkLink(s *segment, i int) error {
	if !s.intact {
		return corrupt.New(s.name, 0, "the segment's header is damaged, and a later segment is in use")
	}
	if i == 0 {
		return nil
	}
	if s.isRoot() {
		return corrupt.New(s.name, 0, "a later segment follows a segment that the manifest does not know of")
	}
	if s.prev != r.prev || s.num != r.next {
		return corrupt.New(s.name, 0, "the segment does not follow segment %d: a segment is missing or out of date", r.prev.Num)
	}
	return nil
}

// replayRecords replays the records of s, which r.reader reads, up to its end.
func (r *replayer) replayRecords(s *segment, last bool) error {
	off, chain := int64(record.FileHeaderSize), s.header.Sum()
	r.sealed, r.next = false, 0
	for !r.sealed {
		rec, problem, err := r.reader.At(off)
		if err != nil {
			return err
		}
		if problem == "" && rec.Chain != chain {
			problem = "the record does not follow the one before it"
		}
		if problem != "" {
			if err := r.endOfLog(s, off, problem, last); err != nil {
				return err
			}
			break
		}
		if err := r.replayRecord(s, rec); err != nil {
			return err
		}
		off, chain = rec.End, rec.Sum
	}
	r.report.Bytes += off
	r.prev = Predecessor{Num: s.num, Length: off, LastSeq: r.report.LastSeq, Sum: chain}
	return nil
}

// replayRecord takes a record in whose bytes are what was written. What is impossible in it now was written so.
func (r *replayer) replayRecord(s *segment, rec record.Record) error {
	p, payload, ok := splitBody(rec.Body)
	if !ok || p.zero != 0 || p.synced < record.FileHeaderSize || p.synced > rec.Offset {
		return corrupt.New(s.name, rec.Offset, "impossible record")
	}
	switch rec.Type {
	case typeCommit:
		return r.replayCommit(s, rec.Offset, p, payload)
	case typeSeal:
		if len(rec.Body) != sealBodySize || p.seq != r.report.LastSeq || p.count != 0 {
			return corrupt.New(s.name, rec.Offset, "impossible seal")
		}
		r.sealed, r.next = true, filename.Num(binary.LittleEndian.Uint64(payload))
		return nil
	}
	return corrupt.New(s.name, rec.Offset, "unknown record type %d", rec.Type)
}

func (r *replayer) replayCommit(s *segment, off int64, p prefix, payload []byte) error {
	if want := r.report.LastSeq + 1; p.seq != want {
		return corrupt.New(s.name, off, "sequence number %d follows %d", p.seq, want-1)
	}
	if p.count == 0 || p.count > math.MaxInt32 || p.seq+key.SeqNum(p.count)-1 > key.MaxSeqNum {
		return corrupt.New(s.name, off, "impossible number of operations: %d", p.count)
	}
	b, err := batch.Decode(payload, int(p.count))
	if err != nil {
		return corrupt.New(s.name, off, "commit %d: %v", p.seq, err)
	}
	if err := r.fn(p.seq, &b); err != nil {
		return err
	}
	r.report.Records++
	r.report.Operations += int64(p.count)
	r.report.LastSeq += key.SeqNum(p.count)
	return nil
}

// endOfLog decides whether the log may end at off, where there is no valid record.
func (r *replayer) endOfLog(s *segment, off int64, problem string, last bool) error {
	if !last {
		return corrupt.New(s.name, off, "%s, and a later segment is in use", problem)
	}
	proof, err := r.reader.Find(off, func(rec record.Record) bool {
		p, _, _ := splitBody(rec.Body)
		return plausible(rec) && p.synced > off
	})
	if err != nil {
		return err
	}
	if proof >= 0 {
		return corrupt.New(s.name, off, "%s, though the record at offset %d says that this was durable", problem, proof)
	}
	used, err := r.reader.UsedEnd(off)
	if err != nil {
		return err
	}
	if used > off {
		r.report.TornFile, r.report.TornOffset, r.report.TornBytes, r.report.TornWhat = s.name, off, used-off, problem
	}
	return nil
}

// checkEnd checks the end of s against what is known of it: its own seal, and the manifest.
func (r *replayer) checkEnd(s *segment) error {
	if r.next != 0 {
		i, _ := slices.BinarySearch(r.found, s.num)
		if i+1 == len(r.found) || r.found[i+1] != r.next {
			return corrupt.New(filename.Make(filename.Log, r.next), -1, "the segment is needed but missing")
		}
	}
	if end := r.o.End; end.Num == s.num && (!r.sealed || r.prev != end) {
		return corrupt.New(s.name, r.prev.Length, "the log ends here, but the database was closed cleanly at offset %d",
			end.Length)
	}
	return nil
}
