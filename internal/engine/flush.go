package engine

import (
	"context"
	"errors"

	"lightningdb/event"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
)

// FlushStep writes the oldest frozen memtable to level 0. It reports whether there was one.
func (e *Engine) FlushStep() (bool, error) {
	if err := e.dir.Writable(); err != nil && !errors.Is(err, ErrClosed) {
		return false, err
	}
	e.background.flushing.Lock()
	defer e.background.flushing.Unlock()
	v := e.tree.Acquire()
	if v == nil {
		return false, ErrClosed
	}
	defer e.tree.Release(v)
	oldest, logStart := v.Oldest()
	if oldest == nil {
		return false, nil
	}
	err := e.flush(v, oldest, logStart)
	e.noteBackground(err)
	return err == nil, err
}

// flush writes m, the oldest memtable of v, to tables and installs them in its place. The log before logStart is needed
// no more.
func (e *Engine) flush(v *tree.View, m *tree.Memtable, logStart filename.Num) (err error) {
	start := e.clock.Now()
	told := event.Flushed{}
	defer func() { e.opts.bus.Flushed(told, start, err) }()
	e.stats.Flush.Begin(int64(m.Used()))
	defer e.stats.Flush.End()
	edit, done, err := e.writeTables(m, v, v.Version(), e.tree.HoldVersions(m.Last()), e.stats.Flush.Read)
	if err != nil {
		return e.dir.FailUnlessTransient("flush", err)
	}
	edit.LogStart = logStart
	if logStart == e.leader.logEnd {
		edit.LogEnd = logStart
	}
	if err := e.commitEdit(edit, m); err != nil {
		return err
	}
	told.Tables, told.BytesWritten = len(edit.Added), done.BytesOut
	e.stats.Flush.Succeeded(done.BytesIn, done.BytesOut, e.clock.Now().Since(start))
	e.NoteReport()
	e.background.compactor.Wake()
	return nil
}

// writeTables writes m to tables of level 0 above version, durable in content and name, and returns the edit that
// adds them. held are the sequence numbers that readers need. v is the view of version, nil while the log is replayed.
// progress is told of the bytes that were read.
func (e *Engine) writeTables(m *tree.Memtable, v *tree.View, version *manifest.Version, held []key.SeqNum,
	progress func(int64)) (*manifest.Edit, compaction.Stats, error) {
	job := compaction.Flush(version,
		compaction.Memtable{Iterator: m.NewIterator(), Entries: uint64(m.Count()), Ranges: m.Ranges()})
	job.TargetTableBytes = e.budget.Table
	return e.runJob(context.Background(), job, v, held, progress)
}

// runJob carries out a job of package compaction on the files of the database. From the last of held on, which
// becomes the horizon of the edit, everything stays readable. v is the view that job was picked from, which the
// caller holds; nil if there is none yet. progress is told of the bytes that were read.
func (e *Engine) runJob(ctx context.Context, job *compaction.Job, v *tree.View, held []key.SeqNum,
	progress func(int64)) (*manifest.Edit, compaction.Stats, error) {
	edit, done, err := job.Execute(ctx, held, compaction.Deps{
		Open:   func(t *manifest.TableMeta) (merge.Iterator, error) { return e.tree.Tables().OpenInput(ctx, t) },
		NewNum: e.dir.NewNum,
		Rules:  e.rules(),
		Below:  e.tree.BelowIn(v),
		Create: e.tree.Tables().Create,
		Progress: func(rawBytes int64) error {
			progress(rawBytes)
			return e.dir.Intact() // after a failure the job is for nothing
		},
		Remove: func(num filename.Num) error {
			e.dir.Discard(filename.Make(filename.Table, num))
			return nil
		},
	})
	if err != nil {
		return nil, done, err
	}
	edit.Horizon = held[len(held)-1]
	if done.Outputs > 0 {
		if err = e.dir.FS().SyncDir(); err != nil {
			e.store.DiscardTables(edit)
		}
	}
	return edit, done, err
}

// commitEdit makes edit durable in the manifest and installs the version it leads to, without the memtable flushed
// (nil if none). What the new version does not need any more is retired.
func (e *Engine) commitEdit(edit *manifest.Edit, flushed *tree.Memtable) error {
	if flushed != nil {
		// Not the newest in the tables: a flush may drop a tombstone that hides nothing.
		edit.LastSeq = max(edit.LastSeq, flushed.Last())
	}
	edit.Time = e.tree.Time().Told()
	return e.store.Commit(edit, func(next *manifest.Version) {
		e.tree.Install(next, flushed)
		e.log.RetireBefore(next.LogStart, next.NextNum, e.keepsLogs())
		e.room.Changed()
	})
}
