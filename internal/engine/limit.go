package engine

import (
	"context"
	"time"

	"lightningdb/internal/engine/disk"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
)

// limitDisk puts the directory under the quota of Options.DiskLimit, before anything uses it, and divides the limit.
func (e *Engine) limitDisk() {
	if e.opts.DiskLimit <= 0 || e.opts.ReadOnly {
		return
	}
	b := disk.BoundsFor(e.opts.DiskLimit, e.opts.LogLimit, e.budget.Table)
	e.opts.LogLimit, e.budget.Table = b.Log, b.Table
	e.disk, e.opts.FS = disk.New(b, disk.Options{FS: e.opts.FS, Env: limited{e}, Now: e.opts.Elapsed,
		Random: e.opts.Random, Tell: e.opts.bus.Send, Gate: e.gate, Changed: func() {
			e.NoteReport()
			e.background.housekeeper.Wake()
		}})
}

// limited is the engine as its Disk sees it.
type limited struct{ *Engine }

var _ disk.Env = limited{}

func (l limited) Demand() (d disk.Demand) {
	v := l.tree.Acquire()
	if v == nil {
		return d
	}
	defer l.tree.Release(v)
	d.Unflushed, d.Entries = v.Unflushed()
	d.Memtables, d.Tables = v.Frozen()+1, v.Version()
	return d
}

func (l limited) NextChange() <-chan struct{} { return l.room.NextChange() }

func (l limited) Changed() { l.room.Changed() }

func (l limited) Stall(ctx context.Context, changed <-chan struct{}, wait time.Duration) error {
	return l.stall(ctx, changed, wait, "waiting for space under the disk limit")
}

func (l limited) OldestReader() (reads bool, age time.Duration) {
	return l.tree.OldestReader() < l.tree.Visible() || l.dir.Held(), l.tree.Metrics().OldestAge
}

// SpaceComes reports whether a flush, a removal or a compaction is in progress or due that may return space. It
// has it begun; in Manual mode it does it.
func (l limited) SpaceComes() bool {
	if l.dir.Writable() != nil || l.room.BackgroundError() != nil {
		return false
	}
	if l.opts.Manual {
		return l.returnSpace()
	}
	if !l.settle() {
		l.background.flusher.Wake()
		return true
	}
	if !l.compactor.turn.TryTake() {
		return true
	}
	due := l.compactionReturnsSpace()
	l.compactor.turn.End()
	if due {
		l.background.compactor.Wake()
		return true
	}
	return l.freezeWhatHides()
}

// returnSpace is SpaceComes in Manual mode.
func (l limited) returnSpace() bool {
	before := l.disk.Used()
	flushed, err := l.FlushStep()
	compacted, err2 := l.CompactStep()
	l.CleanStep()
	if flushed || compacted || l.disk.Used() < before {
		return true
	}
	return err == nil && err2 == nil && l.freezeWhatHides()
}

// compactionReturnsSpace reports whether the compactor, whose turn the caller has, would find a job.
func (e *Engine) compactionReturnsSpace() bool {
	v := e.tree.Acquire()
	if v == nil {
		return false
	}
	defer e.tree.Release(v)
	p := e.compactionParams(e.tree.OldestReader(), true)
	p.MaxBytes, p.Short = e.disk.Left(), true
	p.Garbage = e.compactor.Garbage(e.tree, v)
	job, _ := e.pickLimited(v, p)
	return job != nil
}

// settle removes what is obsolete if space is short. It reports whether all was removed that will be without another
// compaction: until then nothing is refused, and the reserve not spent.
func (e *Engine) settle() bool {
	if !e.disk.Short() {
		return false
	}
	turn := &e.background.flushing
	flushing := e.tree.Current().Frozen() > 0 || !turn.TryLock() // a flush holds what was there when it began
	if !flushing {
		turn.Unlock()
	}
	before := e.disk.Used()
	waiting, _ := e.clean() // what cannot be removed is nothing to wait for
	return !flushing && !waiting && e.disk.Used() >= before
}

// pick is compaction.Pick under the disk limit. The reserve is spent on a job only if all else has settled.
func (e *Engine) pick(v *tree.View, p compaction.Params, settled bool) *compaction.Job {
	job, spends := e.pickLimited(v, p)
	if spends && !(settled && e.disk.Spend()) {
		return nil
	}
	return job
}

// pickLimited is compaction.Pick, but for a job that no space is left for although commits wait for what it returns:
// that spends the reserve.
func (e *Engine) pickLimited(v *tree.View, p compaction.Params) (job *compaction.Job, spends bool) {
	job = compaction.Pick(v.Version(), p, noneBusy)
	if job != nil || !e.disk.Waiting() || e.disk.Spent() {
		return job, false
	}
	p.MaxBytes += e.disk.Reserve()
	job = compaction.Pick(v.Version(), p, noneBusy)
	return job, job != nil
}

// freezeWhatHides freezes the active memtable if it hides so much that a compaction would be due then. It reports
// whether there is something to wait for.
func (e *Engine) freezeWhatHides() bool {
	seen := e.tree.Visible()
	v := e.tree.Acquire()
	if v == nil {
		return false
	}
	defer e.tree.Release(v)
	if v.Active().IsEmpty() || e.space.hidesLittle.Load() == uint64(seen) {
		return false
	}
	if !e.compactor.turn.TryTake() {
		return true
	}
	hidden, err := e.tree.HiddenByActive(v)
	hidden += compaction.HiddenBy(v.Version(), v.Active().Ranges())
	p := e.compactionParams(e.tree.OldestReader(), true)
	p.Short, p.Garbage = true, e.compactor.Garbage(e.tree, v)
	calls := err == nil && hidden > 0 && compaction.CallsForSpace(v.Version(), p, hidden)
	e.compactor.turn.End()
	if !calls {
		e.space.hidesLittle.Store(uint64(seen))
		return false
	}
	e.queue.Exclusive(func() error {
		calls = e.freezeForSpace(v)
		return nil
	})
	return calls
}
