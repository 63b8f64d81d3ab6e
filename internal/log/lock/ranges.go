package lock

import (
	"bytes"
	"slices"
)

// keyRange is the keys in [lo, hi). A nil hi is open; an open lo is the empty key.
type keyRange struct{ lo, hi []byte }

// ranges is a set of keys: ranges in ascending order that neither overlap nor touch.
type ranges []keyRange

// add puts the keys in [lo, hi) into the set. It copies lo and hi.
func (r *ranges) add(lo, hi []byte) {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return
	}
	from, _ := slices.BinarySearchFunc(*r, lo, func(e keyRange, lo []byte) int { return compareEnd(e.hi, lo) })
	to := from
	for to < len(*r) && (hi == nil || bytes.Compare((*r)[to].lo, hi) <= 0) {
		to++
	}
	joined := keyRange{lo: bytes.Clone(lo), hi: bytes.Clone(hi)}
	if from < to {
		joined = join(joined, (*r)[from], (*r)[to-1])
	}
	if from == to { // not slices.Replace: a copy of it for this type is 10 KB of every program
		*r = append(*r, keyRange{})
		copy((*r)[from+1:], (*r)[from:])
		to++
	}
	(*r)[from] = joined
	*r = slices.Delete(*r, from+1, to)
}

// join widens e to the lower bound of first and the upper bound of last.
func join(e, first, last keyRange) keyRange {
	if bytes.Compare(first.lo, e.lo) < 0 {
		e.lo = first.lo
	}
	if e.hi != nil && compareEnd(last.hi, e.hi) > 0 {
		e.hi = last.hi
	}
	return e
}

// contain reports whether key is in the set.
func (r ranges) contain(key []byte) bool {
	after, exact := slices.BinarySearchFunc(r, key, func(e keyRange, key []byte) int { return bytes.Compare(e.lo, key) })
	if exact {
		return true
	}
	return after > 0 && compareEnd(r[after-1].hi, key) > 0
}

// compareEnd compares an upper bound, which may be open, with a key.
func compareEnd(hi, key []byte) int {
	if hi == nil {
		return 1
	}
	return bytes.Compare(hi, key)
}
