package tables

import (
	"bytes"
	"sort"

	"lightningdb/internal/tree/cover"
	"lightningdb/internal/tree/ranges"
)

// Ages is disjoint tables by key, and what is known of the ages of their entries without opening them.
type Ages []*Ref

var _ cover.Ages = Ages(nil)

// reaching returns the index of the first table that has user, or a key behind it.
func (a Ages) reaching(user []byte) int {
	return sort.Search(len(a), func(i int) bool { return bytes.Compare(a[i].meta.Largest, user) >= 0 })
}

// Older implements cover.Ages.
func (a Ages) Older(t ranges.Tombstone) bool {
	for _, r := range a[a.reaching(t.Lo):] {
		if t.Below(r.meta.Smallest) {
			break
		}
		if r.meta.SmallestSeq < t.Seq {
			return true
		}
	}
	return false
}

// Newer implements cover.Ages.
func (a Ages) Newer(t ranges.Tombstone, from []byte, backward bool) (next []byte, some bool) {
	if backward {
		return a.newerBackward(t, from)
	}
	for _, r := range a[a.reaching(from):] {
		switch {
		case t.Below(r.meta.Smallest):
			return nil, false
		case r.meta.LargestSeq >= t.Seq && bytes.Compare(r.meta.Smallest, from) <= 0:
			return from, true
		case r.meta.LargestSeq >= t.Seq:
			return r.meta.Smallest, true
		}
	}
	return nil, false
}

func (a Ages) newerBackward(t ranges.Tombstone, from []byte) (next []byte, some bool) {
	n := sort.Search(len(a), func(i int) bool { return bytes.Compare(a[i].meta.Smallest, from) > 0 })
	for n--; n >= 0; n-- {
		meta := a[n].meta
		switch {
		case bytes.Compare(meta.Largest, t.Lo) < 0:
			return nil, false
		case meta.LargestSeq >= t.Seq && bytes.Compare(meta.Largest, from) >= 0:
			return from, true
		case meta.LargestSeq >= t.Seq:
			return meta.Largest, true
		}
	}
	return nil, false
}
