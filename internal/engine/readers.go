package engine

import (
	"cmp"
	"slices"
	"time"

	"lightningdb/internal/key"
	"lightningdb/internal/origin"
)

// Reader is an open snapshot, transaction or iterator, as an operator sees it.
type Reader struct {
	Age    time.Duration
	Seq    key.SeqNum     // it keeps what was there at this sequence number
	Origin *origin.Origin // where it was opened
}

// shownReaders is how many readers the metrics show at most.
const shownReaders = 8

// trace is where a reader or writer is being opened, if that is to be remembered.
func (e *Engine) trace(k origin.Kind) *origin.Origin {
	if !e.opts.TraceReaders {
		return nil
	}
	return origin.Here(k, e.opts.Wall())
}

// longest returns the age of the reader that has been open for longest, 0 if there is none, and those that are to be shown.
func (s *snapshots) longest(e *Engine) (age time.Duration, shown []Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	for _, r := range s.readers { // they are in the order of what they read, which may be older than they are
		age = max(age, now.since(r.since))
		if r.origin != nil {
			shown = append(shown, Reader{Age: now.since(r.since), Seq: r.seq, Origin: r.origin})
		}
	}
	slices.SortStableFunc(shown, func(a, b Reader) int { return cmp.Compare(b.Age, a.Age) })
	return age, shown[:min(len(shown), shownReaders)]
}
