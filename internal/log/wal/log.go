package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/system/vfs"
)

const (
	// keptSegments is how many retired segments at most wait to be used again, besides the one that is ready. As
	// many are retired as are needed, so one is enough. Together with the active one they are no more than the limit
	// of the log.
	keptSegments = 1

	// unsyncedBytes is how much of the log may wait for its sync before the housekeeper is woken early, so that
	// sealing a segment never has much to sync.
	unsyncedBytes = 8 << 20
)

// LogOptions configures a log.
type LogOptions struct {
	SegmentLimit int64           // how many bytes of a segment are filled
	SyncInterval time.Duration   // how long a published commit may be unsynced; see UntilSync
	Clock        clock.Monotonic // the clock that measures the interval
	HoldLimit    int64           // how many bytes of segments are held for an archive; 0 if there is none
	Wake         func()          // called when SyncUnsynced, WriteOut or Recycle may have something to do
}

// Log is the write-ahead log of an open database: the active segment, the sealed ones before it that a recovery
// would replay, the file of the next one, and the commit up to which all of it is durable. It alone decides when the
// file of a segment is used again or removed.
//
// Segments are used again because their blocks have been written: a sync has no metadata to write, and the kernel no
// pages to find. Then the log is as fast as the memory and the medium. A flush retires a segment (RetireBefore), the
// housekeeper gives it the name of the next one (Recycle), and the commit leader begins it when the active one is
// full (Rotate).
//
// Append, Rotate, Root and UseRoot are for the leader of the commit queue. Everything else may be called at any
// time, by any goroutine.
type Log struct {
	opts LogOptions
	dir  *directory.Directory
	db   [16]byte

	active  atomic.Pointer[Segment]
	durable atomic.Uint64 // a completed sync covers every commit up to this one; it only grows
	syncs   atomic.Uint64
	waits   latency.Histogram // of commits, or of Close, for the syncs that had something to do

	unsyncedSince atomic.Int64 // the instant when the oldest unsynced commit was published; 0 if there is none
	syncSoon      atomic.Bool  // so much is unsynced that it does not wait for the interval

	mu       sync.Mutex // never held during I/O
	segments []segmentFile
	retired  []segmentFile // sealed segments that are not needed any more, kept to be used again; at most keptSegments
	blank    *Blank        // the file of the next segment; nil if none is ready
	hold     hold          // what the archive has not read yet
}

// segmentFile is a segment on disk. The last of Log.segments is the active one.
type segmentFile struct {
	num   filename.Num
	bytes int64        // 0 for the active segment, which knows its own size
	since filename.Num // of one that is retired: the first version of the tree that does not need it
}

// NewLog returns the log of dir. Begin or Stand puts it into service.
func NewLog(dir *directory.Directory, o LogOptions) *Log { return &Log{dir: dir, opts: o} }

// Begin begins a new log of database db behind commit last. That commit and all before it are durable.
func (l *Log) Begin(db [16]byte, last key.SeqNum) error {
	l.db = db
	l.NoteDurable(last)
	num := l.dir.NewNum()
	seg, err := Create(l.dir.FS(), num, db, Root(last))
	if err != nil {
		return fmt.Errorf("create log segment: %w", err)
	}
	l.use(seg)
	l.segments = []segmentFile{{num: num}}
	l.hold.roots = append(l.hold.roots, RootSegment{num, last})
	return nil
}

// Stand is Begin for a database that is only read: its segments stay on disk as they are. Of the commits in them,
// only those up to durable are certain to survive a power cut; the others may be in the caches of the system.
func (l *Log) Stand(segments int, bytes int64, durable key.SeqNum) {
	l.NoteDurable(durable)
	if segments > 0 { // it does not matter which of them has how many bytes
		l.segments = make([]segmentFile, segments)
		l.segments[0].bytes = bytes
	}
}

// Num returns the number of the active segment.
func (l *Log) Num() filename.Num { return l.active.Load().Num() }

// HasRoom reports whether the active segment is not full.
func (l *Log) HasRoom() bool { return l.active.Load().Size() < l.opts.SegmentLimit }

// IsUnused reports whether nothing was ever logged in the file of the active segment.
func (l *Log) IsUnused() bool {
	seg := l.active.Load()
	return seg.Size() == record.FileHeaderSize && !seg.Reused()
}

