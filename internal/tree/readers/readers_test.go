package readers

import (
	"slices"
	"testing"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
)

// clocked is a registry with a clock that the test moves; it counts calls of Dropped.
type clocked struct {
	*Registry
	elapsed time.Duration
	onClock func() // called whenever the clock is looked at
	dropped int
}

func newClocked(o Options) *clocked {
	c := &clocked{onClock: func() {}}
	o.Clock = func() time.Duration { c.onClock(); return c.elapsed }
	o.Gate = calls.NewGate()
	o.Unstamped = func() {}
	o.Dropped = func() { c.dropped++ }
	c.Registry = New(o)
	c.Begin(0, 0)
	return c
}

// Between reading the number and registering it, a compaction would see nothing that it had to keep.
func TestAdd_numbersAndRegistersInOneStep(t *testing.T) {
	c := newClocked(Options{StampAtOnce: true})
	c.Publish(1)
	c.onClock = func() { // Add is inside
		c.onClock = func() {}
		if c.mu.TryLock() {
			t.Error("a job may look at the registry in the middle of a registration")
			c.mu.Unlock()
		}
		c.Publish(2)
	}
	var r Registration
	c.Add(&r)
	if r.Seq() != 2 {
		t.Errorf("the reader was numbered %d before it was registered, at 2", r.Seq())
	}
}

// A timeline that grew with the number of commits would be a leak.
func TestTimeline_isBounded(t *testing.T) {
	c := newClocked(Options{Retain: time.Hour})
	for i := range key.SeqNum(3 * timelineSamples) {
		c.Publish(2*i + 1)
		c.elapsed += time.Second
		c.Publish(2*i + 2)
		c.elapsed += 20 * time.Second
	}
	if n := len(c.timeline.samples); n > timelineSamples+2 || n < timelineSamples/2 {
		t.Errorf("%d samples", n)
	}
}

// Of two readers at one number the first to leave would take the other's versions with it; and nobody would look for
// what the last one has kept.
func TestHold_countsEachReader(t *testing.T) {
	c := newClocked(Options{StampAtOnce: true})
	c.Publish(5)
	var first, twin, left, later Registration
	c.Add(&first)
	c.Add(&twin)
	c.Add(&left)
	c.Publish(7)
	c.Add(&later)
	c.Publish(9)
	want := func(when string, held ...key.SeqNum) {
		t.Helper()
		if got := c.Hold(9); !slices.Equal(got, held) {
			t.Fatalf("%s: %d must stay readable, want %d", when, got, held)
		}
	}
	want("four readers", 5, 7, 9)
	c.Leave(&left)
	want("three of them", 5, 7, 9)
	c.Close(&first)
	want("two of them", 5, 7, 9)
	c.Close(&twin)
	want("the newest of them", 7, 9)
	if c.Close(&later); c.dropped == 0 {
		t.Error("nobody is told that less must stay readable")
	}
	want("none", 9)
}
