package manifest

import (
	"bytes"
	"sort"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/ranges"
)

// A range tombstone is in no table: the version has it, once, whatever tables its span covers. It joins with the edit
// of the flush of its memtable, and leaves with another edit, once no table has an entry that it hides. Bounds and
// smallest number of a table would say for ever that there may be one, if the table has old entries on either side of
// the span. So it is known of each table which tombstones were applied to its entries when it was written.

// MayHold reports whether m may have an entry that t hides.
func (m *TableMeta) MayHold(t ranges.Tombstone) bool {
	return m.SmallestSeq < t.Seq && m.Cleared < t.Seq && m.Touches(t.Span)
}

// Touches reports whether m may have user keys in s.
func (m *TableMeta) Touches(s span.Span) bool {
	return bytes.Compare(m.Largest, s.Lo) >= 0 && !s.Below(m.Smallest)
}

// LiesIn reports whether all user keys of m are in s.
func (m *TableMeta) LiesIn(s span.Span) bool { return s.Contains(m.Smallest) && s.Contains(m.Largest) }

// Touching returns the tables of a level that may have user keys in s.
func (v *Version) Touching(level int, s span.Span) []*TableMeta {
	tables := v.Levels[level]
	if level == 0 {
		var touching []*TableMeta
		for _, t := range tables {
			if t.Touches(s) {
				touching = append(touching, t)
			}
		}
		return touching
	}
	from := sort.Search(len(tables), func(i int) bool { return bytes.Compare(tables[i].Largest, s.Lo) >= 0 })
	to := sort.Search(len(tables), func(i int) bool { return s.Below(tables[i].Smallest) })
	return tables[from:max(from, to)]
}

// Needs reports whether a table of v may have an entry that t hides. Without t it would come back.
func (v *Version) Needs(t ranges.Tombstone) bool {
	for level := range v.Levels {
		for _, table := range v.Touching(level, t.Span) {
			if table.MayHold(t) {
				return true
			}
		}
	}
	return false
}

// Needless returns the range tombstones of v that hide nothing, and that all see who read at oldest or later. A
// memtable has nothing for them to hide: what is in it is newer than all that was flushed. A reader that stands below
// one may yet ask what has changed since.
func (v *Version) Needless(oldest key.SeqNum) (needless []ranges.Tombstone) {
	for t := range v.Ranges.All() {
		if t.Seq <= oldest && !v.Needs(t) {
			needless = append(needless, t)
		}
	}
	return needless
}

// applyRanges takes range tombstones out and puts others in.
func (b *builder) applyRanges(e *Edit) error {
	v := &b.version
	for _, t := range e.RangesRemoved {
		before := v.Ranges.Len()
		if v.Ranges = v.Ranges.Without(t); v.Ranges.Len() == before {
			return impossible("removes range tombstone %d, which is not there", t.Seq)
		}
	}
	for _, t := range e.RangesAdded {
		switch {
		case t.Empty():
			return impossible("adds range tombstone %d over no key", t.Seq)
		case !possibleKey(t.Lo) || !possibleKey(t.Hi):
			return impossible("adds range tombstone %d with an impossible key", t.Seq)
		case t.Seq == 0 || t.Seq > v.LastSeq:
			return impossible("adds range tombstone %d, the last sequence number is %d", t.Seq, v.LastSeq)
		}
		before := v.Ranges.Len()
		if v.Ranges = v.Ranges.With(t); v.Ranges.Len() == before {
			return impossible("adds range tombstone %d, which is there", t.Seq)
		}
	}
	return nil
}

// checkRanges refuses a version in which something comes back that one of removed has hidden.
func (v *Version) checkRanges(removed []ranges.Tombstone) error {
	for _, t := range removed {
		if v.Needs(t) {
			return impossible("removes range tombstone %d, which may hide entries", t.Seq)
		}
	}
	return nil
}

// appendRange appends a range tombstone to dst.
func appendRange(dst []byte, t ranges.Tombstone) []byte {
	return appendKey(appendKey(appendUvarints(dst, uint64(t.Seq)), t.Lo), t.Hi)
}

// decodeRange is the inverse of appendRange. No span ends at the empty key, so that stands for an open end.
func decodeRange(c *cursor) ranges.Tombstone {
	t := ranges.Tombstone{Seq: key.SeqNum(c.uvarint())}
	t.Lo = append([]byte{}, c.bytes()...)
	if hi := c.bytes(); len(hi) > 0 {
		t.Hi = append([]byte{}, hi...)
	}
	return t
}
