// Package opening tells people how far an Open is that takes long: about once a second what it does. It reads the clock
// only when it is told of something, and starts no goroutine, so that a simulated clock decides what is said. A
// Progress belongs to the goroutine that opens.
package opening

import (
	"time"

	"lightningdb/event"
	"lightningdb/internal/system/clock"
)

// Interval is the time between two events, and how long an Open takes before there is one.
const Interval = time.Second

// lookBytes is how much is done before the clock is read again: a replay has millions of records.
const lookBytes = 64 << 10

// Progress is how far an Open is. The zero value is not ready: see Begin.
type Progress struct {
	clock clock.Monotonic
	tell  func(event.Event)

	begun clock.Instant
	told  clock.Instant // when the last event was; at first the beginning

	step        string
	done, total int64 // bytes of the step; total is 0 if it has none
	looked      int64 // done when the clock was read last
}

// Begin returns the progress of an Open that begins now. tell receives its events.
func Begin(clock clock.Monotonic, tell func(event.Event)) *Progress {
	now := clock.Now()
	return &Progress{clock: clock, tell: tell, begun: now, told: now}
}

// Step says what is done from now on, of which done bytes of total are done already; total is 0 where bytes are not
// what it takes.
func (p *Progress) Step(name string, done, total int64) {
	p.step, p.done, p.total, p.looked = name, done, total, done
	p.Look()
}

// Reach says how many bytes of the step are done.
func (p *Progress) Reach(done int64) {
	if p.done = done; done-p.looked >= lookBytes {
		p.looked = done
		p.Look()
	}
}

// Add says how many more bytes of the step are done.
func (p *Progress) Add(bytes int64) { p.Reach(p.done + bytes) }

// Look tells of the step if it is time for that. Work that has no bytes calls it now and then.
func (p *Progress) Look() {
	now := p.clock.Now()
	if now.Since(p.told) < Interval {
		return
	}
	p.told = now
	p.tell(event.Opening{Step: p.step, Done: min(p.done, p.total), Total: p.total})
}

// Took is how long the Open has taken so far.
func (p *Progress) Took() time.Duration { return p.clock.Now().Since(p.begun) }
