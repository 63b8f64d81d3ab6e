// Package losses says what may be missing of a database: spans of keys and of sequence numbers. A Sweep is for one
// goroutine.
package losses

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"lightningdb/internal/format/key"
)

// Loss is a place where entries may be missing: of user keys from From to To, with sequence numbers from First to Last,
// all of them included. A key that it spans may be missing, or have an older value than it had; one that was removed
// may be back.
type Loss struct {
	File           string // empty if it is not of one file
	Offset, Length int64  // bytes of it; -1 if not known
	From, To       []byte // user keys; nil if open
	First, Last    uint64 // MaxSequence if the end is open
	What           string
}

// MaxSequence is the greatest sequence number there can be.
const MaxSequence = uint64(key.MaxSeqNum)

// String says what may be missing, and where.
func (l Loss) String() string {
	bound := func(k []byte, open string) string {
		if k == nil {
			return open
		}
		return fmt.Sprintf("%.60q", k)
	}
	keys := "any key"
	if l.From != nil || l.To != nil {
		keys = fmt.Sprintf("keys from %s to %s", bound(l.From, "the first"), bound(l.To, "the last"))
	}
	commits := fmt.Sprintf("%d to %d", l.First, l.Last)
	if l.Last == MaxSequence {
		commits = fmt.Sprintf("%d on", l.First)
	}
	return fmt.Sprintf("%s, sequence numbers %s: %s", keys, commits, l.What)
}

// Spans reports whether an entry of user may be missing.
func (l Loss) Spans(user []byte) bool {
	return (l.From == nil || bytes.Compare(l.From, user) <= 0) && (l.To == nil || bytes.Compare(user, l.To) <= 0)
}

// maxLosses bounds how many losses of one file are told apart, so that memory does not grow with the damage.
const maxLosses = 500

// Add appends l to losses of the same file, or extends the last one if there are very many.
func Add(losses []Loss, l Loss) []Loss {
	n := len(losses)
	if n < maxLosses {
		return append(losses, l)
	}
	last := &losses[n-1]
	last.To = l.To
	last.First, last.Last = min(last.First, l.First), max(last.Last, l.Last)
	last.Length = -1
	if last.File != l.File {
		last.File, last.Offset = "", -1
	}
	return losses
}

// Sweep finds the losses that span a key, for keys in ascending order.
type Sweep struct {
	losses []Loss // by From
	next   int
	active []*Loss
}

// NewSweep returns a Sweep of losses.
func NewSweep(losses []Loss) *Sweep {
	s := &Sweep{losses: slices.Clone(losses)}
	slices.SortStableFunc(s.losses, func(a, b Loss) int {
		if (a.From == nil) != (b.From == nil) {
			return cmp.Compare(len(a.From), len(b.From))
		}
		return bytes.Compare(a.From, b.From)
	})
	return s
}

// At returns the losses that span user, which is not before the one asked for last.
func (s *Sweep) At(user []byte) []*Loss {
	for s.next < len(s.losses) && bytes.Compare(s.losses[s.next].From, user) <= 0 {
		s.active = append(s.active, &s.losses[s.next])
		s.next++
	}
	s.active = slices.DeleteFunc(s.active, func(l *Loss) bool { return !l.Spans(user) })
	return s.active
}

// Covers reports whether one of losses may have had a sequence number from first to last.
func Covers(losses []*Loss, first, last key.SeqNum) bool {
	return slices.ContainsFunc(losses, func(l *Loss) bool { return l.First <= uint64(last) && uint64(first) <= l.Last })
}
