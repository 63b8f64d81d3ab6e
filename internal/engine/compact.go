package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"lightningdb/event"
	"lightningdb/internal/engine/measure"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
)

// compactor is what compactions remember between jobs. Who has the turn owns the rest.
type compactor struct {
	turn     calls.Turn  // of the one compaction in progress
	shortens atomic.Bool // it takes level 0 down
	measure.Memory
}

// CompactStep runs the most urgent compaction. It reports whether there was one.
func (e *Engine) CompactStep() (bool, error) {
	settled := e.settle()
	return e.compactOnce(e.gate.Context(), func(v *tree.View, p compaction.Params) *compaction.Job {
		job := e.pick(v, p, settled)
		if job == nil && p.Quiet && !p.Short {
			job = e.pickForScans(v, p)
		}
		e.stats.CompactionWaits.Store(job == nil && !p.Quiet &&
			compaction.Pick(v.Version(), e.compactionParams(p.OldestSnapshot, true), noneBusy) != nil)
		return job
	})
}

// noneBusy says that no other job has a table: the turn lets one run at a time.
func noneBusy(filename.Num) bool { return false }

// pickForScans returns the next job that brings the tables of v closer to one sorted run, if scans have paid for it.
func (e *Engine) pickForScans(v *tree.View, p compaction.Params) *compaction.Job {
	debt := e.tree.Debt()
	job := compaction.PickForScans(v.Version(), p, noneBusy, uint64(debt))
	switch {
	case job != nil && job.OutputLevel == 0:
		e.tree.PayDebt(v)
	case job == nil:
		e.tree.ForgiveDebt(v, debt) // there is one run
	}
	return job
}

// compactOnce runs the job that pick chooses from the current version.
func (e *Engine) compactOnce(ctx context.Context,
	pick func(*tree.View, compaction.Params) *compaction.Job) (bool, error) {
	if err := e.dir.Writable(); err != nil {
		return false, err
	}
	if err := e.compactor.turn.Take(ctx); err != nil {
		return false, err
	}
	defer e.compactor.turn.End()
	v := e.tree.Acquire()
	if v == nil {
		return false, ErrClosed
	}
	defer e.tree.Release(v)
	held := e.tree.HoldVersions(v.Version().LastSeq)
	most, short := e.disk.BeginJob()
	defer e.disk.SetJob(0)
	p := e.compactionParams(held[0], short || e.tree.IsIdle(v))
	p.MaxBytes, p.Short = most, short
	if p.Quiet {
		p.Garbage = e.compactor.Garbage(e.tree, v)
	}
	job := pick(v, p)
	if job == nil {
		return false, nil
	}
	e.disk.SetJob(job.OutputBytes())
	err := e.compact(ctx, job, v, held)
	e.noteBackground(err)
	return err == nil, err
}

func (e *Engine) compact(ctx context.Context, job *compaction.Job, v *tree.View, held []key.SeqNum) (err error) {
	start := e.clock.Now()
	told := event.Compacted{Reason: string(job.Reason), Into: int(job.OutputLevel)}
	defer func() { e.opts.bus.Compacted(told, start, err) }()
	e.stats.Compaction.Begin(job.RawBytes())
	e.compactor.shortens.Store(len(job.Inputs[0]) > 0 && job.OutputLevel > 0)
	e.NoteReport()
	defer e.stats.Compaction.End()
	defer e.compactor.shortens.Store(false)
	edit, done, err := e.runJob(ctx, job, v, held, e.stats.Compaction.Read)
	if errors.Is(err, ErrClosed) { // a value in another file is not read any more once Close has begun
		return ErrClosed
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return calls.Ended(ctx)
	}
	if err != nil {
		return e.dir.FailUnlessTransient("compact", err)
	}
	if err := e.commitEdit(edit, nil); err != nil {
		return err
	}
	told.BytesRead, told.BytesWritten = done.BytesIn, done.BytesOut
	e.compactor.Note(edit, held[0])
	e.lookForSpace()
	e.stats.Compaction.Succeeded(done.BytesIn, done.BytesOut, e.clock.Now().Since(start))
	e.NoteReport()
	return nil
}

// compactionParams are the measures by which compactions are picked.
func (e *Engine) compactionParams(oldest key.SeqNum, quiet bool) compaction.Params {
	p := e.compactor.Params(&e.budget, oldest, quiet)
	p.ValueThreshold = e.opts.ValueThreshold
	return p
}

// rules are how merge operands are applied.
func (e *Engine) rules() operand.Rules {
	return operand.Rules{User: e.opts.Merge, Partial: e.opts.Partial}.Apart()
}
