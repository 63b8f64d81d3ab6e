package engine

import (
	"cmp"
	"slices"
	"time"

	"lightningdb/internal/format/key"
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

// trace is where a reader or writer is being opened, if that is to be remembered.
func (e *Engine) trace(k origin.Kind) *origin.Origin {
	if !e.opts.TraceReaders {
		return nil
	}
	return origin.Here(k, e.opts.Wall())
}

// stampInterval is by how much a reader may seem younger than it is.
const stampInterval = time.Second

// openedLocked is when a reader is opened that is opened now, if that is worth a look at the clock, which takes as long as
// some reads: where readers expire by it. Else the housekeeper will look, once for all who have come within stampInterval.
func (s *snapshots) openedLocked(e *Engine) instant {
	if s.maxAge > 0 || e.opts.ReadOnly || e.opts.Manual {
		return e.now()
	}
	if !s.unstamped {
		s.unstamped = true
		e.wake(e.wakeHousekeeper)
	}
	return 0
}

// stampAges notes for the readers that have come lately that they are there since now. It returns when it is due again; far
// away if nobody has come.
func (e *Engine) stampAges() time.Duration {
	s := &e.snapshots
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unstamped {
		return time.Hour
	}
	now := e.now()
	if left := stampInterval - now.since(s.stamped); s.stamped != 0 && left > 0 {
		return left
	}
	for _, r := range s.readers {
		if r.since == 0 {
			r.since = now
		}
	}
	s.stamped, s.unstamped = now, false
	return time.Hour
}

// age is how long r has been open at now; 0 if it has no since yet.
func (r *registration) age(now instant) time.Duration {
	if r.since == 0 {
		return 0
	}
	return now.since(r.since)
}

// longest returns the age of the reader that has been open for longest, 0 if there is none, and those that are to be shown.
func (s *snapshots) longest(e *Engine) (age time.Duration, shown []Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := e.now()
	for _, r := range s.readers { // they are in the order of what they read, which may be older than they are
		age = max(age, r.age(now))
		if r.origin != nil {
			shown = append(shown, Reader{Age: r.age(now), Seq: r.seq, Origin: r.origin})
		}
	}
	slices.SortStableFunc(shown, func(a, b Reader) int { return cmp.Compare(b.Age, a.Age) })
	return age, shown[:min(len(shown), shownReaders)]
}
