package merge

import (
	"errors"

	"lightningdb/internal/format/key"
)

// New returns an iterator over all entries of sources, which it owns from now on: Close closes them all. Of one source
// it returns that source itself; of none, an iterator that is always at its end.
func New(sources ...Iterator) Iterator { return new(Merging).Reset(sources...) }

// Merging is an Iterator over the entries of several sources. The zero value has no source. It can be used again and
// again through Reset, so that an owner who pools it allocates nothing.
//
// Runs are given newest first. No two sources hold the same internal key, because every operation has its own
// sequence number. Should they do so all the same, both entries appear, the newer source's first; only when the
// direction changes right at such a pair may one of them be passed over or appear again.
//
// The sources that are at an entry form a binary heap with the current entry on top. Most moves of a merge stay in
// the source they are in: the next entry of the top source is still ahead of all others. So the merge remembers
// the best of the other sources, and while the top source stays ahead of it a move costs one comparison and leaves the
// heap alone.
//
//	invariants at an entry, moving forward (backward: mirrored):
//	  heap[0] is at the current entry; every other source is at its first entry after the current one, or at its end
//	  heap[i] is ahead of heap[2i+1] and of heap[2i+2]
//	  second is the one of heap[1], heap[2] that is ahead, nil if the heap has one element
type Merging struct {
	sources  []cursor  // all sources, newest first
	heap     []*cursor // the sources at an entry; empty when the merge is at none
	second   *cursor
	reverse  bool // the direction that the positions of the sources are prepared for
	switches int  // what having several sources has cost: see Switches
	err      error

	// early says that the sources are at the entry after the current one, or at the end or error there, because a batch
	// went as far: the current one is last then.
	early bool
	last  Entry
}

// switchesPerSeek is how many switches looking for the place in one source more costs.
const switchesPerSeek = 8

// Switches is what m has spent since Reset because there are several sources and not one, in changes from one source to another:
// each some hundred nanoseconds.
func (m *Merging) Switches() int { return m.switches }

// cursor is a source and the key it is at, kept here so that comparing two sources makes no calls.
type cursor struct {
	key    key.Internal // borrowed from source
	source Iterator
	rank   int // index in sources: the lower, the newer
}

// Reset makes m a merge of sources, which it owns from now on, and returns the iterator to use: m, or the source itself
// if there is only one. What m owned before must have been closed. The slice sources is not kept. It is not in line, where
// it would be in every program five times.
//
//go:noinline
func (m *Merging) Reset(sources ...Iterator) Iterator {
	clear(m.sources)
	m.sources, m.heap = m.sources[:0], m.heap[:0]
	m.second, m.reverse, m.switches, m.err = nil, false, 0, nil
	m.early, m.last = false, Entry{}
	if len(sources) == 1 {
		return sources[0]
	}
	for i, source := range sources {
		m.sources = append(m.sources, cursor{source: source, rank: i})
	}
	return m
}

// First implements Iterator.
func (m *Merging) First() bool {
	m.begin(false)
	for i := range m.sources {
		c := &m.sources[i]
		if !m.push(c, c.source.First()) {
			return false
		}
	}
	return m.build()
}

// Last implements Iterator.
func (m *Merging) Last() bool {
	m.begin(true)
	for i := range m.sources {
		c := &m.sources[i]
		if !m.push(c, c.source.Last()) {
			return false
		}
	}
	return m.build()
}

// SeekGE implements Iterator.
func (m *Merging) SeekGE(k key.Internal) bool {
	m.begin(false)
	for i := range m.sources {
		c := &m.sources[i]
		if !m.push(c, c.source.SeekGE(k)) {
			return false
		}
	}
	return m.build()
}

// SeekLT implements Iterator.
func (m *Merging) SeekLT(k key.Internal) bool {
	m.begin(true)
	for i := range m.sources {
		c := &m.sources[i]
		if !m.push(c, c.source.SeekLT(k)) {
			return false
		}
	}
	return m.build()
}

// Next implements Iterator.
func (m *Merging) Next() bool {
	if m.early {
		m.early = false
		return len(m.heap) > 0
	}
	if len(m.heap) == 0 || m.reverse && !m.changeDirection(false) {
		return false
	}
	return m.step()
}

// Prev implements Iterator.
func (m *Merging) Prev() bool {
	if m.early {
		return m.SeekLT(m.last.Key.Clone()) // rare: a batch is not taken to turn round
	}
	if len(m.heap) == 0 || !m.reverse && !m.changeDirection(true) {
		return false
	}
	return m.step()
}

// step moves to the next entry in the direction that the sources are prepared for.
func (m *Merging) step() bool {
	top, valid := m.heap[0], false
	if m.reverse {
		valid = top.source.Prev()
	} else {
		valid = top.source.Next()
	}
	if !valid {
		return m.exhausted(top)
	}
	top.key = top.source.Key()
	if m.second != nil && !m.ahead(top, m.second) {
		m.switches++
		m.sink(0)
		m.findSecond()
	}
	return true
}

// Valid implements Iterator.
func (m *Merging) Valid() bool { return m.early || len(m.heap) > 0 }

// Key implements Iterator.
func (m *Merging) Key() key.Internal {
	if m.early {
		return m.last.Key
	}
	return m.heap[0].key
}

