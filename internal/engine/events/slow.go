package events

import (
	"time"

	"lightningdb/event"
	"lightningdb/internal/system/clock"
)

// pace is how many slow operations were told of in the present second.
type pace struct {
	since   clock.Instant // when the second began
	told    int
	skipped uint64 // since the last one that was told of
}

// slowOperation counts an operation that has ended at now and took as long as e says, and tells of it, unless there
// were many in this second.
func (b *Bus) slowOperation(now clock.Instant, e event.SlowOperation) {
	e.At = b.wall()
	if b.keep(now, &e) {
		b.Send(e)
	}
}

// keep counts e, and reports whether it is to be told of.
func (b *Bus) keep(now clock.Instant, e *event.SlowOperation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Slow++
	if now.Since(b.slow.since) >= time.Second || b.slow.since == 0 {
		b.slow.since, b.slow.told = now, 0
	}
	if b.slow.told == event.SlowPerSecond {
		b.slow.skipped++
		return false
	}
	b.slow.told++
	e.Skipped, b.slow.skipped = b.slow.skipped, 0
	if len(b.counts.Recent) == event.RecentSlow {
		b.counts.Recent = append(b.counts.Recent[:0], b.counts.Recent[1:]...)
	}
	b.counts.Recent = append(b.counts.Recent, *e)
	return true
}
