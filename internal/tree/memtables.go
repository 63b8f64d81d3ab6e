package tree

import (
	"slices"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/tree/memtable"
)

// memtables hands out memtables of the usual size and takes them back, because the first touch of fresh memory costs
// many times what a write into used memory does. It is guarded by Tree.mu.
type memtables struct {
	size      int               // bytes of a memtable of the usual size
	spare     []*memtable.Table // empty, ready for use; at most keep
	keep      int
	asked     clock.Instant // when one was last asked for
	allocated int64         // bytes of all memtables, spare ones included
	held      []heldBack
	folding   *memtable.Folding
}

// heldBack is a memtable that was flushed while readers still hold it.
type heldBack struct {
	*Memtable
	since clock.Instant
}

// readerWait is how long a writer waits for readers to release memtables that were flushed, if there is no memory
// for another one. A reader that makes progress moves on within that time, however busy the machine is; one that
// stands still, for hours perhaps, stops nobody.
const readerWait = 400 * time.Millisecond

// crowded returns how long a writer that wants a memtable should wait for readers to give one back: until every
// memtable that they hold has been held back for readerWait. It is 0 if one is spare, or if limit leaves memory for
// another.
func (p *memtables) crowded(limit int64, now clock.Instant) (wait time.Duration) {
	if len(p.spare) > 0 || p.allocated+int64(p.size) <= limit {
		return 0
	}
	for _, h := range p.held {
		wait = max(wait, readerWait-now.Since(h.since))
	}
	return wait
}

// missing is how many bytes get would allocate for a memtable with room for need bytes.
func (p *memtables) missing(need int) int {
	if len(p.spare) > 0 && need <= p.size {
		return 0
	}
	return max(need, p.size)
}

// SpareAge is how long after the last rotation spare memtables and log segments are kept. A database that is written
// to all the time rotates more often. In one that is mostly read, the cache has more use for the memory, and other
// files for the disk.
const SpareAge = 5 * time.Second

// get returns an empty memtable for segment with room for at least need bytes.
func (p *memtables) get(segment filename.Num, need int, now clock.Instant) (*Memtable, error) {
	p.asked = now
	size := p.missing(need)
	if size == 0 {
		last := len(p.spare) - 1
		t := p.spare[last]
		p.spare = p.spare[:last]
		return &Memtable{Table: t, segment: segment, pooled: true}, nil
	}
	t, err := memtable.New(size)
	if err != nil {
		return nil, err
	}
	t.FoldBy(p.folding)
	p.allocated += int64(size)
	return &Memtable{Table: t, segment: segment, pooled: size == p.size}, nil
}

// recycle takes back a memtable that nobody can read any more.
func (p *memtables) recycle(m *Memtable) {
	p.held = slices.DeleteFunc(p.held, func(h heldBack) bool { return h.Memtable == m })
	if m.pooled && len(p.spare) < p.keep {
		m.Reset()
		p.spare = append(p.spare, m.Table)
		return
	}
	p.allocated -= int64(m.Size())
	m.Free()
}

// untilQuiet is how much longer what is spare is kept; zero or less if the last rotation was long ago.
func (p *memtables) untilQuiet(now clock.Instant) time.Duration { return SpareAge - now.Since(p.asked) }

// free gives back the spare memtables.
func (p *memtables) free() {
	for _, t := range p.spare {
		p.allocated -= int64(t.Size())
		t.Free()
	}
	p.spare = nil
}

// Crowded returns how long a writer that wants a memtable should wait for readers to give one back; 0 if it need
// not.
func (tr *Tree) Crowded() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.mems.crowded(tr.opts.Budget.Memtables, tr.clock.Now())
}

// UntilQuiet is how much longer what is kept for the next rotation is kept. At zero or less it should be given back.
func (tr *Tree) UntilQuiet() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.mems.untilQuiet(tr.clock.Now())
}
