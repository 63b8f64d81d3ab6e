// Package gap remembers spans of user keys in which nothing lives, so that a walk through many deleted keys is paid
// for once: the next one jumps. A queue puts keys at one end and deletes them at the other. Without gaps, each look
// at its head would pass all that was ever taken from it, until a compaction has removed the tombstones.
//
// It owns the gaps and the rule when one ends. Others find out where a gap is: Walk says which span an iterator has
// passed, and the owner of the Gaps proves that nothing was put into it meanwhile. Nothing of this is on disk, and
// losing a gap costs one walk.
//
// # Invariants
//
//	G1  at every sequence number from Since to the newest one that a reader may stand at, no user key in the span has a
//	    value
//	G2  the gaps of a Gaps do not overlap, and stand in the order of their keys
//	G3  a gap has an end: its Hi is not nil
//
// G1 is kept by the order of four steps. A commit adds its operations to the tree, then calls Put for each key to
// which it gives a value, and only then becomes visible. A reader that proposes a gap claims its span first, and
// then looks for values in the tree that are newer than Since. So a commit that the look misses meets the claim, and
// a reader that sees the commit meets what it has left of the gaps. Deletes change nothing: a gap of deleted keys
// stays one.
//
// # Concurrency
//
// Any number of goroutines may use a Gaps. Readers take no lock. Put takes one only where it ends a gap.
package gap

import (
	"bytes"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// maxGaps bounds how many gaps are kept: the least recently used one goes first. A program rarely has that many
// queues, and a put into a gap copies the list.
const maxGaps = 64

// maxKeyBytes bounds the keys of a gap, so that all gaps together take no more than half a MiB.
const maxKeyBytes = 4 << 10

// Gaps is a set of gaps. The zero value is empty.
type Gaps struct {
	state atomic.Pointer[state] // nil: nothing is known and nothing claimed
	clock atomic.Uint64         // counts uses

	mu sync.Mutex // held while state is replaced
}

// state is the gaps at one moment. It is never changed.
type state struct {
	gaps  []*Gap
	claim *Gap // the one that is being proven, or nil
}

// Gap is a span of user keys none of which has a value at Since or later. It is never changed, except for the time
// of its last use.
type Gap struct {
	span.Span
	Since key.SeqNum
	used  atomic.Uint64
}

// without returns the parts of g outside s, which has an end.
func (g *Gap) without(s span.Span) []*Gap {
	if !g.Overlaps(s) {
		return []*Gap{g}
	}
	var left []*Gap
	if bytes.Compare(g.Lo, s.Lo) < 0 {
		left = append(left, g.part(span.Span{Lo: g.Lo, Hi: s.Lo}))
	}
	if bytes.Compare(s.Hi, g.Hi) < 0 {
		left = append(left, g.part(span.Span{Lo: s.Hi, Hi: g.Hi}))
	}
	return left
}

// part returns a part of g, which is as recently used.
func (g *Gap) part(s span.Span) *Gap {
	p := &Gap{Span: s, Since: g.Since}
	p.used.Store(g.used.Load())
	return p
}

// Empty reports whether there is nothing that a put could end.
func (g *Gaps) Empty() bool { return g.state.Load() == nil }

// Len is the number of gaps.
func (g *Gaps) Len() int {
	if s := g.state.Load(); s != nil {
		return len(s.gaps)
	}
	return 0
}

// find returns the gap that holds user, or nil.
func (s *state) find(user []byte) *Gap {
	if i := s.search(user); i < len(s.gaps) && s.gaps[i].Contains(user) {
		return s.gaps[i]
	}
	return nil
}

// search returns the index of the first gap that ends after user.
func (s *state) search(user []byte) int {
	i, found := slices.BinarySearchFunc(s.gaps, user, func(g *Gap, user []byte) int { return bytes.Compare(g.Hi, user) })
	if found {
		i++
	}
	return i
}

// Find returns the gap that holds user for a reader at seq. The bytes of its bounds are not to be changed.
func (g *Gaps) Find(user []byte, seq key.SeqNum) (found span.Span, ok bool) {
	s := g.state.Load()
	if s == nil {
		return span.Span{}, false
	}
	gap := s.find(user)
	if gap == nil || gap.Since > seq {
		return span.Span{}, false
	}
	gap.used.Store(g.clock.Add(1))
	return gap.Span, true
}

// Outside yields the parts of within that are in no gap for a reader at seq: only they can hold a value, at seq or
// later.
func (g *Gaps) Outside(within span.Span, seq key.SeqNum) iter.Seq[span.Span] {
	return func(yield func(span.Span) bool) {
		s, rest := g.state.Load(), within
		if s == nil {
			yield(within)
			return
		}
		for _, gap := range s.gaps[s.search(within.Lo):] {
			if within.Below(gap.Lo) {
				break
			}
			if gap.Since > seq {
				continue
			}
			if bytes.Compare(rest.Lo, gap.Lo) < 0 && !yield(span.Span{Lo: rest.Lo, Hi: gap.Lo}) {
				return
			}
			rest.Lo = gap.Hi
		}
		if !rest.Empty() {
			yield(rest)
		}
	}
}

// Put says that user has a new value, in a commit that is in the tree and not visible yet. It borrows user.
func (g *Gaps) Put(user []byte) {
	s := g.state.Load()
	if s != nil && (s.find(user) != nil || s.claim != nil && s.claim.Contains(user)) {
		g.end(span.Closed(bytes.Clone(user), user))
	}
}

// PutSpan is Put for any keys from smallest to largest, both included. It keeps neither.
func (g *Gaps) PutSpan(smallest, largest []byte) {
	if g.state.Load() != nil {
		g.end(span.Closed(bytes.Clone(smallest), largest))
	}
}

// end takes s out of all gaps, and ends a claim that overlaps it.
func (g *Gaps) end(s span.Span) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.state.Load()
	if old == nil {
		return
	}
	next := &state{claim: old.claim}
	if next.claim != nil && next.claim.Overlaps(s) {
		next.claim = nil
	}
	for _, gap := range old.gaps {
		next.gaps = append(next.gaps, gap.without(s)...)
	}
	g.storeLocked(next)
}

