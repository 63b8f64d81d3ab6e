package ranges

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// Around is Covering with a part of the keys, user among them, over all of which it is the answer: a walk asks again
// where it leaves that part.
func (s *Set) Around(user []byte, at key.SeqNum) (newest Tombstone, within span.Span) {
	newest = s.Covering(user, at)
	within = newest.Span // of no tombstone: all keys
	if next, ok := s.Next(user); ok {
		within = within.Intersect(span.Span{Hi: next})
	}
	if end := s.ending(user, at, newest.Seq, nil); end != nil {
		within = within.Intersect(span.Span{Lo: end})
	}
	return newest, within
}

// ending returns the last end, not behind user, of the tombstones that a reader at a sequence number sees and that are
// newer than another one. None of these is over user. It is last if none ends behind that.
func (s *Set) ending(user []byte, at, after key.SeqNum, last []byte) []byte {
	for s != nil && s.oldest <= at && s.newest > after {
		switch {
		case bytes.Compare(s.tombstone.Lo, user) > 0:
			s = s.left
			continue
		case s.hi != nil && bytes.Compare(s.hi, last) <= 0:
			return last
		}
		if t := s.tombstone; t.Seq <= at && t.Seq > after && t.Below(user) && bytes.Compare(t.Hi, last) > 0 {
			last = t.Hi
		}
		last = s.right.ending(user, at, after, last)
		s = s.left
	}
	return last
}
