// Package ranges is sets of range tombstones: what a delete of a range leaves, once, for all keys that lie in it. It
// knows which of them are over a key or a span, and not what that means to an entry, which is up to package visible.
//
// # Form
//
// A Set never changes: With, Without and Join return another one, which shares with the old what both have. So a reader
// that has loaded one goes on with it while commits make others, and each costs the logarithm of how many there are.
//
// It is a treap: a tree of search by lower end and sequence number, and a heap by a number that is drawn from these
// two, so that there is one form for each content (Aragon and Seidel, "Randomized search trees", 1989). Each node knows
// how far what is under it reaches and how new it is, as an interval tree does (Cormen et al., "Introduction to
// Algorithms", 14.3), so that a question passes by what cannot answer it. Others cut tombstones into fragments that do
// not overlap; of those that lie within one another that takes the square of their number.
//
// # Memory
//
// A Set borrows the bounds of its tombstones, which are never changed. Any number of goroutines may use one.
package ranges

import (
	"bytes"
	"cmp"
	"iter"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// Tombstone says that the keys of a span were deleted by the operation with a sequence number: all versions that are
// older. The zero Tombstone is none.
type Tombstone struct {
	span.Span
	Seq key.SeqNum
}

// Compare orders tombstones by lower end, sequence number, and upper end.
func Compare(a, b Tombstone) int {
	if c := cmp.Or(bytes.Compare(a.Lo, b.Lo), cmp.Compare(a.Seq, b.Seq)); c != 0 {
		return c
	}
	return span.CompareEnds(a.Hi, b.Hi)
}

// Set is a set of tombstones, none over an empty span. A nil Set is the empty one; there is no other.
type Set struct {
	tombstone   Tombstone
	left, right *Set
	priority    uint64 // not below that of left and right

	// Of the tombstone and what is under it:
	count          int
	bytes          int64
	hi             []byte // the last upper end
	oldest, newest key.SeqNum
}

// overheadBytes is what a tombstone takes besides its bounds.
const overheadBytes = 176

// Of returns the set of tombstones.
func Of(tombstones ...Tombstone) *Set {
	var s *Set
	for _, t := range tombstones {
		s = s.With(t)
	}
	return s
}

// draw returns the priority of t.
func draw(t Tombstone) uint64 { return key.Hash(t.Lo) ^ uint64(t.Seq)*0x9e3779b97f4a7c15 }

// node returns the set of t, left, which is before it, and right, which is behind. Both have lower priorities.
func node(t Tombstone, priority uint64, left, right *Set) *Set {
	s := &Set{tombstone: t, priority: priority, left: left, right: right, count: 1, hi: t.Hi, oldest: t.Seq, newest: t.Seq}
	s.bytes = int64(overheadBytes + len(t.Lo) + len(t.Hi))
	for _, under := range [...]*Set{left, right} {
		if under == nil {
			continue
		}
		s.count += under.count
		s.bytes += under.bytes
		if span.CompareEnds(under.hi, s.hi) > 0 {
			s.hi = under.hi
		}
		s.oldest, s.newest = min(s.oldest, under.oldest), max(s.newest, under.newest)
	}
	return s
}

// under returns s with other sets under its tombstone.
func (s *Set) under(left, right *Set) *Set { return node(s.tombstone, s.priority, left, right) }

// With returns s and t.
func (s *Set) With(t Tombstone) *Set {
	if t.Empty() {
		return s
	}
	return s.insert(t, draw(t))
}

func (s *Set) insert(t Tombstone, priority uint64) *Set {
	switch {
	case s == nil:
		return node(t, priority, nil, nil)
	case Compare(t, s.tombstone) == 0:
		return s
	case priority > s.priority:
		left, right := s.split(t)
		return node(t, priority, left, right)
	case Compare(t, s.tombstone) < 0:
		return s.under(s.left.insert(t, priority), s.right)
	}
	return s.under(s.left, s.right.insert(t, priority))
}

// split returns what is before t, which is not in s, and what is behind it.
func (s *Set) split(t Tombstone) (before, behind *Set) {
	if s == nil {
		return nil, nil
	}
	if Compare(t, s.tombstone) < 0 {
		before, rest := s.left.split(t)
		return before, s.under(rest, s.right)
	}
	rest, behind := s.right.split(t)
	return s.under(s.left, rest), behind
}

// Without returns s without t.
func (s *Set) Without(t Tombstone) *Set {
	if s == nil {
		return nil
	}
	switch c := Compare(t, s.tombstone); {
	case c == 0:
		return s.left.append(s.right)
	case c < 0:
		if left := s.left.Without(t); left != s.left {
			return s.under(left, s.right)
		}
	default:
		if right := s.right.Without(t); right != s.right {
			return s.under(s.left, right)
		}
	}
	return s
}

// append returns s and o, which is behind it.
func (s *Set) append(o *Set) *Set {
	switch {
	case s == nil:
		return o
	case o == nil:
		return s
	case s.priority > o.priority:
		return s.under(s.left, s.right.append(o))
	}
	return o.under(s.append(o.left), o.right)
}

// Join returns the tombstones of both sets. It costs what the smaller one has.
func (s *Set) Join(o *Set) *Set {
	if s.Len() < o.Len() {
		s, o = o, s
	}
	for t := range o.All() {
		s = s.With(t)
	}
	return s
}

// UpTo returns the tombstones of s that a reader at a sequence number sees.
func (s *Set) UpTo(at key.SeqNum) *Set {
	if s.Newest() <= at {
		return s
	}
	var seen *Set
	for t := range s.Overlapping(span.Span{}, 0, at) {
		seen = seen.With(t)
	}
	return seen
}

// Len is the number of tombstones.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.count
}

