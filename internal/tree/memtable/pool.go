package memtable

import (
	"slices"
	"time"

	"lightningdb/internal/system/clock"
)

// Pool hands out memtables of the usual size and takes them back, because the first touch of fresh memory costs many
// times what a write into used memory does. It is not safe for concurrent use.
type Pool struct {
	Folding *Folding // of all memtables

	size      int      // bytes of a memtable of the usual size
	spare     []*Table // empty, ready for use; at most keep
	keep      int
	asked     clock.Instant // when one was last asked for
	allocated int64         // bytes of all memtables, spare ones included
	held      []heldBack
}

// NewPool returns a pool of memtables of size bytes, which keeps up to keep of them.
func NewPool(size, keep int) Pool { return Pool{size: size, keep: keep} }

// heldBack is a memtable that was flushed while readers still hold it.
type heldBack struct {
	table *Table
	since clock.Instant
}

// readerWait is how long a writer waits for readers to release memtables that were flushed, if there is no memory
// for another one. A reader that makes progress moves on within that time, however busy the machine is; one that
// stands still, for hours perhaps, stops nobody.
const readerWait = 400 * time.Millisecond

// Crowded returns how long a writer that wants a memtable should wait for readers to give one back: until every
// memtable that they hold has been held back for readerWait. It is 0 if one is spare, or if limit leaves memory for
// another.
func (p *Pool) Crowded(limit int64, now clock.Instant) (wait time.Duration) {
	if len(p.spare) > 0 || p.allocated+int64(p.size) <= limit {
		return 0
	}
	for _, h := range p.held {
		wait = max(wait, readerWait-now.Since(h.since))
	}
	return wait
}

// Missing is how many bytes Get would allocate for a memtable with room for need bytes.
func (p *Pool) Missing(need int) int {
	if len(p.spare) > 0 && need <= p.size {
		return 0
	}
	return max(need, p.size)
}

// SpareAge is how long after the last rotation spare memtables and log segments are kept. A database that is written
// to all the time rotates more often. In one that is mostly read, the cache has more use for the memory, and other
// files for the disk.
const SpareAge = 5 * time.Second

// Get returns an empty memtable with room for at least need bytes.
func (p *Pool) Get(need int, now clock.Instant) (*Table, error) {
	p.asked = now
	size := p.Missing(need)
	if size == 0 {
		last := len(p.spare) - 1
		t := p.spare[last]
		p.spare = p.spare[:last]
		return t, nil
	}
	t, err := New(size)
	if err != nil {
		return nil, err
	}
	t.FoldBy(p.Folding)
	p.allocated += int64(size)
	return t, nil
}

// Held says that t was flushed now. Readers may still hold it, until Recycle.
func (p *Pool) Held(t *Table, now clock.Instant) { p.held = append(p.held, heldBack{t, now}) }

// Recycle takes back a memtable that nobody can read any more.
func (p *Pool) Recycle(t *Table) {
	p.held = slices.DeleteFunc(p.held, func(h heldBack) bool { return h.table == t })
	if t.Size() == p.size && len(p.spare) < p.keep {
		t.Reset()
		p.spare = append(p.spare, t)
		return
	}
	p.allocated -= int64(t.Size())
	t.Free()
}

// KeepNone has Recycle free what it takes back.
func (p *Pool) KeepNone() { p.keep = 0 }

// UntilQuiet is how much longer what is spare is kept; zero or less if the last rotation was long ago.
func (p *Pool) UntilQuiet(now clock.Instant) time.Duration { return SpareAge - now.Since(p.asked) }

// Free gives back the spare memtables.
func (p *Pool) Free() {
	for _, t := range p.spare {
		p.allocated -= int64(t.Size())
		t.Free()
	}
	p.spare = nil
}

// Spare is how many memtables are ready for use, and Allocated how many bytes all of them take, with these.
func (p *Pool) Spare() int       { return len(p.spare) }
func (p *Pool) Allocated() int64 { return p.allocated }