// FileBytes returns the length of the active segment's file, old content included.
func (l *Log) FileBytes() int64 { return l.active.Load().FileSize() }

// Append appends records with one write. sync says that a sync will wait for them. If it fails with undecided true,
// it has ended writes, and it is not known what a recovery will find. If it fails otherwise, the log is as it was
// before.
func (l *Log) Append(records []Record, sync bool) (undecided bool, err error) {
	seg := l.active.Load()
	write := seg.Store
	if sync {
		write = seg.Append
	}
	if _, err = write(records...); err == nil {
		return false, nil
	}
	if errors.Is(err, vfs.ErrNoSpace) && seg.Err() == nil { // nothing of the group is in the log
		return false, fmt.Errorf("append to log: %w", err)
	}
	return true, l.dir.Fail("append to log", err)
}

// Sync makes the log durable up to published, the newest published commit, for somebody who waits for that. Others may
// append meanwhile. A segment that is sealed meanwhile is durable. If Sync fails, it ends writes.
func (l *Log) Sync(published key.SeqNum) error {
	seg, start := l.active.Load(), l.opts.Clock.Now()
	waits := seg.Synced() < seg.Size()
	err := l.sync(published)
	if waits && err == nil {
		l.countWait(start)
	}
	return err
}

// countWait counts a sync that somebody has waited for since start.
func (l *Log) countWait(start clock.Instant) { l.waits.Add(l.opts.Clock.Now().Since(start), 1) }

func (l *Log) sync(published key.SeqNum) error {
	l.syncs.Add(1)
	if err := l.active.Load().Sync(); err != nil { // what was published before is in it or in a sealed one
		return l.dir.Fail("sync log", err)
	}
	if err := l.dir.ConfirmOwner(); err != nil {
		return err
	}
	l.NoteDurable(published)
	return nil
}

// NoteDurable records that every commit up to seq survives a power cut.
func (l *Log) NoteDurable(seq key.SeqNum) {
	for {
		before := l.durable.Load()
		if uint64(seq) <= before {
			return
		}
		if l.durable.CompareAndSwap(before, uint64(seq)) {
			l.dir.Page().SetDurable(seq)
			return
		}
	}
}

// Durable returns the newest commit that survives a power cut, together with all before it.
func (l *Log) Durable() key.SeqNum { return key.SeqNum(l.durable.Load()) }

// Syncs returns how many syncs were asked for.
func (l *Log) Syncs() uint64 { return l.syncs.Load() }

// Waits returns how long commits, or Close, have waited for each sync of a segment that had something to sync: also
// for that by which Rotate seals one, but not for those in the background.
func (l *Log) Waits() latency.Counts { return l.waits.Counts() }

// NoteUnsynced wakes the housekeeper, which syncs what was just published within the interval, or at once if much
// has gathered, and writes out every MiB.
func (l *Log) NoteUnsynced() {
	seg := l.active.Load()
	switch {
	case l.unsyncedSince.Load() == 0:
		l.unsyncedSince.Store(int64(l.opts.Clock.Now()))
	case seg.Size()-seg.Synced() >= unsyncedBytes && !l.syncSoon.Load():
		l.syncSoon.Store(true)
	case seg.ToWriteOut() == 0:
		return
	}
	l.opts.Wake()
}

// UntilSync returns the time until a sync is due: 0 or less if it is due, and very long if nothing is unsynced.
func (l *Log) UntilSync() time.Duration {
	since := clock.Instant(l.unsyncedSince.Load())
	switch {
	case l.syncSoon.Load():
		return 0
	case since == 0:
		return time.Hour
	}
	return l.opts.SyncInterval - l.opts.Clock.Now().Since(since)
}

// SyncUnsynced syncs what commits have left unsynced, due or not. It reports whether there was anything.
func (l *Log) SyncUnsynced(published func() key.SeqNum) (bool, error) {
	if l.unsyncedSince.Swap(0) == 0 {
		return false, nil
	}
	l.syncSoon.Store(false)
	if err := l.dir.Writable(); err != nil {
		return false, err
	}
	return true, l.sync(published())
}

