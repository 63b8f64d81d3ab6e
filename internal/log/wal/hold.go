package wal

import (
	"errors"
	"fmt"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/vfs"
)

// hold is the part of the log that no recovery needs any more, and an archive has not read yet. Guarded by Log.mu.
type hold struct {
	from  filename.Num  // the archive needs the log from this segment on
	held  []segmentFile // segments that were retired, oldest first
	roots []RootSegment // where chains begin in what is held or in use, in order
	lost  uint64        // how many segments were given up before the archive had read them
}

// RootSegment is a segment that begins a chain, behind a commit. Up to that the chain before it goes, if an Open has
// begun it; or up to the commit before that, which is none of the log's, if a large commit has.
type RootSegment struct {
	Num     filename.Num
	LastSeq key.SeqNum
}

// HoldOld takes over segments of database db among the files that an Open has found: those that were held before, and
// those that it has replayed up to commit last; the archive may have read neither. What was begun it holds, and returns
// the names of all other files. No version needs what is held from since on. Begin comes next.
//
// It makes them durable. What a kill has left unsynced is in synced tables by now, so that nothing else would do it,
// and after a power cut the archive would lack a commit that the database has.
func (l *Log) HoldOld(db [16]byte, names []string, last key.SeqNum, since filename.Num) (rest []string, err error) {
	if l.opts.HoldLimit <= 0 {
		return names, nil
	}
	var nums []filename.Num
	for _, name := range names {
		if kind, num := filename.Parse(name); kind == filename.Log {
			nums = append(nums, num)
		}
	}
	slices.Sort(nums)
	l.mu.Lock()
	defer l.mu.Unlock()
	var roots []RootSegment
	r := &replayer{fs: l.dir.FS(), o: ReplayOptions{DB: db}}
	for _, num := range nums {
		err := r.open(num, func(s *segment) error {
			size, err := l.dir.FS().FileSize(s.name)
			if err != nil || s.state != intact {
				return err
			}
			if err := syncFile(l.dir.FS(), s.name); err != nil {
				return err
			}
			if s.prev.Num == 0 {
				roots = append(roots, RootSegment{num, s.prev.LastSeq})
			}
			names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == s.name })
			l.hold.held = append(l.hold.held, segmentFile{num: num, bytes: size, since: since})
			return nil
		})
		if err != nil && !vfs.IsNotExist(err) {
			return nil, err
		}
	}
	l.hold.roots = usedRoots(roots, last)
	l.limitHoldLocked(l.opts.HoldLimit)
	return names, nil
}

// syncFile makes the content of a file durable.
func syncFile(fs vfs.FS, name string) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// usedRoots leaves out those that no manifest has named: a large commit that failed, or was interrupted, has left one
// behind a commit that did not happen. The next root is one of an Open then, and stands behind an earlier commit.
func usedRoots(roots []RootSegment, last key.SeqNum) (used []RootSegment) {
	for _, r := range slices.Backward(roots) {
		if r.LastSeq <= last {
			used, last = append(used, r), r.LastSeq
		}
	}
	slices.Reverse(used)
	return used
}

// holdLocked holds a segment that no version needs from since on.
func (l *Log) holdLocked(f segmentFile, since filename.Num) {
	f.since = since
	if seg := l.active.Load(); f.bytes == 0 && seg != nil {
		f.bytes = seg.Size()
	}
	l.hold.held = append(l.hold.held, f)
}

// limitHoldLocked gives up the oldest segments that are held, until those that are left have at most limit bytes.
func (l *Log) limitHoldLocked(limit int64) {
	total := int64(0)
	for _, f := range l.hold.held {
		total += f.bytes
	}
	for total > limit {
		total -= l.hold.held[0].bytes
		l.hold.lost++
		l.releaseLocked()
	}
}

// releaseLocked retires the oldest segment that is held.
func (l *Log) releaseLocked() {
	f := l.hold.held[0]
	l.hold.held = slices.Clone(l.hold.held[1:])
	if len(l.retired) < keptSegments && f.bytes <= 2*l.opts.SegmentLimit {
		l.retired = append(l.retired, f)
		return
	}
	l.dir.Retire(f.since, filename.Make(filename.Log, f.num))
}

// Holds reports whether the log is held for an archive.
func (l *Log) Holds() bool { return l.opts.HoldLimit > 0 }

// ReleaseBefore says that the archive needs the log from segment num on. It never goes back.
func (l *Log) ReleaseBefore(num filename.Num) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold.from = max(l.hold.from, num)
	released := false
	for len(l.hold.held) > 0 && l.hold.held[0].num < num {
		l.releaseLocked()
		released = true
	}
	for len(l.hold.roots) > 1 && l.hold.roots[1].Num <= num {
		l.hold.roots = slices.Clone(l.hold.roots[1:])
	}
	if released {
		l.opts.Wake()
	}
}

// GiveUpHold retires all that is held, because the space is needed.
func (l *Log) GiveUpHold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limitHoldLocked(0)
}

// Roots returns where chains begin in what is held or in use, in order.
func (l *Log) Roots() []RootSegment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hold.roots)
}

// Segments returns the numbers of the segments that are held or in use, in order.
func (l *Log) Segments() (nums []filename.Num) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range slices.Concat(l.hold.held, l.segments) {
		nums = append(nums, f.num)
	}
	return nums
}

// Held returns how many bytes are held, and how many segments were given up before the archive had read them.
func (l *Log) Held() (bytes int64, lost uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.hold.held {
		bytes += f.bytes
	}
	return bytes, l.hold.lost
}

// Tail returns a tail of this log, for one goroutine of this process.
func (l *Log) Tail() *Tail { return NewTail(l.dir.FS(), l.db) }

// Seek makes t stand behind commit seq, wherever in the segments nums that is. The error is status.ErrAhead if it is in
// none of them.
func (t *Tail) Seek(nums []filename.Num, seq key.SeqNum) error {
	for _, num := range slices.Backward(nums) {
		t.Begin(num)
		err := t.ReadTo(0, nil) // the header
		if err == nil && t.at.LastSeq <= seq {
			err = t.ReadTo(seq, func(filename.Num, key.SeqNum, *batch.Batch) error { return nil })
			if err == nil && t.at.LastSeq != seq {
				err = ahead(filename.Make(filename.Log, num), t.at.Length, "no commit ends there")
			}
			return err
		}
		if err != nil && !errors.Is(err, status.ErrAhead) {
			return err
		}
	}
	return fmt.Errorf("%w: commit %d is in no segment", status.ErrAhead, seq)
}

// Database returns the id of the database.
func (l *Log) Database() [16]byte { return l.db }