// Bytes is about what the set takes in memory, with the bounds.
func (s *Set) Bytes() int64 {
	if s == nil {
		return 0
	}
	return s.bytes
}

// Newest is the greatest sequence number in the set, 0 if that is empty.
func (s *Set) Newest() key.SeqNum {
	if s == nil {
		return 0
	}
	return s.newest
}

// Covering returns the newest tombstone over user of those that a reader at a sequence number sees. Its own is 0 if
// there is none.
func (s *Set) Covering(user []byte, at key.SeqNum) (newest Tombstone) {
	if s != nil {
		s.covering(user, at, &newest)
	}
	return newest
}

// covering lets newest become a tombstone of s if one is newer.
func (s *Set) covering(user []byte, at key.SeqNum, newest *Tombstone) {
	for s != nil && s.oldest <= at && s.newest > newest.Seq && (s.hi == nil || bytes.Compare(s.hi, user) > 0) {
		if bytes.Compare(s.tombstone.Lo, user) > 0 {
			s = s.left
			continue
		}
		if t := s.tombstone; t.Seq <= at && t.Seq > newest.Seq && !t.Below(user) {
			*newest = t
		}
		s.left.covering(user, at, newest)
		s = s.right
	}
}

// Next returns where the first tombstone begins that begins behind user. ok is false if none does.
func (s *Set) Next(user []byte) (lo []byte, ok bool) {
	for s != nil {
		if bytes.Compare(s.tombstone.Lo, user) > 0 {
			lo, ok, s = s.tombstone.Lo, true, s.left
		} else {
			s = s.right
		}
	}
	return lo, ok
}

// All yields the tombstones in the order of Compare.
func (s *Set) All() iter.Seq[Tombstone] { return s.Overlapping(span.Span{}, 0, key.MaxSeqNum) }

// Overlapping yields the tombstones that have a key in common with among, and a sequence number above after and up to
// upTo, in the order of Compare.
func (s *Set) Overlapping(among span.Span, after, upTo key.SeqNum) iter.Seq[Tombstone] {
	return func(yield func(Tombstone) bool) {
		if !among.Empty() {
			s.overlapping(among, after, upTo, yield)
		}
	}
}

// Overlaps reports whether Overlapping yields any.
func (s *Set) Overlaps(among span.Span, after, upTo key.SeqNum) bool {
	if s == nil {
		return false
	}
	for range s.Overlapping(among, after, upTo) {
		return true
	}
	return false
}

// overlapping reports whether yield wants more.
func (s *Set) overlapping(among span.Span, after, upTo key.SeqNum, yield func(Tombstone) bool) bool {
	switch {
	case s == nil || s.newest <= after || s.oldest > upTo || s.hi != nil && bytes.Compare(s.hi, among.Lo) <= 0:
		return true
	case !s.left.overlapping(among, after, upTo, yield):
		return false
	case among.Below(s.tombstone.Lo):
		return true
	}
	t := s.tombstone
	wanted := t.Seq > after && t.Seq <= upTo && t.Overlaps(among)
	return (!wanted || yield(t)) && s.right.overlapping(among, after, upTo, yield)
}
