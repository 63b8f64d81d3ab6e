package readers

import (
	"cmp"
	"slices"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/origin"
)

// Reader is an open snapshot, transaction or iterator, as an operator sees it.
type Reader struct {
	Age    time.Duration
	Seq    key.SeqNum     // it keeps the state at this sequence number
	Origin *origin.Origin // where it was opened
}

// shownReaders is the most readers that the metrics show.
const shownReaders = 8

// opened is the time at which a reader that is opened now was opened. Looking at the clock takes as long as some reads,
// so it does so only if readers expire by it or nobody calls Tend. Otherwise it returns 0, and Tend looks once for all
// readers that have come within stampInterval. The mutex of the reader's shard is held, and stays so until the reader
// is in it.
func (r *Registry) opened() clock.Instant {
	if r.opts.MaxAge > 0 || r.opts.AtOnce {
		return r.opts.Clock.Now()
	}
	if !r.unstamped.Load() && !r.unstamped.Swap(true) {
		r.opts.Due()
	}
	return 0
}

// age is how long reg has been open at now; 0 if its time of opening is not set yet.
func (reg *Registration) age(now clock.Instant) time.Duration {
	if reg.since == 0 {
		return 0
	}
	return now.Since(reg.since)
}

// Longest returns the age of the reader that has been open for longest, 0 if there is none, and the readers to show.
func (r *Registry) Longest() (age time.Duration, shown []Reader) {
	now := r.opts.Clock.Now()
	for s := range r.each() {
		s.mu.Lock()
		for _, reg := range s.readers { // ordered by what they read, which may be older than they are
			age = max(age, reg.age(now))
			if reg.Origin != nil {
				shown = append(shown, Reader{Age: reg.age(now), Seq: reg.Seq(), Origin: reg.Origin})
			}
		}
		s.mu.Unlock()
	}
	slices.SortStableFunc(shown, func(a, b Reader) int { return cmp.Compare(b.Age, a.Age) })
	return age, shown[:min(len(shown), shownReaders)]
}
