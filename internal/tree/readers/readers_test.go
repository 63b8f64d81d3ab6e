package readers

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
)

// clocked is a registry with a clock that the test moves; it counts calls of Dropped and Due.
type clocked struct {
	*Registry
	elapsed time.Duration
	onClock func() // called whenever the clock is looked at
	dropped int
	due     int
}

func newClocked(o Options) *clocked {
	c := &clocked{onClock: func() {}}
	o.Clock = func() time.Duration { c.onClock(); return c.elapsed }
	o.Gate = calls.NewGate()
	o.Due = func() { c.due++ }
	o.Dropped = func() { c.dropped++ }
	c.Registry = New(o)
	c.Begin(0, 0)
	return c
}

// Between reading the number and registering it, a compaction would see nothing that it had to keep.
func TestAdd_numbersAndRegistersInOneStep(t *testing.T) {
	c := newClocked(Options{AtOnce: true})
	c.Publish(1)
	c.onClock = func() { // Add is inside
		c.onClock = func() {}
		locked := false
		for s := range c.each() {
			if s.mu.TryLock() {
				s.mu.Unlock()
			} else {
				locked = true
			}
		}
		if !locked {
			t.Error("a job may look at the registry in the middle of a registration")
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
	c := newClocked(Options{AtOnce: true})
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

// A thousand goroutines that wait for one that the scheduler has interrupted come to wait for their turns for ever.
func TestAdd_waitsForNoBusyShard(t *testing.T) {
	c := newClocked(Options{AtOnce: true})
	free := &c.shards[len(c.shards)/2]
	for s := range c.each() {
		if s != free {
			s.mu.Lock()
		}
	}
	added := make(chan *Registration)
	go func() {
		var snapshot, iterator Registration
		c.Add(&snapshot)
		if err := c.AddIterator(&iterator); err != nil {
			t.Error(err)
		}
		added <- &snapshot
		added <- &iterator
	}()
	for range 2 {
		select {
		case reg := <-added:
			if reg.shard != free {
				t.Error("a reader went into a shard that was busy")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a reader waits for a busy shard, though another one is free")
		}
	}
}

// A job looks into one shard after the other. It would miss an iterator that comes to a shard where it has been, and
// its snapshot too if that leaves before the job comes to its shard.
func TestAddIterator_joinsItsSnapshot(t *testing.T) {
	c := newClocked(Options{AtOnce: true})
	for i := range c.shards {
		var snapshot Registration
		own := &c.shards[i]
		for s := range c.each() {
			if s != own {
				s.mu.Lock()
			}
		}
		c.Add(&snapshot)
		for s := range c.each() {
			if s != own {
				s.mu.Unlock()
			}
		}
		iterator := Registration{On: &snapshot}
		if err := c.AddIterator(&iterator); err != nil {
			t.Fatal(err)
		}
		if iterator.shard != snapshot.shard {
			t.Fatal("an iterator is in another shard than its snapshot")
		}
	}
}

// Each of many short readers is the oldest one at its end. A compactor that looked for work as often would do nothing
// else.
func TestTend_tellsOfManyThatLeftAtOnce(t *testing.T) {
	c := newClocked(Options{})
	c.elapsed = time.Hour
	leave := func() {
		t.Helper()
		var r Registration
		c.Add(&r)
		c.Publish(c.Visible() + 1)
		c.Leave(&r)
	}
	c.Tend()
	want := func(when string, due, dropped int) {
		t.Helper()
		if c.due != due || c.dropped != dropped {
			t.Fatalf("%s: Due was called %d times and Dropped %d, want %d and %d", when, c.due, c.dropped, due, dropped)
		}
	}
	leave()
	want("one has come and left", 2, 0)
	c.Tend()
	want("at once", 2, 1)
	for range 100 {
		leave()
	}
	want("a hundred have come and left", 4, 1)
	c.elapsed += dropInterval / 2
	if left := c.Tend(); left != dropInterval/2 {
		t.Fatalf("Tend is due again after %v, want %v", left, dropInterval/2)
	}
	want("before the interval is over", 4, 1)
	c.elapsed += dropInterval / 2
	c.Tend()
	want("after it", 4, 2)
	if left := c.Tend(); left < stampInterval/2 {
		t.Fatalf("Tend is due again after %v, though nobody has left", left)
	}
	want("nobody has left", 4, 2)
}

// A reader that comes to a shard where a job has already been is in nothing that the job keeps for readers.
func TestHold_keepsWhatComesToShardsWhereItHasBeen(t *testing.T) {
	for what, add := range map[string]func(c *clocked, reg *Registration) error{
		"a reader":             func(c *clocked, reg *Registration) error { c.Add(reg); return nil },
		"an iterator":          func(c *clocked, reg *Registration) error { return c.AddIterator(reg) },
		"a reader of the past": func(c *clocked, reg *Registration) error { return c.AddAt(reg, 3) },
	} {
		t.Run(what, func(t *testing.T) {
			c := newClocked(Options{})
			c.Publish(5)
			for i := range c.shards[1:] { // the job comes past the first shard only, where the reader goes
				c.shards[i+1].mu.Lock()
			}
			held := make(chan []key.SeqNum)
			go func() { held <- c.Hold(100) }()
			time.Sleep(20 * time.Millisecond) // were the job not there yet, there would be nothing to see
			var reg Registration
			added := make(chan error)
			go func() { added <- add(c, &reg) }()
			var err error
			select {
			case err = <-added:
				c.Publish(7)
			case <-time.After(20 * time.Millisecond): // it waits for the job
				defer func() {
					if err := <-added; !errors.Is(err, ErrExpired) {
						t.Errorf("it waits for the job and then has %v", err)
					}
				}()
			}
			for i := range c.shards[1:] {
				c.shards[i+1].mu.Unlock()
			}
			keeps := <-held
			last, at := keeps[len(keeps)-1], reg.Seq()
			if err == nil && at < last && at > 0 && !slices.Contains(keeps, at) {
				t.Errorf("the job keeps %d, and the reader stands at %d", keeps, at)
			}
		})
	}
}