// WriteOut brings the whole MiB by which the active segment has grown to the medium, so that the leader who seals
// it, while all commits wait, has little to wait for. If it fails, it ends writes.
func (l *Log) WriteOut() error {
	if err := l.active.Load().WriteOut(); err != nil && !errors.Is(err, fs.ErrClosed) { // sealed meanwhile
		return l.dir.Fail("write out log", err)
	}
	return nil
}

// Rotate prepares the next segment, seals the active one and begins the next behind it. After vfs.ErrNoSpace the
// active segment goes on. An error that is not transient ends writes.
func (l *Log) Rotate() error {
	active := l.active.Load()
	if err := l.dir.CheckFile(filename.Make(filename.Log, active.Num()), active.Size()); err != nil {
		return err
	}
	next, err := l.nextBlank()
	if err != nil {
		return err
	}
	num := next.Num()
	var end Predecessor
	var seg *Segment
	err = l.dir.Change(func() (err error) {
		start := l.opts.Clock.Now()
		if end, err = active.Seal(num); err != nil {
			return err
		}
		l.countWait(start)
		if err = l.dir.StillOwner(); err != nil {
			return err
		}
		seg, err = next.Begin(l.db, end)
		return err
	})
	switch {
	case errors.Is(err, directory.ErrReadOnly), errors.Is(err, vfs.ErrNoSpace) && end.Num == 0 && active.Err() == nil:
		l.discardBlank(next)
		return err
	case err != nil:
		return l.dir.Fail("begin another log segment", err)
	}
	l.NoteDurable(end.LastSeq)
	l.mu.Lock()
	l.segments[len(l.segments)-1].bytes = end.Length
	l.segments = append(l.segments, segmentFile{num: num})
	l.mu.Unlock()
	l.use(seg)
	return nil
}

// use makes the new segment seg the active one.
func (l *Log) use(seg *Segment) {
	seg.AllocateAhead()
	l.active.Store(seg)
}

// nextBlank returns the file of the next segment: the one that is ready, or a new one.
func (l *Log) nextBlank() (*Blank, error) {
	blank := l.takeBlank()
	if blank != nil && blank.Num() > l.Num() && !l.dir.Closing() {
		return blank, nil
	}
	if blank != nil { // a large commit has begun the log anew, behind it; or the last segment is to be a small one
		l.discardBlank(blank)
	}
	num := l.dir.NewNum()
	blank, err := Prepare(l.dir.FS(), num)
	if err == nil {
		return blank, nil
	}
	if !errors.Is(err, fs.ErrExist) { // that file would be another writer's
		l.dir.Discard(filename.Make(filename.Log, num))
	}
	return nil, l.dir.FailUnlessTransient("begin another log segment", err)
}

// RetireBefore retires the segments before start, which version since of the tree does not need any more, nor any
// later one. If keep is set, they may be used again. Otherwise, and if there are more than are kept, their files are
// removed.
func (l *Log) RetireBefore(start, since filename.Num, keep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	needed := l.segments[:0]
	for _, f := range l.segments {
		switch {
		case f.num >= start:
			needed = append(needed, f)
		case l.opts.HoldLimit > 0 && f.num >= l.hold.from:
			l.holdLocked(f, since)
		case keep && len(l.retired) < keptSegments && f.bytes <= 2*l.opts.SegmentLimit:
			// One that a large commit has made longer is not worth keeping.
			f.since = since
			l.retired = append(l.retired, f)
		default:
			l.dir.Retire(since, filename.Make(filename.Log, f.num))
		}
	}
	l.segments = needed
	l.limitHoldLocked(l.opts.HoldLimit)
	l.opts.Wake()
}

// HasSpare reports whether there is a file for the next segment.
func (l *Log) HasSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blank != nil
}

// Recycle makes a retired segment the next one, if there is none yet. Without keep it discards all of them and the
// next one instead. If it fails, the error concerns a segment that is to be written: it ends writes unless it is
// transient. Only one goroutine at a time may call it.
func (l *Log) Recycle(keep bool) {
	l.mu.Lock()
	old, blank := l.retired, l.blank
	if !keep {
		l.retired, l.blank = nil, nil
	}
	l.mu.Unlock()
	if keep {
		if blank == nil && len(old) > 0 && l.dir.MayReuse(old[0].since) {
			l.mu.Lock()
			l.retired = slices.Clone(l.retired[1:])
			l.mu.Unlock()
			l.reuse(old[0].num)
		}
		return
	}
	for _, f := range old {
		l.dir.Retire(f.since, filename.Make(filename.Log, f.num))
	}
	if blank != nil {
		l.discardBlank(blank)
	}
}

