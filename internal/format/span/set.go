package span

import (
	"bytes"
	"slices"
)

// Set is a set of keys: spans in ascending order, none of them empty, that neither overlap nor touch. So there is one
// Set for each set of keys that spans can make. The zero value is empty.
//
// A Set comes about in one of two ways. Add keeps the order at each step, for sets that are asked all the time. Union
// puts spans in order that were gathered without any, for sets that are rarely asked: a gathered span costs an append.
type Set []Span

// Union makes a Set of all keys that lie in any of spans. It puts the set where spans are, and borrows their bounds.
func Union(spans []Span) Set {
	slices.SortFunc(spans, func(a, b Span) int { return bytes.Compare(a.Lo, b.Lo) })
	joined := spans[:0]
	for _, s := range spans {
		switch n := len(joined); {
		case s.Empty():
		case n == 0 || joined[n-1].compareHi(s.Lo) < 0:
			joined = append(joined, s)
		default:
			joined[n-1] = join(joined[n-1], s)
		}
	}
	clear(spans[len(joined):])
	return joined
}

// Add puts the keys of added into the set. It copies the bounds.
func (s *Set) Add(added Span) {
	if added.Empty() {
		return
	}
	from, _ := slices.BinarySearchFunc(*s, added.Lo, Span.compareHi) // the first one that reaches added
	to := from
	for to < len(*s) && added.compareHi((*s)[to].Lo) >= 0 {
		to++
	}
	joined := added.Clone()
	if from < to {
		joined = join(join(joined, (*s)[from]), (*s)[to-1])
	}
	*s = slices.Replace(*s, from, to, joined)
}

// Contains reports whether key is in the set.
func (s Set) Contains(key []byte) bool {
	i, found := slices.BinarySearchFunc(s, key, func(e Span, key []byte) int { return bytes.Compare(e.Lo, key) })
	return found || i > 0 && !s[i-1].Below(key)
}

// Meet returns the first key that lies in both s and o. ok is false if none does. It borrows a bound.
func (s Set) Meet(o Set) (key []byte, ok bool) {
	for len(s) > 0 && len(o) > 0 {
		both := s[0].Intersect(o[0])
		switch {
		case !both.Empty():
			return both.Lo, true
		case o[0].Below(s[0].Lo):
			o = o[1:]
		default:
			s = s[1:]
		}
	}
	return nil, false
}

// Bytes is the length of all bounds together.
func (s Set) Bytes() (n int) {
	for _, e := range s {
		n += len(e.Lo) + len(e.Hi)
	}
	return n
}

// Coarsen joins neighbours until at most limit spans are left, limit being at least 1. What lay between them is in the
// set then, too; nothing before its first or after its last key is. It puts the set where s is.
func (s Set) Coarsen(limit int) Set {
	if len(s) <= limit {
		return s
	}
	joined := s[:0]
	for part := range slices.Chunk(s, (len(s)+limit-1)/limit) {
		joined = append(joined, join(part[0], part[len(part)-1]))
	}
	clear(s[len(joined):])
	return joined
}
