package engine

import (
	"errors"
	"fmt"
	"math"

	"lightningdb/internal/engine/state"
	"lightningdb/internal/tree/compaction"
)

// Metrics takes a few locks for a moment each, and asks the file system for the size of each file.
func (e *Engine) Metrics() Metrics {
	m := state.Counted(&e.stats, e.clock.Now())
	m.Metrics, m.MemoryLimit = e.tree.Metrics(), e.opts.MemoryLimit
	m.Durable, m.Syncs, m.SyncTimes = e.log.Durable(), e.log.Syncs(), e.log.Waits()
	m.Locks, m.Events, m.Backups = e.locks.State(), e.opts.bus.Counts(), e.background.backups.Sum()
	m.DiskBytes, m.Scrub, m.Failure = e.dir.DiskBytes(), e.background.scrub.State(), e.failure()
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
