package memtable

import "lightningdb/internal/offheap"

// The first touch of a page of fresh memory waits for the system, for longer than all else that an insert does. So another
// goroutine touches the pages before the writer comes to them: as many bytes as there are entries, which keeps a small
// database small, from populateFrom on and up to aheadMax. That is what a writer at full speed fills in 50 ms.
const (
	populateFrom  = 256 << 10
	aheadMax      = 8 << 20
	populatePiece = 2 << 20 // a huge page
)

// WantsMemory reports whether the entries have come near the end of the memory that is ready, so that Populate has something
// to do. For the writer only.
func (m *Table) WantsMemory() bool {
	ahead := m.ahead(m.arena.next)
	return ahead > 0 && m.ready.Load() < int64(min(m.arena.next+ahead/2, m.Size()))
}

// ahead is how much memory behind used bytes should be ready.
func (m *Table) ahead(used int) int {
	entries := used - m.index.size()
	if entries < populateFrom {
		return 0
	}
	return min(entries, aheadMax)
}

// Populate makes a piece of the memory ready that the next entries will need, and the index, which they need all at once. It
// reports false if all is ready for now. One goroutine at a time may call it, beside the writer and readers.
func (m *Table) Populate() bool {
	used, ready := m.Used(), int(m.ready.Load())
	ahead := m.ahead(used)
	end := min(used+ahead, m.Size())
	if ready >= m.index.size() {
		ready = max(ready, used) // the writer was faster
	}
	if ahead == 0 || ready >= end {
		return false
	}
	next := min(ready+populatePiece, m.Size())
	offheap.Populate(m.arena.memory[ready:next])
	m.ready.Store(int64(next))
	return true
}
