package table

import (
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/leafindex"
)

// countDescent makes r's leaf index when as many seeks have descended the inner pages as there are inner pages: a
// table that is seldom read does not have all of them read for a single seek. If something prevents the leaf index,
// the descent will report it.
func (r *Reader) countDescent() {
	inners := int64(r.foot.inners)
	if r.descents.Load() < inners && r.descents.Add(1) == inners {
		x := r.makeLeafIndex()
		r.leafIndex.Store(x)
		if r.grown != nil && x != nil {
			r.grown(x.Bytes())
		}
	}
}

// makeLeafIndex reads the inner pages over the leaves, which come first and in order. It returns nil if it fails.
func (r *Reader) makeLeafIndex() *leafindex.Index {
	leaves := int(r.foot.leaves)
	x := leafindex.New(r.props.Smallest, r.props.Largest, leaves)
	for n := leaves; n < r.first && x.Leaves() < leaves; n++ {
		pin, err := r.pages.Pin(n)
		if err != nil {
			return nil
		}
		p := page.View(pin.Data())
		ok := x.Add(&p)
		pin.Unpin()
		if !ok {
			return nil
		}
	}
	if x.Leaves() != leaves || !x.Sorted() {
		return nil
	}
	return x
}
