package engine

import (
	"errors"

	"lightningdb/event"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
)

// tellOpened tells what recovery has found.
func (e *Engine) tellOpened() {
	r := e.report
	e.opts.bus.Send(event.Opened{Created: r.Created, Records: r.Records, LogBytes: r.LogBytes, TornBytes: r.TornBytes,
		FilesRemoved: len(r.FilesRemoved), Sequence: uint64(r.LastSequence), Duration: r.Duration})
}

// tellFlushed tells of a flush that began at start and has ended with err.
func (e *Engine) tellFlushed(told event.Flushed, start clock.Instant, err error) {
	told.Duration, told.Err = e.clock.Now().Since(start), err
	e.opts.bus.Send(told)
}

// tellCompacted tells of a compaction that began at start and has ended with err.
func (e *Engine) tellCompacted(told event.Compacted, start clock.Instant, err error) {
	told.Duration, told.Err = e.clock.Now().Since(start), err
	e.opts.bus.Send(told)
}

// noteCommit notes how a commit that adds something has ended: whether commits find space.
func (e *Engine) noteCommit(err error) {
	if err == nil || errors.Is(err, vfs.ErrNoSpace) {
		e.background.commits.Note(e.opts.bus, e.clock.Now(), err)
	}
}

// BeginBackup says that a backup begins, to a stream or a repository. The caller says how it ends.
func (e *Engine) BeginBackup(to string) (end func(sequence uint64, bytes int64, err error)) {
	start := e.clock.Now()
	return func(sequence uint64, bytes int64, err error) {
		told := event.BackedUp{To: to, Sequence: sequence, Bytes: bytes, Duration: e.clock.Now().Since(start), Err: err}
		e.background.backups.Ended(e.opts.Wall(), told)
		e.opts.bus.Damaged("backup", err)
		e.opts.bus.Send(told)
	}
}
