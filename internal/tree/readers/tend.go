package readers

import (
	"time"

	"lightningdb/internal/system/clock"
)

const (
	stampInterval = time.Second            // the most by which a reader may seem younger than it is
	dropInterval  = 100 * time.Millisecond // the shortest time between two calls of Dropped because of readers that left
)

// Tend does for the readers that came or left lately what would take too long for each of them. It returns the time
// until it is due again, a long one if nobody comes or leaves.
func (r *Registry) Tend() time.Duration {
	if !r.unstamped.Load() && !r.dropped.Load() {
		return time.Hour
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	return min(r.stampLocked(now), r.dropLocked(now))
}

// stampLocked sets the time of opening of the readers that came lately.
func (r *Registry) stampLocked(now clock.Instant) time.Duration {
	if !r.unstamped.Load() {
		return time.Hour
	}
	if left := stampInterval - now.Since(r.stamped); r.stamped != 0 && left > 0 {
		return left
	}
	r.stamped = now
	r.unstamped.Store(false) // before the shards: who comes to one that was looked at says so
	for s := range r.each() {
		s.mu.Lock()
		for _, reg := range s.readers {
			if reg.since == 0 {
				reg.since = now
			}
		}
		s.mu.Unlock()
	}
	return time.Hour
}

// dropLocked says that something may be dropped, because readers left.
func (r *Registry) dropLocked(now clock.Instant) time.Duration {
	if !r.dropped.Load() {
		return time.Hour
	}
	if left := dropInterval - now.Since(r.told); r.told != 0 && left > 0 {
		return left
	}
	r.told = now
	r.dropped.Store(false) // before the call: who leaves after it says so again
	r.opts.Dropped()
	return time.Hour
}
