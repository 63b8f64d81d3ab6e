// Package burst tells whether writers are at work that need processors and disk more than compactions do.
package burst

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/system/clock"
)

// A burst of writes is over when for memtables times as long as it took to fill the last memtable none was filled, but
// not before shortestPause, and after LongestPause in any case.
const (
	LongestPause  = 2 * time.Second
	shortestPause = LongestPause / 10
	memtables     = 8
)

// Burst is the burst of writes that goes on, or the last one. The zero Burst is of a database in which nothing was
// written.
type Burst struct {
	rotated atomic.Int64 // the instant of the last Rotated; 0 if there was none
	pause   atomic.Int64 // how long after it the burst is over
}

// Rotated says that a memtable was frozen, so that a burst may have begun or goes on. Only one goroutine may call it at
// a time.
func (b *Burst) Rotated(now clock.Instant) {
	pause := LongestPause
	if last := clock.Instant(b.rotated.Load()); last != 0 {
		pause = min(max(memtables*now.Since(last), shortestPause), LongestPause)
	}
	b.pause.Store(int64(pause))
	b.rotated.Store(int64(now))
}

// Left is how much longer the burst may go on; 0 if there is none.
func (b *Burst) Left(now clock.Instant) time.Duration {
	rotated := clock.Instant(b.rotated.Load())
	if rotated == 0 {
		return 0
	}
	return max(0, time.Duration(b.pause.Load())-now.Since(rotated))
}