// Value implements Iterator.
func (m *Merging) Value() ([]byte, error) {
	if m.early {
		return m.last.Value, nil
	}
	return m.heap[0].source.Value()
}

// Rank says which source the current entry is from, by its index in those given to Reset; 0 if that was one. No batch has just
// been taken.
func (m *Merging) Rank() int {
	if len(m.heap) == 0 {
		return 0
	}
	return m.heap[0].rank
}

// NextBatch implements Iterator. A batch is of the source on top, up to where the best of the others goes on; then of that one,
// and so on, as long as no source that moves on takes back what it has lent.
func (m *Merging) NextBatch(dst []Entry, end key.Internal) int {
	if m.reverse || m.early {
		return 0
	}
	for n := 0; ; {
		more := m.took(dst[n:], m.heap[0].source.NextBatch(dst[n:], m.nearer(end)))
		if more == 0 {
			return n
		}
		n += more
		m.early = false
		if n == len(dst) || m.second == nil || !m.heap[0].source.Pinned() {
			return n
		}
		m.early, m.last = true, dst[n-1]
		if !m.step() {
			return n
		}
	}
}

// PrevBatch implements Iterator. A batch is of the source on top alone.
func (m *Merging) PrevBatch(dst []Entry, end key.Internal) int {
	if !m.reverse {
		return 0
	}
	return m.took(dst, m.heap[0].source.PrevBatch(dst, m.nearer(end)))
}

// Pinned implements Iterator. Nobody merges merges.
func (m *Merging) Pinned() bool { return false }

// nearer returns where a batch of the source on top has to end: at end, or at the best of the other sources.
func (m *Merging) nearer(end key.Internal) key.Internal {
	if m.second == nil || len(end.User) > 0 && (key.Compare(end, m.second.key) < 0) != m.reverse {
		return end
	}
	return m.second.key
}

// took notes that the source on top has moved over the first n entries of dst.
func (m *Merging) took(dst []Entry, n int) int {
	if n > 0 {
		m.heap[0].key = dst[n-1].Key
	}
	return n
}

// Err implements Iterator.
func (m *Merging) Err() error {
	if m.early {
		return nil
	}
	return m.err
}

// Close closes all sources, whatever errors some of them return. Afterwards m may be Reset.
func (m *Merging) Close() error {
	var errs []error
	for i := range m.sources {
		if err := m.sources[i].source.Close(); err != nil {
			errs = append(errs, err)
		}
	}
	m.Reset()
	return errors.Join(errs...)
}

// begin forgets the position.
func (m *Merging) begin(reverse bool) {
	m.heap, m.second, m.reverse, m.early, m.err = m.heap[:0], nil, reverse, false, nil
}

// push adds a source that was just placed to the heap, in no order yet. It returns false if the source failed.
func (m *Merging) push(c *cursor, valid bool) bool {
	if valid {
		c.key = c.source.Key()
		m.heap = append(m.heap, c)
		return true
	}
	return m.sound(c)
}

// sound reports whether a source that is at none is at its end, rather than broken. If it is broken, so is m.
func (m *Merging) sound(c *cursor) bool {
	err := c.source.Err()
	if err != nil {
		m.heap, m.second, m.err = m.heap[:0], nil, err
	}
	return err == nil
}

// exhausted takes the top source, which has moved to none, out of the heap.
func (m *Merging) exhausted(top *cursor) bool {
	if !m.sound(top) {
		return false
	}
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.sink(0)
	m.findSecond()
	return last > 0
}

// changeDirection prepares the other sources for the opposite direction. They are beyond the current entry on one side; the
// nearest entry on the other side is where they must be. The top source stays at the current entry.
func (m *Merging) changeDirection(reverse bool) bool {
	top := m.heap[0]
	m.heap, m.reverse = append(m.heap[:0], top), reverse
	for i := range m.sources {
		c := &m.sources[i]
		if c == top {
			continue
		}
		valid := false
		if reverse {
			valid = c.source.SeekLT(top.key)
		} else {
			valid = c.source.SeekGE(top.key)
		}
		if !m.push(c, valid) {
			return false
		}
	}
	return m.build()
}

// build makes a heap of what push has collected.
func (m *Merging) build() bool {
	m.switches += switchesPerSeek * max(0, len(m.heap)-1)
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	m.findSecond()
	return len(m.heap) > 0
}

// ahead reports whether a comes before b in the direction of m.
func (m *Merging) ahead(a, b *cursor) bool {
	order := key.Compare(a.key, b.key)
	if order == 0 {
		order = a.rank - b.rank
	}
	return (order < 0) != m.reverse
}

// sink moves heap[i] down to where the heap is in order again.
func (m *Merging) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if right := child + 1; right < len(m.heap) && m.ahead(m.heap[right], m.heap[child]) {
			child = right
		}
		if m.ahead(m.heap[i], m.heap[child]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

// findSecond restores the invariant of second.
func (m *Merging) findSecond() {
	switch {
	case len(m.heap) < 2:
		m.second = nil
	case len(m.heap) > 2 && m.ahead(m.heap[2], m.heap[1]):
		m.second = m.heap[2]
	default:
		m.second = m.heap[1]
	}
}
