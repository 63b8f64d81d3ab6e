// Package cover keeps from readers what was deleted by ranges. A Cover is the range tombstones that a reader sees: a
// point read asks it once. An Iterator is a source of a walk without the entries that one of them hides, so that
// whoever merges sources, and turns versions into keys and values, needs to know of no tombstones.
//
// It owns nothing. What tombstones are there it is told, and what it means that an entry is older than one of them is
// up to package visible. A Cover may be used by any number of goroutines, an Iterator by one at a time.
//
// # Why nothing is waded through
//
// A delete of a range costs the same, whatever lies in it. So there may be any number of entries that it hides, until
// they are flushed or compacted. A source knows where it has something that is newer than a tombstone (Ages): a walk
// that meets an entry which the tombstone hides goes on there, or at the end of the range. It goes step by step only
// where a source does not know better: between the first and the last key of a memtable that were written after the
// tombstone, and inside a table that has entries of both kinds.
package cover

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/visible"
)

// Cover is the range tombstones that a reader at a sequence number sees. The zero Cover has none.
type Cover struct {
	active, rest *ranges.Set
	at           key.SeqNum
}

// At returns the cover of the reader at a sequence number, from the tombstones of the active memtable, and of all else.
// Everything that it sees must be in them.
func At(at key.SeqNum, active, rest *ranges.Set) Cover { return Cover{active, rest, at} }

// Reader is who reads user.
func (c Cover) Reader(user []byte) visible.Reader {
	r := visible.Reader{Seq: c.at}
	if c.active != nil || c.rest != nil {
		r.Deleted = max(c.active.Covering(user, c.at).Seq, c.rest.Covering(user, c.at).Seq)
	}
	return r
}

// Iterators returns n Iterators to be Reset, in the memory of spare as far as that suffices, or none if no tombstone is
// over any key of s.
func (c Cover) Iterators(spare []Iterator, n int, s span.Span) []Iterator {
	switch {
	case !c.touches(s):
		return spare[:0]
	case cap(spare) < n:
		return make([]Iterator, n)
	}
	return spare[:n]
}

// touches reports whether a tombstone is over any key of s.
func (c Cover) touches(s span.Span) bool {
	return c.active.Overlaps(s, 0, c.at) || c.rest.Overlaps(s, 0, c.at)
}

// around is ranges.Set.Around.
func (c Cover) around(user []byte) (newest ranges.Tombstone, within span.Span) {
	newest, within = c.rest.Around(user, c.at)
	if c.active == nil {
		return newest, within
	}
	t, part := c.active.Around(user, c.at)
	if t.Seq > newest.Seq {
		newest = t
	}
	return newest, within.Intersect(part)
}

// Ages is what a source knows of the ages of its entries.
type Ages interface {
	// Older reports whether there may be an entry in the range of t that is older than t.
	Older(t ranges.Tombstone) bool

	// Newer returns where in the range of t, from a key on, forward or backward, the next entry may be that is newer
	// than t. some is false if there is none.
	Newer(t ranges.Tombstone, from []byte, backward bool) (next []byte, some bool)
}

// afterVersions is the internal key that sorts after every version of user. No operation has sequence number 0.
func afterVersions(user []byte) key.Internal { return key.Make(user, 0, key.KindDelete) }

// nearer returns the bound of a batch, forward, that ends before end and before what is not in s.
func nearer(end key.Internal, s span.Span) key.Internal {
	if s.Hi == nil || !end.Zero() && bytes.Compare(end.User, s.Hi) < 0 {
		return end
	}
	return key.SeekTo(s.Hi, key.MaxSeqNum)
}

// nearerBackward is nearer for a batch backward.
func nearerBackward(end key.Internal, s span.Span) key.Internal {
	if len(s.Lo) == 0 || !end.Zero() && bytes.Compare(end.User, s.Lo) >= 0 {
		return end
	}
	return key.SeekTo(s.Lo, key.MaxSeqNum)
}
