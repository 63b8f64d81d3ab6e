package salvage

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/salvage/losses"
	"lightningdb/internal/tree/ranges"
)

// segmentFile is a segment of the log of which something is whole.
type segmentFile struct {
	name   string
	size   int64
	num    filename.Num
	db     [16]byte
	live   bool
	begun  bool // it has a header or a commit
	n      int  // how many commits are whole
	pieces *wal.Pieces
}

// numbers are the sequence numbers from first to last.
type numbers struct{ first, last key.SeqNum }

// surveySegment reads segment f once, to know which commits are there.
func (r *rescue) surveySegment(f *sourceFile) error {
	ids := r.ids
	if f.whole {
		ids = [][16]byte{f.db}
	}
	for _, db := range ids {
		s := &segmentFile{name: f.name, size: f.size, num: f.num, db: db}
		s.live = r.version == nil || f.num >= r.version.LogStart && !r.version.LogEmpty()
		err := r.commitsOf(s, func(first key.SeqNum, b *batch.Batch) error {
			s.n++
			r.noteRanges(first, b)
			if s.live {
				r.commits = addNumbers(r.commits, numbers{first, first + key.SeqNum(b.Count()) - 1})
			}
			return r.ctx.Err()
		})
		if err != nil {
			return err
		}
		if s.begun = f.whole || s.n > 0; s.begun {
			r.segments = append(r.segments, s)
			break
		}
	}
	return r.read(f.size)
}

// noteRanges remembers the deletes of ranges in b, whose first operation has sequence number first. A commit is never
// undone, so that they hide what is older wherever it is found.
func (r *rescue) noteRanges(first key.SeqNum, b *batch.Batch) {
	if b.Ranges() == 0 {
		return
	}
	for op := range b.Ops() {
		if op.Kind == key.KindRangeDelete {
			r.ranges = r.ranges.With(ranges.Tombstone{Span: op.Span().Clone(), Seq: first})
		}
		first++
	}
}

// addNumbers appends n to all, joined with what it follows.
func addNumbers(all []numbers, n numbers) []numbers {
	if last := len(all) - 1; last >= 0 && all[last].last+1 == n.first {
		all[last].last = n.last
		return all
	}
	return append(all, n)
}

// commitsOf hands out the commits of s that are whole. What the device does not read is damage, unless commits have
// been read of it before.
func (r *rescue) commitsOf(s *segmentFile, commit func(first key.SeqNum, b *batch.Batch) error) error {
	f, err := r.Source.Open(s.name)
	if err != nil && s.n > 0 {
		return err
	}
	if err != nil {
		s.pieces = &wal.Pieces{Holes: []wal.Hole{{End: -1, What: err.Error()}}}
		return nil
	}
	defer f.Close()
	var stop error
	pieces, err := wal.ReadPieces(f, s.name, s.num, s.db, func(first key.SeqNum, b *batch.Batch) error {
		stop = commit(first, b)
		return stop
	})
	if stop != nil {
		return stop
	}
	if pieces == nil {
		pieces = &wal.Pieces{}
	}
	if err != nil {
		pieces.Holes = append(pieces.Holes, wal.Hole{Offset: pieces.End, End: -1, What: err.Error()})
	}
	s.pieces = pieces
	return nil
}

