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
	Seq    key.SeqNum     // it keeps what was there at this sequence number
	Origin *origin.Origin // where it was opened
}

// shownReaders is how many readers the metrics show at most.
const shownReaders = 8

// stampInterval is by how much a reader may seem younger than it is.
const stampInterval = time.Second

// openedLocked is when a reader is opened that is opened now, if that is worth a look at the clock, which takes as long as
// some reads: where readers expire by it. Otherwise StampAges looks, once for all who have come within stampInterval.
func (r *Registry) openedLocked() clock.Instant {
	if r.opts.MaxAge > 0 || r.opts.StampAtOnce {
		return r.opts.Clock.Now()
	}
	if !r.unstamped {
		r.unstamped = true
		r.opts.Unstamped()
	}
	return 0
}

// StampAges notes for the readers that have come lately that they are there since now. It returns when it is due again; far
// away if nobody has come.
func (r *Registry) StampAges() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.unstamped {
		return time.Hour
	}
	now := r.opts.Clock.Now()
	if left := stampInterval - now.Since(r.stamped); r.stamped != 0 && left > 0 {
		return left
	}
	for _, reg := range r.readers {
		if reg.since == 0 {
			reg.since = now
		}
	}
	r.stamped, r.unstamped = now, false
	return time.Hour
}

// age is how long reg has been open at now; 0 if it has no since yet.
func (reg *Registration) age(now clock.Instant) time.Duration {
	if reg.since == 0 {
		return 0
	}
	return now.Since(reg.since)
}

// Longest returns the age of the reader that has been open for longest, 0 if there is none, and those that are to be shown.
func (r *Registry) Longest() (age time.Duration, shown []Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	for _, reg := range r.readers { // they are in the order of what they read, which may be older than they are
		age = max(age, reg.age(now))
		if reg.Origin != nil {
			shown = append(shown, Reader{Age: reg.age(now), Seq: reg.seq, Origin: reg.Origin})
		}
	}
	slices.SortStableFunc(shown, func(a, b Reader) int { return cmp.Compare(b.Age, a.Age) })
	return age, shown[:min(len(shown), shownReaders)]
}
