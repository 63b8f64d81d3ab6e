package memtable

import "lightningdb/internal/tree/ranges"

// Ranges is the set of the range tombstones in m, as of the last batch.
func (m *Table) Ranges() *ranges.Set { return m.ranges.Load() }

// AddRange adds a range tombstone, which is newer than all that m holds, and of which it copies the bounds. Only the
// writer may call it.
func (m *Table) AddRange(t ranges.Tombstone) {
	t.Span = t.Clone()
	m.since.add(t)
	m.ranges.Store(m.ranges.Load().With(t))
}

// IsEmpty reports whether m has neither entries nor range tombstones, as of the last batch.
func (m *Table) IsEmpty() bool { return m.Count() == 0 && m.Ranges() == nil }
