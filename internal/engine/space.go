package engine

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/engine/measure"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
)

const (
	quietPause    = 2 * time.Second
	weighInterval = 10 * time.Second
	oldAge        = 10 * time.Minute

	promptBytes = 64 << 10
	blockBytes  = 4 << 10
	oldLogBytes = 256 << 10
)

// space is what SpaceStep remembers.
type space struct {
	unweighed atomic.Int64 // the instant of the first change that SpaceStep has not seen; 0 if there is none

	hidesLittle atomic.Uint64 // the newest commit when the active memtable was found to hide too little to be flushed

	measure.Changes // guarded by background.house
}

// lookForSpace has SpaceStep look at what has changed, when it has come to a rest.
func (e *Engine) lookForSpace() {
	if e.space.unweighed.Load() == 0 {
		e.space.unweighed.Store(int64(e.clock.Now()))
		e.background.housekeeper.Wake()
	}
}

// SpaceStep has the active memtable flushed if it is time to and that returns space. It returns when it is due again;
// far away if that takes a commit.
func (e *Engine) SpaceStep() time.Duration {
	e.background.house.Lock()
	defer e.background.house.Unlock()
	v := e.tree.Acquire()
	if v == nil {
		return time.Hour
	}
	defer e.tree.Release(v)
	if e.dir.Writable() != nil {
		return time.Hour
	}
	now, first, s := e.clock.Now(), clock.Instant(e.space.unweighed.Load()), &e.space
	s.Look(now, v.Active(), e.tree.Visible())
	quiet, age := now.Since(s.Came) >= quietPause, now.Since(s.Begun)
	switch {
	case s.Begun == 0:
		return e.spaceSeen(v.Active())
	case first == 0 && s.Looked:
		return time.Hour
	case first == 0 && age < oldAge: // nothing new, but that it may become old
		return oldAge - age
	case first != 0 && !quiet && now.Since(first) < weighInterval:
		return quietPause - now.Since(s.Came)
	}
	e.space.unweighed.Store(0)                  // before it is weighed: a change from now on is told of again
	if !e.weighSpace(v, quiet, age >= oldAge) { // a burst, a flush, a compaction or a commit is in progress
		e.space.unweighed.CompareAndSwap(0, int64(now))
		return quietPause
	}
	if s.Looked = age >= oldAge; s.Looked {
		return time.Hour
	}
	return oldAge - age
}

// spaceSeen notes that active is empty, and so hides nothing.
func (e *Engine) spaceSeen(active *tree.Memtable) time.Duration {
	e.space.unweighed.Store(0)
	if !active.IsEmpty() { // it no longer is, and nobody may tell of it
		e.lookForSpace()
	}
	return time.Hour
}

// weighSpace freezes the active memtable of v if its flush returns space. It is false if this is not the time to
// decide.
func (e *Engine) weighSpace(v *tree.View, quiet, old bool) bool {
	if !e.tree.IsIdle(v) || !e.compactor.turn.TryTake() {
		return false
	}
	returns := e.flushReturnsSpace(v, quiet, old)
	e.compactor.turn.End()
	done := !returns
	if returns {
		e.queue.TryExclusive(func() { done = e.freezeForSpace(v) })
	}
	return done
}

// flushReturnsSpace reports whether a flush of the active memtable of v is worth its cost.
func (e *Engine) flushReturnsSpace(v *tree.View, quiet, old bool) bool {
	if quiet && old && e.log.FileBytes() >= oldLogBytes {
		return true
	}
	least := int64(e.budget.Memtable) / 4
	if quiet {
		least = promptBytes
	}
	if quiet && old {
		least = blockBytes
	}
	ranges := compaction.HiddenBy(v.Version(), v.Active().Ranges())
	if quiet && ranges >= int64(e.budget.Memtable) {
		return true
	}
	hidden, err := e.tree.HiddenByActive(v)
	hidden += ranges
	if err != nil || hidden < least { // whoever needs what cannot be read is told
		return false
	}
	p := e.compactionParams(e.tree.OldestReader(), true)
	p.Garbage, p.Short = e.compactor.Garbage(e.tree, v), e.disk.Short()
	return compaction.CallsForSpace(v.Version(), p, hidden)
}

// freezeForSpace freezes the active memtable of v, while no commit is in progress. The log goes on in a file without
// old records, which may be much longer than all that is to come. It is false if there is something else to be done
// first, or something has failed: that stops writes, or passes.
func (e *Engine) freezeForSpace(v *tree.View) bool {
	if now := e.tree.Current(); now.Frozen() > 0 || now.Active() != v.Active() {
		return false
	}
	e.log.DropSpare()
	return e.freeze(0) == nil
}