// storeLocked makes next the state.
func (g *Gaps) storeLocked(next *state) {
	for len(next.gaps) > maxGaps {
		oldest := 0
		for i, gap := range next.gaps {
			if gap.used.Load() < next.gaps[oldest].used.Load() {
				oldest = i
			}
		}
		next.gaps = slices.Delete(next.gaps, oldest, oldest+1)
	}
	if len(next.gaps) == 0 && next.claim == nil {
		next = nil
	}
	g.state.Store(next)
}

// Claim proposes a gap: nothing in s, which has an end, has a value at since. From now on a Put in it ends the
// claim. It returns nil if another claim is being proven, or if the keys are too long to be worth remembering. The
// bounds are copied.
func (g *Gaps) Claim(s span.Span, since key.SeqNum) *Gap {
	if len(s.Lo) > maxKeyBytes || len(s.Hi) > maxKeyBytes {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	next := &state{claim: &Gap{Span: s.Clone(), Since: since}}
	if old := g.state.Load(); old != nil {
		if old.claim != nil {
			return nil
		}
		next.gaps = old.gaps
	}
	g.state.Store(next)
	return next.claim
}

// Settle ends a claim. The claim becomes a gap if it is proven and no Put has ended it. proven says that after Claim
// the tree held no value in the span that is newer than Since. stands reports whether a reader stands at a sequence
// number from the first one on and before the second: neighbours that differ for no reader are joined.
func (g *Gaps) Settle(claim *Gap, proven bool, stands func(from, to key.SeqNum) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.state.Load()
	if old == nil || old.claim != claim {
		return
	}
	next := &state{gaps: old.gaps}
	if proven {
		claim.used.Store(g.clock.Add(1))
		next.gaps = join(with(old.gaps, claim), stands)
	}
	g.storeLocked(next)
}

// Add makes s, which has an end, a gap without a proof: the caller knows that it is one for every reader that asks.
// The bounds are copied.
func (g *Gaps) Add(s span.Span) {
	if claim := g.Claim(s, 0); claim != nil {
		g.Settle(claim, true, func(from, to key.SeqNum) bool { return false })
	}
}

// Clone returns gaps that begin as those of g.
func (g *Gaps) Clone() *Gaps {
	c := new(Gaps)
	c.state.Store(g.state.Load())
	c.clock.Store(g.clock.Load())
	return c
}

// with returns gaps together with added. Where they overlap, the one that holds for more readers stays.
func with(gaps []*Gap, added *Gap) []*Gap {
	var kept []*Gap
	parts := []*Gap{added}
	for _, gap := range gaps {
		if gap.Since > added.Since {
			kept = append(kept, gap.without(added.Span)...)
			continue
		}
		kept = append(kept, gap)
		var left []*Gap
		for _, p := range parts {
			left = append(left, p.without(gap.Span)...)
		}
		parts = left
	}
	kept = append(kept, parts...)
	slices.SortFunc(kept, func(a, b *Gap) int { return bytes.Compare(a.Lo, b.Lo) })
	return kept
}

// join joins neighbours.
func join(gaps []*Gap, stands func(from, to key.SeqNum) bool) []*Gap {
	var joined []*Gap
	for _, gap := range gaps {
		n := len(joined)
		if n == 0 || !bytes.Equal(joined[n-1].Hi, gap.Lo) {
			joined = append(joined, gap)
			continue
		}
		last := joined[n-1]
		from, to := min(last.Since, gap.Since), max(last.Since, gap.Since)
		if from < to && stands(from, to) {
			joined = append(joined, gap)
			continue
		}
		both := &Gap{Span: span.Span{Lo: last.Lo, Hi: gap.Hi}, Since: to}
		both.used.Store(max(last.used.Load(), gap.used.Load()))
		joined[n-1] = both
	}
	return joined
}
