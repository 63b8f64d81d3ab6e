package engine

import (
	"slices"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/memtable"
)

// memtables hands out memtables of the usual size and takes them back, because the first touch of fresh memory
// costs many times what a write into used memory does. It is guarded by Engine.mu.
type memtables struct {
	size      int               // bytes of a memtable of the usual size
	spare     []*memtable.Table // empty, ready for use; at most keep
	keep      int
	asked     instant // when one was last asked for
	allocated int64   // bytes of all memtables, spare ones included
	held      []heldBack
	folding   *memtable.Folding
}

// heldBack is a memtable that has been flushed, and that readers still hold.
type heldBack struct {
	*memRef
	since instant
}

// patience is how long a writer waits for readers to let go of memtables that were flushed, where there is no memory for
// one more. A reader that is on its way moves on within that, however busy the machine is; one that stands still, for
// hours perhaps, stops nobody.
const patience = 400 * time.Millisecond

// crowded returns how long a writer that wants a memtable should wait for readers to give one back: until every memtable
// that they hold has been held back for patience. It is 0 if there is a spare one, or memory under limit for one more.
func (p *memtables) crowded(limit int64, now instant) (wait time.Duration) {
	if len(p.spare) > 0 || p.allocated+int64(p.size) <= limit {
		return 0
	}
	for _, h := range p.held {
		wait = max(wait, patience-now.since(h.since))
	}
	return wait
}

// missing is how many bytes get would allocate for a memtable with room for need bytes.
func (p *memtables) missing(need int) int64 {
	if len(p.spare) > 0 && need <= p.size {
		return 0
	}
	return int64(max(need, p.size))
}

// spareAge is how long after the last rotation spare memtables and log segments are kept. A database that is written to all
// the time rotates more often; in one that is mostly read the cache has more use for the memory, and others for the disk.
const spareAge = 5 * time.Second

// get returns an empty memtable for segment with room for at least need bytes.
func (p *memtables) get(segment filename.Num, need int, now instant) (*memRef, error) {
	p.asked = now
	if n := len(p.spare); n > 0 && need <= p.size {
		t := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return &memRef{Table: t, segment: segment, pooled: true}, nil
	}
	size := max(need, p.size)
	t, err := memtable.New(size)
	if err != nil {
		return nil, err
	}
	t.FoldBy(p.folding)
	p.allocated += int64(size)
	return &memRef{Table: t, segment: segment, pooled: size == p.size}, nil
}

// recycle takes back a memtable that nobody can read any more.
func (p *memtables) recycle(m *memRef) {
	p.held = slices.DeleteFunc(p.held, func(h heldBack) bool { return h.memRef == m })
	if m.pooled && len(p.spare) < p.keep {
		m.Reset()
		p.spare = append(p.spare, m.Table)
		return
	}
	p.allocated -= int64(m.Size())
	m.Free()
}

// quiet reports whether the last rotation was long ago.
func (p *memtables) quiet(now instant) bool { return now.since(p.asked) >= spareAge }

// untilQuiet is how long what is spare is kept from now on.
func (p *memtables) untilQuiet(now instant) time.Duration { return spareAge - now.since(p.asked) }

// free gives back the spare memtables.
func (p *memtables) free() {
	for _, t := range p.spare {
		p.allocated -= int64(t.Size())
		t.Free()
	}
	p.spare = nil
}

// MemoryStep gives back memtables that have long been spare, looks whether more or fewer rows should be kept, and lets the
// cache have what all these leave of the limit. It returns when it is due again; far away if never.
func (e *Engine) MemoryStep() time.Duration {
	e.houseMu.Lock()
	defer e.houseMu.Unlock()
	return e.shareMemory()
}

// shareMemory is MemoryStep for who has houseMu.
func (e *Engine) shareMemory() time.Duration {
	widened := e.reviewRows()
	e.mu.Lock()
	due := time.Hour
	if now := e.now(); e.mems.quiet(now) {
		e.mems.free()
		e.buffers.Trim()
	} else if len(e.mems.spare) > 0 || e.blank != nil { // CleanStep, which comes first, gives back log segments
		due = e.mems.untilQuiet(now)
	}
	memtables := e.mems.allocated
	e.mu.Unlock()
	if settled := e.resizeCache(memtables); !settled {
		due = min(due, retryInterval) // a reader holds what is to be given back
	}
	if !widened {
		due = min(due, buryInterval) // a commit was in progress
	}
	return due
}

// resizeCache lets the cache have what the rest leaves of the limit beside so many bytes of memtables. It reports whether
// the cache takes no more than that; if not, readers hold what it is to give back.
func (e *Engine) resizeCache(memtables int64) (settled bool) {
	e.open.mu.Lock()
	tables := e.open.bytes
	e.open.mu.Unlock()
	others := memtables + tables + e.rows.Bytes() + e.buffers.Bytes() + e.cache.PrivateBytes() + 2*e.writes.Load()
	return e.cache.Resize(e.budget.cache(others))
}

// CountWrites says that the writes of transactions take delta bytes of memory more. They are on the Go heap, where as much
// again may be garbage: the cache leaves twice as much to them.
func (e *Engine) CountWrites(delta int64) {
	e.writes.Add(delta)
	e.memorySoon()
}

// yieldCache has the cache give up what a memtable with room for need bytes takes, before it is allocated: the housekeeper
// would come to it only when the memtable is half full.
func (e *Engine) yieldCache(need int) {
	e.mu.Lock()
	memtables, missing := e.mems.allocated, e.mems.missing(need)
	e.mu.Unlock()
	if missing > 0 {
		e.resizeCache(memtables + missing)
	}
}

// memorySoon has MemoryStep run because of what is read. A read-only database has no housekeeper: there the reader does it.
func (e *Engine) memorySoon() {
	switch {
	case !e.opts.ReadOnly:
		e.wake(e.wakeHousekeeper)
	case e.houseMu.TryLock():
		defer e.houseMu.Unlock()
		e.shareMemory()
	}
}

// reviewRows has the row cache adapt to what is read. It is false if that has to wait for a commit: it does not itself,
// because the commit may be waiting for long.
func (e *Engine) reviewRows() bool {
	return !e.rows.Review() || e.queue.TryExclusive(func() { e.rows.WatchAll(e.visible.Load()) })
}
