package table

import (
	"bytes"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// leafIndex leads to leaves without inner pages: eight bytes of each leaf's separator in one array, 1/1000 of the
// data. Using it, a seek is a search in memory that is mostly in the processor's caches, instead of a pinned page
// and its misses for each level.
//
//	invariant: heads ascend, not strictly; heads[i] is of the separator before leaf i
type leafIndex struct {
	prefix []byte   // common to all separators and all keys
	heads  []uint64 // key.Head of each separator after prefix
}

// leafIndexEntryBytes is the size of a leaf index for each leaf.
const leafIndexEntryBytes = 8

// leafFor returns the leaf in which user belongs. decided is false if the heads cannot tell, because the separator
// of some leaf begins with the same bytes as user.
func (x *leafIndex) leafFor(user []byte) (leaf int, decided bool) {
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

// countDescent makes r's leaf index when as many seeks have descended the inner pages as there are inner pages: a
// table that is seldom read does not have all of them read for a single seek. If something prevents the leaf index,
// the descent will report it.
func (r *Reader) countDescent() {
	inners := int64(r.foot.inners)
	if r.descents.Load() < inners && r.descents.Add(1) == inners {
		x := r.makeLeafIndex()
		r.leafIndex.Store(x)
		if r.grown != nil && x != nil {
			r.grown(x.bytes())
		}
	}
}

// bytes is how much memory x takes; nothing while there is none.
func (x *leafIndex) bytes() int64 {
	if x == nil {
		return 0
	}
	return int64(cap(x.heads)) * leafIndexEntryBytes
}

// makeLeafIndex reads the inner pages over the leaves, which come first and in order. It returns nil if it fails.
func (r *Reader) makeLeafIndex() *leafIndex {
	smallest, largest := r.props.Smallest, r.props.Largest // separators lie between them
	x := &leafIndex{prefix: smallest[:key.CommonPrefix(smallest, largest)], heads: make([]uint64, 0, r.foot.leaves)}
	for n := int(r.foot.leaves); n < r.first && len(x.heads) < int(r.foot.leaves); n++ {
		pin, err := r.pages.Pin(n)
		if err != nil {
			return nil
		}
		p := page.View(pin.Data())
		ok := x.add(&p)
		pin.Unpin()
		if !ok {
			return nil
		}
	}
	if len(x.heads) != int(r.foot.leaves) || !slices.IsSorted(x.heads) {
		return nil
	}
	return x
}

// add adds the leaves under p. It returns false if the next ones are not there.
func (x *leafIndex) add(p *page.Page) bool {
	for i := range p.Len() {
		e := p.Entry(i)
		if int(p.Child(i)) != len(x.heads) || !bytes.HasPrefix(e.Key.User, x.prefix) {
			return false
		}
		x.heads = append(x.heads, key.Head(e.Key.User, len(x.prefix)))
	}
	return true
}