// reuse makes the retired segment old the next one.
func (l *Log) reuse(old filename.Num) {
	num := l.dir.NewNum()
	err := l.dir.CheckOwner()
	var blank *Blank
	if err == nil {
		err = l.dir.Change(func() (err error) {
			blank, err = Reuse(l.dir.FS(), old, num)
			return err
		})
	}
	if err != nil {
		l.dir.Discard(filename.Make(filename.Log, old))
		if !errors.Is(err, fs.ErrExist) {
			l.dir.Discard(filename.Make(filename.Log, num))
		}
		if !errors.Is(err, directory.ErrReadOnly) {
			l.dir.FailUnlessTransient("reuse log segment", err)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blank = blank
}

// DropSpare makes the log go on in a new file. A retired one may be much longer, with its old records, than all that
// is to come.
func (l *Log) DropSpare() {
	if blank := l.takeBlank(); blank != nil {
		l.discardBlank(blank)
	}
}

// takeBlank takes the file of the next segment off the log, or returns nil.
func (l *Log) takeBlank() *Blank {
	l.mu.Lock()
	defer l.mu.Unlock()
	blank := l.blank
	l.blank = nil
	return blank
}

// discardBlank discards the file of a segment that was never begun.
func (l *Log) discardBlank(b *Blank) {
	b.Close() // nothing in it counts
	l.dir.Discard(filename.Make(filename.Log, b.Num()))
}

// Root creates a segment that begins behind seq, a commit that does not go through the log. Until an edit of the
// manifest names it, it stands unused next to the log. Root syncs the directory, and so makes the names of all other
// files durable too.
func (l *Log) Root(seq key.SeqNum) (*Segment, error) {
	num := l.dir.NewNum()
	root, err := Create(l.dir.FS(), num, l.db, Root(seq))
	if err == nil {
		if err = l.dir.FS().SyncDir(); err == nil {
			return root, nil
		}
		root.Close() // nothing was appended to it
	}
	l.dir.Discard(filename.Make(filename.Log, num))
	return nil, l.dir.FailUnlessTransient("begin a new log", err)
}

// DropRoot discards a root that nothing names. If writes have ended, the manifest may name it, and the next Open
// knows.
func (l *Log) DropRoot(root *Segment) {
	root.Close() // nothing was appended to it
	if l.dir.Cause() == nil {
		l.dir.Discard(filename.Make(filename.Log, root.Num()))
	}
}

// UseRoot makes root the active segment, behind seq. The edit that names it has retired all others.
func (l *Log) UseRoot(root *Segment, seq key.SeqNum) {
	l.mu.Lock()
	l.segments = append(l.segments, segmentFile{num: root.Num()})
	if l.opts.HoldLimit > 0 {
		l.hold.roots = append(l.hold.roots, RootSegment{root.Num(), seq})
	}
	l.mu.Unlock()
	old := l.active.Load()
	l.use(root)
	old.Close() // everything in it is in tables
}

// Files returns the numbers of all files of the log: of the segments that a recovery would replay, and of those that
// wait to be used again.
func (l *Log) Files() (nums []filename.Num) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range slices.Concat(l.hold.held, l.segments, l.retired) {
		nums = append(nums, f.num)
	}
	if l.blank != nil {
		nums = append(nums, l.blank.Num())
	}
	return nums
}

// Size returns how many segments a recovery would replay, and how many bytes are in them.
func (l *Log) Size() (segments int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.segments {
		bytes += f.bytes
	}
	if seg := l.active.Load(); seg != nil && len(l.segments) > 0 && l.segments[len(l.segments)-1].bytes == 0 {
		bytes += seg.Size()
	}
	return len(l.segments), bytes
}

// Close closes the active segment.
func (l *Log) Close() error {
	seg := l.active.Load()
	if seg == nil {
		return nil
	}
	if err := seg.Close(); !errors.Is(err, fs.ErrClosed) { // which a failed seal has closed already
		return err
	}
	return nil
}
