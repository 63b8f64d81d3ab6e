package tree

import (
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/visible"
)

// Gaps are spans in which iterators have found nothing: see package gap. A commit that gives a value to a key in one
// ends it, after Apply or the edit that adds its tables, and before Publish. Point reads do not need gaps. The check
// of a commit looks only at what is outside of them.

// scanGaps is an Iterator as seen by its walk.
type scanGaps Iterator

var _ gap.Known = (*scanGaps)(nil)

// Find implements gap.Known.
func (s *scanGaps) Find(user []byte, seq key.SeqNum) (found span.Span, ok bool) {
	return s.tree.gaps.Find(user, seq)
}

// Found implements gap.Known.
func (s *scanGaps) Found(walked span.Span, _ key.SeqNum) { s.tree.noteGap(walked, &s.hold) }

// noteGap makes s a gap, in which a reader has found nothing at r, unless something has been put there since. A
// reader whose registration has expired may have missed what was dropped. An error here does not concern the reader:
// it has seen all that it wanted.
func (tr *Tree) noteGap(s span.Span, r *readers.Registration) {
	if tr.gate.Enter() != nil { // the database closes: nobody will ask
		return
	}
	defer tr.gate.Leave()
	claim := tr.gaps.Claim(s, r.Seq())
	if claim == nil {
		return
	}
	proven := false
	defer func() { tr.gaps.Settle(claim, proven, tr.readers.Stands) }()
	v := tr.Acquire() // after the claim: it holds every put that the claim has not met
	if v == nil {
		return
	}
	defer tr.Release(v)
	put, err := tr.spanHas(v, claim.Span, claim.Since, func(t key.Trailer) bool {
		return visible.OfKind(t.Kind()) != visible.Hide
	})
	proven = err == nil && !put && !r.Expired()
}

// endGaps ends the gaps in which b has put something. b is in the tree, and not visible.
func (tr *Tree) endGaps(b *batch.Batch) {
	if tr.gaps.Empty() {
		return
	}
	for op := range b.Ops() {
		if op.Kind != key.KindRangeDelete && visible.OfKind(op.Kind) != visible.Hide {
			tr.gaps.Put(op.Key)
		}
	}
}
