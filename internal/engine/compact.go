package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// minFullBytes is less than any table holds when table.Writer says that it is full: each of its limits (leaves, keys,
// inner entries, length) is reached by many times as much.
const minFullBytes = 4 << 20

// While there is a burst of writes a level is compacted from score burstDue on, level 0 from burstRuns runs on, and
// nothing for the sake of space: writers have more to gain then from processors and disk than readers from a run less
// (docs/decisions/0004). Level 0 stays below slowRuns.
const (
	burstDue  = 2
	burstRuns = 16
)

// compactor is what compactions remember between jobs. Who has the turn owns the rest.
type compactor struct {
	turn       calls.Turn  // of the one compaction in progress
	shortens   atomic.Bool // it takes level 0 down
	unfoldable unfoldable
	garbage    garbage
}

func newCompactor() compactor {
	return compactor{turn: calls.NewTurn(), unfoldable: make(unfoldable), garbage: make(garbage)}
}

// CompactStep runs the most urgent compaction. It reports whether there was one.
func (e *Engine) CompactStep() (bool, error) {
	return e.compactOnce(e.gate.Context(), func(v *tree.View, p compaction.Params) *compaction.Job {
		job := compaction.Pick(v.Version(), p, noneBusy)
		if job == nil && p.Quiet {
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
	p := e.compactionParams(held[0], e.tree.IsIdle(v))
	if p.Quiet {
		p.Garbage = e.compactor.garbage.in(e.tree, v)
	}
	job := pick(v, p)
	if job == nil {
		return false, nil
	}
	err := e.compact(ctx, job, v, held)
	e.noteBackground(err)
	return err == nil, err
}

func (e *Engine) compact(ctx context.Context, job *compaction.Job, v *tree.View, held []key.SeqNum) error {
	start := e.clock.Now()
	e.stats.Compaction.Begin(job.RawBytes())
	e.compactor.shortens.Store(len(job.Inputs[0]) > 0 && job.OutputLevel > 0)
	e.noteReport()
	defer e.stats.Compaction.End()
	defer e.compactor.shortens.Store(false)
	edit, done, err := e.runJob(ctx, job, v, held, e.stats.Compaction.Read)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return calls.Ended(ctx)
	}
	if err != nil {
		return e.dir.FailUnlessTransient("compact", err)
	}
	if err := e.commitEdit(edit, nil); err != nil {
		return err
	}
	e.compactor.unfoldable.note(edit, held[0])
	e.compactor.garbage.forget(edit)
	e.lookForSpace()
	e.noteReport()
	e.stats.Compaction.Succeeded(done.BytesIn, done.BytesOut, e.clock.Now().Since(start))
	e.opts.Logger.Debug("compacted", "reason", job.Reason, "into", job.OutputLevel,
		"read", done.BytesIn, "written", done.BytesOut)
	return nil
}

// compactionParams are the measures by which compactions are picked.
func (e *Engine) compactionParams(oldest key.SeqNum, quiet bool) compaction.Params {
	due, l0 := 1.0, compaction.DefaultL0Trigger
	if !quiet {
		due, l0 = burstDue, burstRuns/burstDue
	}
	return compaction.Params{
		BaseBytes:        int64(e.budget.Memtable),
		Multiplier:       compaction.DefaultMultiplier,
		TargetTableBytes: e.budget.Table,
		FullBytes:        minFullBytes,
		L0Trigger:        l0,
		L0Bytes:          int64(l0) * int64(e.budget.Memtable),
		OldestSnapshot:   oldest,
		Unfoldable:       e.compactor.unfoldable.has,
		Due:              due,
		Quiet:            quiet,
	}
}

// rules are how merge operands are applied.
func (e *Engine) rules() operand.Rules { return operand.Rules{User: e.opts.Merge}.Apart() }

// unfoldable is the tables of the last level in which all that looks like garbage are merge operands that could not be
// folded, so that a compaction does not write them anew for ever. It is not kept on disk: the next Open may bring the
// merge function that was missing.
type unfoldable map[filename.Num]bool

func (u unfoldable) has(num filename.Num) bool { return u[num] }

// note looks at what a compaction has written while oldest was the lowest sequence number that was read at. From a
// table without anything newer it has dropped, in the last level, all that can be dropped.
func (u unfoldable) note(edit *manifest.Edit, oldest key.SeqNum) {
	for _, removed := range edit.Deleted {
		delete(u, removed.Num)
	}
	for _, added := range edit.Added {
		t := added.Table
		if added.Level == manifest.NumLevels-1 && t.LargestSeq <= oldest && t.Shadowed+t.Tombstones > 0 {
			u[t.Num] = true
		}
	}
}

// garbage is how many bytes of garbage there are in tables of few entries, and below them: there one value may be
// most of the database, and an average says nothing. What was counted once may be less by now, because a compaction
// has come from elsewhere; then the next one of this table returns less.
type garbage map[filename.Num]int64

// in returns what Params.Garbage asks for about the tables of v. It counts a few tables anew: with each decision of
// the compactor some more are known.
func (g garbage) in(tr *tree.Tree, v *tree.View) func(t *manifest.TableMeta) (bytes int64, known bool) {
	left := 4 * tree.MaxWeighed // entries
	return func(t *manifest.TableMeta) (bytes int64, known bool) {
		if bytes, known = g[t.Num]; known {
			return bytes, true
		}
		if t.Entries > tree.MaxWeighed || int(t.Entries) > left {
			return 0, false
		}
		bytes, known, err := tr.Garbage(v, t.Num)
		if !known || err != nil { // the job that reads it stops for that
			return 0, false
		}
		left -= int(t.Entries)
		g[t.Num] = bytes
		return bytes, true
	}
}

// forget forgets the tables that edit removes.
func (g garbage) forget(edit *manifest.Edit) {
	for _, removed := range edit.Deleted {
		delete(g, removed.Num)
	}
}
