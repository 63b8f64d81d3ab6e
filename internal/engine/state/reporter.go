package state

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/system/clock"
)

// reportInterval is the least time between two reports.
const reportInterval = time.Second

// Reporter says when followers are to be told what the engine does. The zero value has nothing to tell.
type Reporter struct {
	due  atomic.Bool   // something has happened since the last report
	last clock.Instant // when that was made
}

// Note says that something has happened, which is to be told. It is true for the first since the last report.
func (r *Reporter) Note() bool { return !r.due.Load() && !r.due.Swap(true) }

// Due reports whether a report is to be made now, and otherwise or after that the time until the next one; far away if
// nothing has happened. Only one goroutine at a time may call it.
func (r *Reporter) Due(now clock.Instant) (left time.Duration, due bool) {
	if !r.due.Load() {
		return time.Hour, false
	}
	if left := reportInterval - now.Since(r.last); r.last != 0 && left > 0 {
		return left, false
	}
	r.due.Store(false) // what happens during the report is in the next one
	r.last = now
	return reportInterval, true
}
