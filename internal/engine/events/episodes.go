package events

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/event"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
	"lightningdb/metrics"
)

// Stalls makes of the waits of commits, which may be short and many, episodes that are told of when they begin and end.
// The zero value is ready.
type Stalls struct {
	mu      sync.Mutex
	open    bool          // an episode
	waiting int           // commits, at present
	last    clock.Instant // when the last one has waited
	before  metrics.Stall // before the episode
}

// Begin says that a commit begins to wait for cause. It reports whether an episode begins with that, which Step ends.
// sum is what was waited before.
func (s *Stalls) Begin(b *Bus, cause string, sum func() metrics.Stall) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	if s.open {
		return false
	}
	s.open, s.before = true, sum()
	b.Send(event.StallBegan{Cause: cause})
	return true
}

// End says that at now a commit waits no more.
func (s *Stalls) End(now clock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	s.last = now
}

// Step ends the episode if no commit has waited for event.StallPause. sum is what was waited so far. It returns when it
// is due again; far away if there is no episode.
func (s *Stalls) Step(b *Bus, now clock.Instant, sum metrics.Stall) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch left := event.StallPause - now.Since(s.last); {
	case !s.open:
		return time.Hour
	case s.waiting > 0:
		return event.StallPause
	case left > 0:
		return left
	}
	s.endLocked(b, sum)
	return time.Hour
}

// Close ends the episode, if there is one.
func (s *Stalls) Close(b *Bus, sum metrics.Stall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		s.endLocked(b, sum)
	}
}

func (s *Stalls) endLocked(b *Bus, sum metrics.Stall) {
	s.open = false
	b.Send(event.StallEnded{
		Cause: sum.Cause, Waits: sum.Count - s.before.Count, Waited: sum.Duration - s.before.Duration,
	})
}

// Held tells when work fails for what passes by itself, and when that is over.
type Held struct {
	who   string
	pause time.Duration // for how long none fails before it is over

	up atomic.Bool // it is told that they are held up; changed under mu

	mu    sync.Mutex
	since clock.Instant
	last  clock.Instant // failure
}

// NewHeld returns what tells of who, at the latest pause after the last failure.
func NewHeld(who string, pause time.Duration) *Held { return &Held{who: who, pause: pause} }

// Up reports whether success has to be noted.
func (h *Held) Up() bool { return h.up.Load() }

// NoteSpace is Note for what may have failed for lack of space; of other errors it says nothing.
func (h *Held) NoteSpace(b *Bus, err error) {
	if err == nil && h.Up() || errors.Is(err, vfs.ErrNoSpace) {
		h.Note(b, b.clock.Now(), err)
	}
}

// Note says that at now work has failed with err, which passes by itself, or has succeeded if err is nil.
func (h *Held) Note(b *Bus, now clock.Instant, err error) {
	if err == nil && !h.Up() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil:
		h.last = now
		if !h.up.Swap(true) {
			h.since = now
			b.Send(event.Hindered{By: h.who, Full: errors.Is(err, vfs.ErrNoSpace), Cause: err})
		}
	case h.Up() && now.Since(h.last) >= h.pause:
		h.up.Store(false)
		b.Send(event.Resumed{By: h.who, After: now.Since(h.since)})
	}
}
