package readers

import (
	"slices"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/clock"
)

const (
	timelineSamples = 256                    // within the time that is kept
	sampleInterval  = 100 * time.Millisecond // the shortest time between two samples
)

// timeline remembers which sequence number was visible when, in steps of its interval. It has at most
// timelineSamples+2 samples. The zero value has no past: what was visible before its first sample is unknown.
type timeline struct {
	start    key.SeqNum // visible before the first sample, as far as is known
	interval time.Duration
	samples  []sample // ascending in both
}

// sample says that from a moment on at least seq was visible.
type sample struct {
	at  clock.Instant
	seq key.SeqNum
}

// due is when the next sample is worth taking.
func (t *timeline) due() clock.Instant {
	if n := len(t.samples); n > 0 {
		return t.samples[n-1].at.Plus(t.interval)
	}
	return 0
}

// note takes a sample, unless the last one is still new. seq was read before now.
func (t *timeline) note(now clock.Instant, seq key.SeqNum) {
	if now >= t.due() {
		t.samples = append(t.samples, sample{now, seq})
	}
}

// visibleAt returns a sequence number that was visible at a moment and ever since, and forgets what was before.
func (t *timeline) visibleAt(moment clock.Instant) key.SeqNum {
	n := 0
	for n < len(t.samples) && t.samples[n].at <= moment {
		t.start = t.samples[n].seq
		n++
	}
	t.samples = slices.Delete(t.samples, 0, n)
	return t.start
}

// Begin puts the registry into service, for a tree that shows every state from horizon to last.
func (r *Registry) Begin(horizon, last key.SeqNum) {
	r.visible.Store(uint64(last))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.horizon = horizon
	r.timeline = timeline{start: horizon, interval: max(r.opts.Retain/timelineSamples, sampleInterval)}
	r.timeline.note(r.opts.Clock.Now(), last)
}

// notePast remembers when last became visible, if a sample is due.
func (r *Registry) notePast(last key.SeqNum) {
	now := r.opts.Clock.Now()
	if now < clock.Instant(r.sampleDue.Load()) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.timeline
	t.note(now, last)
	t.visibleAt(now.Plus(-r.opts.Retain))
	r.sampleDue.Store(int64(t.due()))
}

// Step looks at the clock: it remembers what is visible now, lets compactions drop what need not be kept any more,
// and ends readers that are too old. It returns the time until it is due again, a long one for never.
func (r *Registry) Step() time.Duration {
	if r.opts.Retain == 0 && r.opts.MaxAge == 0 {
		return time.Hour
	}
	r.mu.Lock()
	expired, unused := r.expireLocked()
	defer drop(unused)
	defer r.mu.Unlock()
	if r.retainedLocked() > r.horizon || expired > 0 {
		r.opts.Dropped()
	}
	due := time.Hour
	for _, d := range []time.Duration{r.opts.Retain, r.opts.MaxAge} {
		if d > 0 {
			due = min(due, max(d/timelineSamples, sampleInterval))
		}
	}
	return due
}
