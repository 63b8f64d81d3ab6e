package tables

import (
	"bytes"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// Run is disjoint tables by key: a deeper level, or a run of level 0.
type Run struct {
	refs  []*Ref
	heads []uint64 // key.Head of each table's largest key: the search touches only these
}

// NewRun returns refs as a run.
func NewRun(refs []*Ref) Run {
	r := Run{refs: refs, heads: make([]uint64, len(refs))}
	for i, t := range refs {
		r.heads[i] = key.Head(t.meta.Largest, 0)
	}
	return r
}

// Find returns the one table of the run that may hold user, or nil.
func (r *Run) Find(user []byte) *Ref {
	if i := r.search(user); i < len(r.refs) {
		return r.refs[i]
	}
	return nil
}

// search returns the index of the first table that reaches user, or the number of tables.
func (r *Run) search(user []byte) int {
	head := key.Head(user, 0)
	i, _ := slices.BinarySearch(r.heads, head)
	for i < len(r.heads) && r.heads[i] == head && bytes.Compare(r.refs[i].meta.Largest, user) < 0 {
		i++
	}
	return i
}

// Within returns the tables that may hold keys of s.
func (r *Run) Within(s span.Span) []*Ref {
	first, end := 0, len(r.refs)
	if s.Lo != nil {
		first = r.search(s.Lo)
	}
	if s.Hi != nil {
		end = min(r.search(s.Hi)+1, end) // the last one reaches hi, and may begin before it
		if first < end && s.Below(r.refs[end-1].meta.Smallest) {
			end--
		}
	}
	return r.refs[first:max(first, end)]
}

// Tables are the tables of the run by key. They belong to it.
func (r *Run) Tables() []*Ref { return r.refs }
