// Package leafindex leads to the leaves of a table without its inner pages.
//
// An Index is eight bytes of each leaf's separator in one array, 1/1000 of the data. Using it, a seek is a search in
// memory that is mostly in the processor's caches, instead of a pinned page and its misses for each level.
//
//	invariant: heads ascend, not strictly; heads[i] is of the separator before leaf i
package leafindex

import (
	"bytes"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// Index is the separators of the leaves of one table. Once it is Complete it never changes.
type Index struct {
	prefix []byte   // common to all separators and all keys
	heads  []uint64 // key.Head of each separator after prefix
}

// entryBytes is the size of an index for each leaf.
const entryBytes = 8

// New returns an empty index for a table of that many leaves and the user keys from smallest to largest, between which
// the separators lie. It keeps a part of smallest.
func New(smallest, largest []byte, leaves int) *Index {
	return &Index{prefix: smallest[:key.CommonPrefix(smallest, largest)], heads: make([]uint64, 0, leaves)}
}

// Add adds the leaves under p, the next page over the leaves. It returns false if the next ones are not there.
func (x *Index) Add(p *page.Page) bool {
	for i := range p.Len() {
		e := p.Entry(i)
		if int(p.Child(i)) != len(x.heads) || !bytes.HasPrefix(e.Key.User, x.prefix) {
			return false
		}
		x.heads = append(x.heads, key.Head(e.Key.User, len(x.prefix)))
	}
	return true
}

// Leaves is the number of leaves added.
func (x *Index) Leaves() int { return len(x.heads) }

// Sorted reports whether the separators are in order, as LeafFor needs them.
func (x *Index) Sorted() bool { return slices.IsSorted(x.heads) }

// LeafFor returns the leaf in which user belongs. decided is false if the heads cannot tell, because the separator
// of some leaf begins with the same bytes as user.
func (x *Index) LeafFor(user []byte) (leaf int, decided bool) {
	switch c := bytes.Compare(user[:min(len(user), len(x.prefix))], x.prefix); {
	case c < 0:
		return 0, true
	case c > 0:
		return len(x.heads) - 1, true
	}
	h := key.Head(user, len(x.prefix))
	for n := len(x.heads); n > 1; { // heads[leaf] is the last one up to h, or the first; no branch to mispredict
		half := n / 2
		if x.heads[leaf+half] <= h {
			leaf += half
		}
		n -= half
	}
	return leaf, x.heads[leaf] != h
}

// Bytes is how much memory x takes; nothing while there is none.
func (x *Index) Bytes() int64 {
	if x == nil {
		return 0
	}
	return int64(cap(x.heads)) * entryBytes
}
