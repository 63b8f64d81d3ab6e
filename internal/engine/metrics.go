package engine

import (
	"errors"
	"fmt"

	"lightningdb/internal/engine/disk"
	"lightningdb/internal/engine/scrub"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
)

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
	Flush        stats.Work
	Compaction   stats.Work
	Waiting      bool // a compaction, for the end of a burst of writes
	MemoryLimit  int64
	Syncs        uint64
	CommitTimes  latency.Counts // how long commits took: see stats.Timer
	SyncTimes    latency.Counts // how long commits waited for syncs: see wal.Log.Waits
	Stall        stats.Stall
	DiskBytes    int64 // of all files of the database
	Disk         disk.State
	Scrub        scrub.State
	Obsolete     int   // files that wait for their removal
	Failure      error // why writes stopped, or why background work is held up, or ErrClosed; nil if nothing of that
}

// Metrics takes a few locks for a moment each, and asks the file system for the size of each file.
func (e *Engine) Metrics() Metrics {
	m := Metrics{
		Metrics:      e.tree.Metrics(),
		Durable:      e.log.Durable(),
		Commits:      e.stats.Commits.Load(),
		Operations:   e.stats.Operations.Load(),
		Appends:      e.stats.Appends.Load(),
		AppendBytes:  e.stats.LogBytes.Load(),
		Conflicts:    e.stats.Conflicts.Load(),
		LockWaits:    e.stats.LockWaits.Load(),
		Deadlocks:    e.stats.Deadlocks.Load(),
		LockTimeouts: e.stats.LockTimeouts.Load(),
		Locks:        e.locks.State(),
		Ingests:      e.stats.Ingests.Load(),
		Flush:        e.stats.Flush.Work(),
		Compaction:   e.stats.Compaction.Work(),
		Waiting:      e.stats.CompactionWaits.Load(),
		Stall:        e.stats.Stall(e.clock.Now()),
		MemoryLimit:  e.opts.MemoryLimit,
		Syncs:        e.log.Syncs(),
		CommitTimes:  e.stats.CommitLatencies(),
		SyncTimes:    e.log.Waits(),
		DiskBytes:    e.dir.DiskBytes(),
		Scrub:        e.background.scrub.State(),
		Failure:      e.failure(),
	}
	v := e.tree.Acquire()
	if v == nil { // of files that are nobody's, and may be gone, nothing is said
		return m
	}
	defer e.tree.Release(v)
	m.Disk = e.disk.State()
	m.Disk.Refused += e.stats.NoSpace.Load()
	m.LogSegments, m.LogBytes = e.log.Size()
	m.Obsolete = e.dir.Obsolete()
	idle := e.tree.IsIdle(v)
	m.Levels = compaction.Levels(v.Version(), e.compactionParams(m.OldestSeq, idle))
	m.Waiting = m.Waiting || !idle && e.tree.DebtIsDue(v)
	return m
}

// failure is what an operator must be told of.
func (e *Engine) failure() error {
	err := e.room.BackgroundError()
	if cause := e.dir.Cause(); cause != nil {
		err = fmt.Errorf("%w: %w", ErrReadOnly, cause)
	}
	if e.gate.Closed() {
		err = errors.Join(ErrClosed, err)
	}
	return err
}
