package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// stats counts what the engine did since Open.
type stats struct {
	commits    atomic.Uint64
	operations atomic.Uint64
	appends    atomic.Uint64
	logBytes   atomic.Uint64
	syncs      atomic.Uint64
	conflicts  atomic.Uint64
	lockWaits  atomic.Uint64
	passed     atomic.Int64 // user keys that iterators have passed in vain
	checked    atomic.Int64 // entries that were looked at for what has changed in a span
	deadlocks  atomic.Uint64

	lockTimeouts atomic.Uint64

	ingests    atomic.Uint64
	flushing   atomic.Bool
	compacting atomic.Bool

	compactionWaits atomic.Bool // for the end of a burst of writes; those that scans pay for aside

	mu         sync.Mutex
	flush      Work
	compaction Work
	stall      Stall
}

// Work sums up flushes or compactions.
type Work struct {
	Count        uint64
	BytesRead    int64
	BytesWritten int64
	Duration     time.Duration
}

// Stall sums up how long writers waited for background work.
type Stall struct {
	Count    uint64
	Duration time.Duration
	Cause    string // of the latest
}

func (s *stats) logged(group []*commit.Request, records []wal.Record) {
	s.commits.Add(uint64(len(group)))
	operations, bytes := 0, 0
	for _, r := range records {
		operations += r.Count
		bytes += len(r.Payload)
	}
	s.operations.Add(uint64(operations))
	s.appends.Add(1)
	s.logBytes.Add(uint64(bytes))
}

func (s *stats) stalled(d time.Duration, cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stall.Count++
	s.stall.Duration += d
	s.stall.Cause = cause
}

func (s *stats) flushed(c compaction.Stats, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush.add(c, d)
}

func (s *stats) compacted(c compaction.Stats, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compaction.add(c, d)
}

func (w *Work) add(c compaction.Stats, d time.Duration) {
	w.Count++
	w.BytesRead += c.BytesIn
	w.BytesWritten += c.BytesOut
	w.Duration += d
}

// Metrics is the state of the engine at one moment.
type Metrics struct {
	Version      *manifest.Version // nil after Close
	Levels       []compaction.LevelState
	Visible      key.SeqNum
	Durable      key.SeqNum // everything up to here survives a power cut
	MemtableUsed int64      // bytes written to the active and frozen memtables
	MemtableHeld int64      // bytes of memory that memtables take, spare ones included
	MemtableRows int
	Active       int // memtables: one, and none after Close
	Frozen       int
	Cache        cache.Metrics
	RowBytes     int64 // bytes of memory for rows that are read over and over
	OpenTables   int
	OpenBytes    int64 // bytes of directories and slots of open tables
	BufferBytes  int64 // bytes of pieces of tables that are being written, or read from front to back
	WriteBytes   int64 // bytes of what open transactions have written, by the MiB
	LogSegments  int
	LogBytes     int64 // bytes in all of them
	Commits      uint64
	Operations   uint64
	Appends      uint64 // group writes to the log
	AppendBytes  uint64 // bytes of batches in them
	Conflicts    uint64 // commits refused because of what they had read
	LockWaits    uint64 // times that a transaction or a commit found a key locked
	Deadlocks    uint64 // of them, those that would not have ended
	LockTimeouts uint64 // of them, those that took too long
	Locks        lock.State
	Ingests      uint64 // commits of tables, past the log
	Flush        Work
	Compaction   Work
	Flushing     bool
	Compacting   bool
	Waiting      bool // a compaction, for the end of a burst of writes
	MemoryLimit  int64
	Syncs        uint64
	Stall        Stall
	Snapshots    int64
	Iterators    int64
	OldestSeq    key.SeqNum    // the oldest sequence number that a reader holds
	Floor        key.SeqNum    // SnapshotAt finds every sequence number from here on
	OldestAge    time.Duration // of the reader that has been open for longest; 0 if there is none
	Readers      []Reader      // those that have been open for longest, these first; with TraceReaders only
	DiskBytes    int64         // of all files of the database
	Pinned       Files         // tables that are no longer part of the tree, and that readers hold
	Obsolete     int           // files that wait for their removal
	Failure      error         // why writes stopped, or why background work is held up, or ErrClosed; nil if nothing of that
}

