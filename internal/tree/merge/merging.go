package merge

import (
	"errors"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// New returns an iterator over all entries of sources, which it owns from now on: Close closes them all. For a
// single source it returns that source itself; for none, an iterator that is always at its end.
func New(sources ...Iterator) Iterator { return new(Merging).Reset(sources...) }

// Merging is an Iterator over the entries of several sources. The zero value has no source. Reset makes it usable
// again, so that an owner who pools it allocates nothing.
//
// Sources are given newest first. No two sources hold the same internal key, because every operation has its own
// sequence number. Should they do so all the same, both entries appear, that of the newer source first; only a
// change of direction right at such a pair may skip or repeat one of them.
//
// The sources that are at an entry form a binary heap with the current entry on top. Most moves stay in the same
// source: the next entry of the top source still comes before all others. So the merge remembers the best of the
// other sources, and while the top source stays before it, a move costs one comparison and leaves the heap alone.
//
//	invariants at an entry, moving forward (backward: mirrored):
//	  heap[0] is at the current entry; every other source is at its first entry after the current one, or at its end
//	  heap[i] is ahead of heap[2i+1] and of heap[2i+2]
//	  second is the one of heap[1], heap[2] that is ahead, nil if the heap has one element
type Merging struct {
	sources  []cursor  // all sources, newest first
	heap     []*cursor // the sources at an entry; empty when the merge is at none
	second   *cursor
	reverse  bool // the sources are placed for moves backward
	switches int  // see Switches
	err      error

	// early says that a batch has left the sources one entry further than the current one, or at the end or error
	// there. The current entry is in last then.
	early bool
	last  Entry
}

// switchesPerSeek is what positioning one more source costs, counted in switches.
const switchesPerSeek = 8

// Switches is what m has spent since Reset because it has several sources instead of one. It counts changes from one
// source to another, each of which costs some hundred nanoseconds.
func (m *Merging) Switches() int { return m.switches }

// cursor is a source and the key it is at, kept here so that comparing two sources makes no calls.
type cursor struct {
	key    key.Internal // borrowed from source
	source Iterator
	rank   int // index in sources: the lower, the newer
}

// Reset makes m a merge of sources, which it owns from now on, and returns the iterator to use: m, or the source
// itself if there is only one. What m owned before must have been closed. The slice is not kept.
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
		return m.SeekLT(m.last.Key.Clone()) // rare: a reader of batches seldom turns round
	}
	if len(m.heap) == 0 || !m.reverse && !m.changeDirection(true) {
		return false
	}
	return m.step()
}

// step moves to the next entry in the direction that the sources are placed for.
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

// Extent implements Iterator.
func (m *Merging) Extent() (page.Reference, bool) {
	if m.early {
		return page.Reference{}, false
	}
	return m.heap[0].source.Extent()
}

// Chunk implements Iterator.
func (m *Merging) Chunk(dst []byte, n int) ([]byte, error) { return m.heap[0].source.Chunk(dst, n) }

// Rank is the index of the current entry's source among those given to Reset; 0 if there was only one. It must not
// be called right after a batch.
func (m *Merging) Rank() int {
	if len(m.heap) == 0 {
		return 0
	}
	return m.heap[0].rank
}

// NextBatch implements Iterator. A batch takes from the top source up to where the best of the others continues,
// then from that one, and so on, as long as a source keeps what it has lent when it moves on.
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

// PrevBatch implements Iterator. A batch takes from the top source alone.
func (m *Merging) PrevBatch(dst []Entry, end key.Internal) int {
	if !m.reverse {
		return 0
	}
	return m.took(dst, m.heap[0].source.PrevBatch(dst, m.nearer(end)))
}

// Pinned implements Iterator. No merge has another one as its source.
func (m *Merging) Pinned() bool { return false }

// nearer returns where a batch from the top source must end: at end, or where the best of the other sources is.
func (m *Merging) nearer(end key.Internal) key.Internal {
	if m.second == nil || !end.Zero() && (key.Compare(end, m.second.key) < 0) != m.reverse {
		return end
	}
	return m.second.key
}

// took records that the top source has moved over the first n entries of dst.
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

// sound reports whether a source that is at none has reached its end, rather than failed. If it failed, so does m.
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

// changeDirection places the other sources for the opposite direction. Each is beyond the current entry on one side
// and must go to the nearest entry on the other side. The top source stays at the current entry.
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
