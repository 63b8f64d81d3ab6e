package engine

import (
	"errors"
	"fmt"
	"math"

	"lightningdb/internal/tree/compaction"
)

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
		Syncs:        e.log.Syncs(), CommitTimes: e.stats.CommitLatencies(), SyncTimes: e.log.Waits(),
		FlushTimes: e.stats.Flush.Times(), CompactionTimes: e.stats.Compaction.Times(),
		Events: e.opts.bus.Counts(), Backups: e.background.backups.Sum(),
		DiskBytes: e.dir.DiskBytes(), Scrub: e.background.scrub.State(), Failure: e.failure(),
	}
	v := e.tree.Acquire()
	if v == nil { // of files that are nobody's, and may be gone, nothing is said
		return m
	}
	defer e.tree.Release(v)
	m.Disk = e.disk.State()
	if free, err := e.opts.FS.FreeBytes(); err == nil {
		m.FreeBytes = int64(min(free, math.MaxInt64))
	}
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