// missCommits finds out which commits the log should have and has not.
func (r *rescue) missCommits() {
	base := key.SeqNum(0) // everything up to it is in tables
	open := false         // commits may be missing behind all that is known
	if r.version != nil {
		base = r.version.LastSeq
	}
	nums := map[filename.Num]bool{}
	var last *segmentFile
	for _, s := range r.segments {
		if !s.live {
			continue
		}
		nums[s.num] = true
		r.top = max(r.top, s.pieces.LastSeq)
		if at := s.pieces.Unproven; at > 0 {
			r.report.LeftOut = append(r.report.LeftOut, LeftOut{File: s.name, Why: fmt.Sprintf("commits from offset %d on: "+
				"what stood before them is gone, and no later one says that it had ever been durable", at)})
		}
		open = open || r.anyUnread(s.name)
		for _, h := range s.pieces.Holes {
			r.damaged(s.name, h.Offset, h.What)
			open = open || h.End < 0
		}
		if last == nil || s.num > last.num {
			last = s
		}
	}
	for _, s := range r.segments {
		next := s.pieces.Next
		if s.live && s.pieces.Sealed && next != 0 && !r.there[next] && (s == last || r.version != nil) {
			r.damaged(filename.Make(filename.Log, next), -1, "the segment is named by the one before, but missing")
			open = open || s == last
		}
		open = open || s.live && s.pieces.Before.Num != 0 && r.version != nil && s.num != r.version.LogStart &&
			!nums[s.pieces.Before.Num]
	}
	r.report.Closed = r.version != nil && r.version.LogEmpty()
	if needed := r.version != nil && !r.report.Closed && r.version.LogStart != 0; needed && !nums[r.version.LogStart] {
		r.damaged(filename.Make(filename.Log, r.version.LogStart), -1, "the segment is needed, and nothing of it can be read")
		open = true
	}
	if last != nil && last.pieces.Torn > 0 {
		r.damaged(last.name, last.pieces.End, "the log ends in bytes that are no commit")
		open = true
	}
	if !r.report.Closed {
		r.top = max(r.top, r.published())
	}
	r.missNumbers(base)
	if open {
		r.lost(Loss{Offset: -1, Length: -1, First: uint64(r.top + 1), Last: MaxSequence,
			What: "the end of the log is damaged: commits may be missing behind the last that is known"})
	}
}

// missNumbers lists the sequence numbers above base that no commit has.
func (r *rescue) missNumbers(base key.SeqNum) {
	slices.SortFunc(r.commits, func(a, b numbers) int { return cmp.Compare(a.first, b.first) })
	if r.version == nil && len(r.commits) > 0 {
		base = r.commits[0].first - 1
	}
	var missing []Loss
	miss := func(first, last key.SeqNum) {
		missing = losses.Add(missing, Loss{Offset: -1, Length: -1, First: uint64(first), Last: uint64(last),
			What: "commits of the log are damaged"})
	}
	for _, n := range r.commits {
		if n.first > base+1 {
			miss(base+1, n.first-1)
		}
		base = max(base, n.last)
	}
	if r.top > base && r.version != nil {
		miss(base+1, r.top)
	}
	r.report.Losses = append(r.report.Losses, missing...)
}

// logEntry is an operation of the log.
type logEntry struct {
	user    []byte
	trailer key.Trailer
	value   []byte
}

// appendEntries appends the operations of b, whose first has sequence number first, but deletes of ranges, which
// noteRanges has.
func appendEntries(all []logEntry, first key.SeqNum, b *batch.Batch) []logEntry {
	for op := range b.Ops() {
		if op.Kind != key.KindRangeDelete {
			all = append(all, logEntry{op.Key, key.MakeTrailer(first, op.Kind), op.Value})
		}
		first++
	}
	return all
}

// gather writes the operations of the segments that are live, or of the others, to temporary tables.
func (r *rescue) gather(live bool) ([]*run, error) {
	var runs []*run
	var all []logEntry
	size := int64(0)
	flush := func() error {
		if len(all) == 0 {
			return nil
		}
		slices.SortStableFunc(all, func(a, b logEntry) int {
			return cmp.Or(bytes.Compare(a.user, b.user), -cmp.Compare(a.trailer, b.trailer))
		})
		temp, err := r.writeRun(live, func(add func(key.Internal, []byte) error) error {
			for _, e := range all {
				if err := add(key.Internal{User: e.user, Trailer: e.trailer}, e.value); err != nil {
					return err
				}
			}
			return nil
		})
		runs, all, size = append(runs, temp), nil, 0
		return err
	}
	for _, s := range r.segments {
		if s.live != live {
			continue
		}
		n := 0
		err := r.commitsOf(s, func(first key.SeqNum, b *batch.Batch) error {
			n++
			data := slices.Clone(b.Bytes())
			own, err := batch.Decode(data, b.Count())
			if err != nil {
				return err
			}
			all = appendEntries(all, first, &own)
			size += int64(len(data)) + int64(b.Count())*64
			if size < r.MemoryLimit/4 {
				return r.ctx.Err()
			}
			return flush()
		})
		if err == nil && n != s.n {
			err = ErrChanged
		}
		if err != nil {
			return nil, err
		}
		if n > 0 {
			r.report.Segments++
		}
		if err := r.read(s.size); err != nil {
			return nil, err
		}
	}
	return runs, flush()
}
