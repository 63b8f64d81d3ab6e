package engine

import (
	"time"

	"lightningdb/internal/format/key"
)

const (
	timelineSamples = 256                    // in the time that is kept
	sampleInterval  = 100 * time.Millisecond // at least, between two samples
)

// timeline remembers which sequence number was visible when, as coarsely as its interval. It has at most
// timelineSamples+2 samples. The zero value has no past: what was visible before its first sample is unknown.
type timeline struct {
	start    key.SeqNum // visible before the first sample, for all that is known
	interval time.Duration
	samples  []sample // ascending in both
}

// sample says that from a moment on at least seq was visible.
type sample struct {
	at  instant
	seq key.SeqNum
}

// due is when the next sample is worth taking.
func (t *timeline) due() instant {
	if n := len(t.samples); n > 0 {
		return t.samples[n-1].at.plus(t.interval)
	}
	return 0
}

// note takes a sample, unless the last one is still new. seq was read before now.
func (t *timeline) note(now instant, seq key.SeqNum) {
	if now >= t.due() {
		t.samples = append(t.samples, sample{now, seq})
	}
}

// visibleAt returns a sequence number that was visible at a moment and at all later ones, and forgets what was before.
func (t *timeline) visibleAt(moment instant) key.SeqNum {
	n := 0
	for n < len(t.samples) && t.samples[n].at <= moment {
		t.start = t.samples[n].seq
		n++
	}
	t.samples = append(t.samples[:0], t.samples[n:]...)
	return t.start
}

// startRetaining sets out from a tree that shows every state from floor to last.
func (s *snapshots) startRetaining(e *Engine, floor, last key.SeqNum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxAge, s.floor = e.opts.MaxSnapshotAge, floor
	s.timeline = timeline{start: floor, interval: max(e.opts.Retain/timelineSamples, sampleInterval)}
	s.timeline.note(e.now(), last)
}

// notePast remembers when last became visible, if it is time for that.
func (e *Engine) notePast(last key.SeqNum) {
	now := e.now()
	if now < instant(e.pastDue.Load()) {
		return
	}
	e.snapshots.mu.Lock()
	defer e.snapshots.mu.Unlock()
	t := &e.snapshots.timeline
	t.note(now, last)
	t.visibleAt(now.plus(-e.opts.Retain))
	e.pastDue.Store(int64(t.due()))
}

// RetainStep looks at the clock: it remembers what is visible now, lets compactions drop what need not be kept any more,
// and ends snapshots that are too old. It returns when it is due again; far away if never.
func (e *Engine) RetainStep() time.Duration {
	if e.opts.Retain == 0 && e.opts.MaxSnapshotAge == 0 {
		return time.Hour
	}
	s := &e.snapshots
	s.mu.Lock()
	before := len(s.readers)
	unused := s.expireLocked(e)
	defer drop(unused)
	defer s.mu.Unlock()
	if s.retainedLocked(e) > s.floor || len(s.readers) < before {
		e.wake(e.wakeCompactor)
	}
	due := time.Hour
	for _, d := range []time.Duration{e.opts.Retain, e.opts.MaxSnapshotAge} {
		if d > 0 {
			due = min(due, max(d/timelineSamples, sampleInterval))
		}
	}
	return due
}
