package engine

import (
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/tree/gap"
)

// Gaps are what iterators have walked through in vain: see package gap. A commit that gives a value to a key in one
// ends it, behind Apply or the edit that adds its tables, and before Publish. Point reads do not need them. The check
// of a commit looks at what is outside of them only.

// scanGaps is an Iterator as its walk sees it.
type scanGaps Iterator

var _ gap.Known = (*scanGaps)(nil)

// Find implements gap.Known.
func (s *scanGaps) Find(user []byte, seq key.SeqNum) (lo, hi []byte, found bool) {
	return s.engine.gaps.Find(user, seq)
}

// Found implements gap.Known.
func (s *scanGaps) Found(lo, hi []byte, _ key.SeqNum) { s.engine.noteGap(lo, hi, &s.hold) }

// noteGap makes [lo, hi) a gap, of which a reader has found that it shows nothing at r, unless something has been put
// there since. A reader whose registration has expired may have missed what was dropped. An error of the look is none
// of the reader's: it has seen all that it wanted.
func (e *Engine) noteGap(lo, hi []byte, r *registration) {
	if e.Enter() != nil { // the database closes: nobody will ask
		return
	}
	defer e.Leave()
	claim := e.gaps.Claim(lo, hi, r.seq)
	if claim == nil {
		return
	}
	proven := false
	defer func() { e.gaps.Settle(claim, proven, e.snapshots.stands) }()
	v := e.acquireView() // behind the claim: it holds every put that the claim has not met
	if v == nil {
		return
	}
	defer e.unref(v)
	put, err := e.spanHas(v, txn.Span{Lo: claim.Lo, Hi: claim.Hi}, claim.Since, func(t key.Trailer) bool {
		return t.Kind() != key.KindDelete
	})
	proven = err == nil && !put && !r.expired.Load()
}

// endGaps ends the gaps in which b has put something. b is in the tree, and not visible.
func (e *Engine) endGaps(b *batch.Batch) {
	if e.gaps.Empty() {
		return
	}
	for op := range b.Ops() {
		if op.Kind != key.KindDelete {
			e.gaps.Put(op.Key)
		}
	}
}

// stands reports whether a reader is registered at a sequence number from the first one on and before the second.
func (s *snapshots) stands(from, to key.SeqNum) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := s.findLocked(from)
	return i < len(s.readers) && s.readers[i].seq < to
}
