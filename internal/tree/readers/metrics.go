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

// stampInterval is the most by which a reader may seem younger than it is.
const stampInterval = time.Second

// openedLocked is the time at which a reader that is opened now was opened. Looking at the clock takes as long as
// some reads, so it does so only if readers expire by it or nobody calls StampAges. Otherwise it returns 0, and
// StampAges looks once for all readers that have come within stampInterval.
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

// StampAges sets the time of opening of all readers that came lately. It returns the time until it is due again, a
// long one if nobody came.
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

// age is how long reg has been open at now; 0 if its time of opening is not set yet.
func (reg *Registration) age(now clock.Instant) time.Duration {
	if reg.since == 0 {
		return 0
	}
	return now.Since(reg.since)
}

// Longest returns the age of the reader that has been open for longest, 0 if there is none, and the readers to show.
func (r *Registry) Longest() (age time.Duration, shown []Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	for _, reg := range r.readers { // ordered by what they read, which may be older than they are
		age = max(age, reg.age(now))
		if reg.Origin != nil {
			shown = append(shown, Reader{Age: reg.age(now), Seq: reg.seq, Origin: reg.Origin})
		}
	}
	slices.SortStableFunc(shown, func(a, b Reader) int { return cmp.Compare(b.Age, a.Age) })
	return age, shown[:min(len(shown), shownReaders)]
}