// Files sums up files.
type Files struct {
	Count int
	Bytes int64
}

func (f *Files) add(bytes int64) {
	f.Count++
	f.Bytes += bytes
}

// diskBytes asks the directory how long the files of the database are, whatever they are for: what the engine believes of
// them is not what fills a disk. What cannot be looked at counts nothing.
func (e *Engine) diskBytes() (total int64) {
	names, err := e.fs.List()
	if err != nil {
		return 0
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind != filename.Unknown {
			if size, err := e.fs.FileSize(name); err == nil { // else it has just been removed
				total += size
			}
		}
	}
	return total
}

// pinnedLocked is the tables that only older views name than v, which is current: those of iterators that stand still.
func (e *Engine) pinnedLocked(v *view) Files {
	var all, current Files
	for _, t := range e.tables {
		all.add(t.meta.Size)
	}
	for _, tables := range v.levels {
		for _, t := range tables {
			current.add(t.meta.Size)
		}
	}
	return Files{all.Count - current.Count, all.Bytes - current.Bytes}
}

// Metrics gathers the metrics. It takes a few locks for a moment each, and asks the file system for the size of each file.
func (e *Engine) Metrics() Metrics {
	m := Metrics{
		Visible:      key.SeqNum(e.visible.Load()),
		Durable:      key.SeqNum(e.durable.Load()),
		Cache:        e.cache.Metrics(),
		RowBytes:     e.rows.Bytes(),
		BufferBytes:  e.buffers.Bytes(),
		WriteBytes:   e.writes.Load(),
		Commits:      e.stats.commits.Load(),
		Operations:   e.stats.operations.Load(),
		Appends:      e.stats.appends.Load(),
		AppendBytes:  e.stats.logBytes.Load(),
		Conflicts:    e.stats.conflicts.Load(),
		LockWaits:    e.stats.lockWaits.Load(),
		Deadlocks:    e.stats.deadlocks.Load(),
		LockTimeouts: e.stats.lockTimeouts.Load(),
		Locks:        e.locks.State(),
		Ingests:      e.stats.ingests.Load(),
		Flushing:     e.stats.flushing.Load(),
		Compacting:   e.stats.compacting.Load(),
		Waiting:      e.stats.compactionWaits.Load(),
		MemoryLimit:  e.opts.MemoryLimit,
		Syncs:        e.stats.syncs.Load(),
		Snapshots:    e.openSnapshots.Load(),
		Iterators:    e.openIterators.Load(),
		DiskBytes:    e.diskBytes(),
	}
	m.OldestSeq, m.Floor = e.snapshots.oldest(e)
	m.OldestAge, m.Readers = e.snapshots.longest(e)
	e.stats.mu.Lock()
	m.Flush, m.Compaction, m.Stall = e.stats.flush, e.stats.compaction, e.stats.stall
	e.stats.mu.Unlock()
	e.open.mu.Lock()
	m.OpenTables, m.OpenBytes = len(e.open.refs), e.open.bytes
	e.open.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.view.Load()
	for _, f := range e.logs {
		m.LogBytes += f.size
	}
	if seg := e.segment.Load(); seg != nil && len(e.logs) > 0 && e.logs[len(e.logs)-1].size == 0 {
		m.LogBytes += seg.Size()
	}
	m.LogSegments, m.Obsolete, m.MemtableHeld = len(e.logs), len(e.obsolete), e.mems.allocated
	m.Failure = e.heldUp
	if f := e.failed.Load(); f != nil {
		m.Failure = f.cause
	}
	if e.closed.Load() {
		m.Failure = join.Errors(ErrClosed, m.Failure)
	}
	if v == nil {
		m.LogSegments, m.LogBytes, m.Obsolete = 0, 0, 0 // they are nobody's, and may be gone
	} else {
		m.Version, m.Active, m.Frozen = v.version, 1, len(v.mems)-1
		m.Pinned = e.pinnedLocked(v)
		quiet := e.isQuiet(v)
		m.Levels = compaction.Levels(v.version, e.compactionParams(m.OldestSeq, quiet))
		m.Waiting = m.Waiting || !quiet && e.scansHavePaid(v)
		for _, mem := range v.mems {
			m.MemtableUsed += int64(mem.Used())
			m.MemtableRows += mem.Count()
		}
	}
	return m
}
