package memtable

import (
	"bytes"
	"slices"
	"sync/atomic"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/ranges"
)

// since is what a table knows of its age: so a walk that meets what a range tombstone hides goes to where there is
// something newer at once. It is memory of the heap. Readers take no lock.
type since struct {
	recent atomic.Pointer[[]*recent] // nil if there are no tombstones
	oldest atomic.Uint64             // sequence number of the first operation in the table
}

func (s *since) forget() {
	s.recent.Store(nil)
	s.oldest.Store(uint64(key.MaxSeqNum))
}

// begin notes that the operations from first on come to the table.
func (s *since) begin(first key.SeqNum) {
	if uint64(first) < s.oldest.Load() {
		s.oldest.Store(uint64(first))
	}
}

// maxRecent bounds of how many tombstones a table knows what was written into them since: each of them is asked at each
// operation.
const maxRecent = 8

// recent is a tombstone, and the keys in its range that were written after it.
type recent struct {
	ranges.Tombstone
	ends atomic.Uint64 // ref of the first of them << 32 | ref of the last; 0 if there is none
}

// add adds a tombstone, which is newer than all that is in the table.
func (s *since) add(t ranges.Tombstone) {
	var next []*recent
	if last := s.recent.Load(); last != nil {
		// Of what lies in t only readers of the past ask.
		next = slices.DeleteFunc(slices.Clone(*last), func(r *recent) bool { return t.Holds(r.Span) })
	}
	if next = append(next, &recent{Tombstone: t}); len(next) > maxRecent {
		next = next[1:]
	}
	s.recent.Store(&next)
}

// noteSince notes that user has a version that is newer than all tombstones, at e, before readers may see it.
func (m *Table) noteSince(user []byte, e ref) {
	for _, r := range *m.since.recent.Load() {
		if r.Contains(user) {
			r.extend(m, user, e)
		}
	}
}

func (r *recent) extend(m *Table, user []byte, e ref) {
	first, last, some := r.keys(m)
	ends := r.ends.Load()
	if !some || bytes.Compare(user, first) < 0 {
		ends = uint64(e)<<32 | ends&(1<<32-1)
	}
	if !some || bytes.Compare(user, last) > 0 {
		ends = ends&^(1<<32-1) | uint64(e)
	}
	r.ends.Store(ends)
}

// keys returns the first and the last of the keys that were written after r; some is false if none was.
func (r *recent) keys(m *Table) (first, last []byte, some bool) {
	ends := r.ends.Load()
	if ends == 0 {
		return nil, nil, false
	}
	return m.userKey(ref(ends >> 32)), m.userKey(ref(ends)), true
}

// Older reports whether the table may have entries that are older than t.
func (m *Table) Older(t ranges.Tombstone) bool { return key.SeqNum(m.since.oldest.Load()) < t.Seq }

// Newer returns where in the range of t, from a key on, forward or backward, the table may have the next entry that is
// newer than t and that a reader may see who sees t. some is false if it has none.
func (m *Table) Newer(t ranges.Tombstone, from []byte, backward bool) (next []byte, some bool) {
	if m.Ranges().Covering(t.Lo, t.Seq).Seq != t.Seq { // it was committed before or after all that is here
		return from, !m.Older(t)
	}
	for _, r := range *m.since.recent.Load() {
		if r.Seq == t.Seq {
			return r.next(m, from, backward)
		}
	}
	return from, true
}

func (r *recent) next(m *Table, from []byte, backward bool) (next []byte, some bool) {
	first, last, some := r.keys(m)
	order := 1
	if backward {
		first, last, order = last, first, -1
	}
	switch {
	case !some || bytes.Compare(from, last)*order > 0:
		return nil, false
	case bytes.Compare(from, first)*order < 0:
		return first, true
	}
	return from, true
}
