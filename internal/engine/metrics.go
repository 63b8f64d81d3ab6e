package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
)

// stats counts what the engine did since Open.
type stats struct {
	commits    atomic.Uint64
	operations atomic.Uint64
	appends    atomic.Uint64
	logBytes   atomic.Uint64
	conflicts  atomic.Uint64
	lockWaits  atomic.Uint64
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
	tree.Metrics
	Levels       []compaction.LevelState
	Durable      key.SeqNum // everything up to here survives a power cut
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
	DiskBytes    int64 // of all files of the database
	Obsolete     int   // files that wait for their removal
	Failure      error // why writes stopped, or why background work is held up, or ErrClosed; nil if nothing of that
}

// Metrics takes a few locks for a moment each, and asks the file system for the size of each file.
func (e *Engine) Metrics() Metrics {
	m := Metrics{
		Metrics:      e.tree.Metrics(),
		Durable:      e.log.Durable(),
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
		Syncs:        e.log.Syncs(),
		DiskBytes:    e.dir.DiskBytes(),
		Failure:      e.failure(),
	}
	e.stats.mu.Lock()
	m.Flush, m.Compaction, m.Stall = e.stats.flush, e.stats.compaction, e.stats.stall
	e.stats.mu.Unlock()
	v := e.tree.Acquire()
	if v == nil { // of files that are nobody's, and may be gone, nothing is said
		return m
	}
	defer e.tree.Release(v)
	m.LogSegments, m.LogBytes = e.log.Size()
	m.Obsolete = e.dir.Obsolete()
	idle := e.tree.IsIdle(v)
	m.Levels = compaction.Levels(v.Version(), e.compactionParams(m.OldestSeq, idle))
	m.Waiting = m.Waiting || !idle && e.tree.DebtIsDue(v)
	return m
}

// failure is what an operator must be told of.
func (e *Engine) failure() error {
	err := e.dir.Cause()
	if err == nil {
		err = e.room.backgroundError()
	}
	if e.gate.Closed() {
		err = errors.Join(ErrClosed, err)
	}
	return err
}
