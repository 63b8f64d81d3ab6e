package readers

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/key"
)

// wallClock is a clock that a test sets.
type wallClock struct {
	shown atomic.Int64
	asked atomic.Int64
}

func (w *wallClock) now() time.Time {
	w.asked.Add(1)
	return time.Unix(0, w.shown.Load())
}

// What has ended would be there again when the clock is set back, and after the next Open.
func TestTime_neverGoesBack(t *testing.T) {
	var w wallClock
	r := newClocked(Options{Wall: w.now, AtOnce: true})
	w.shown.Store(100)
	r.Time.Begin(50)
	for _, step := range []struct{ shown, want int64 }{
		{100, 100}, {40, 100}, {100, 100}, {101, 101}, {-5, 101}, {102, 102},
	} {
		w.shown.Store(step.shown)
		if got := r.Time.Now(); int64(got) != step.want || r.Time.Told() != got {
			t.Errorf("the clock shows %d: the time is %d, told %d, want %d", step.shown, got, r.Time.Told(), step.want)
		}
	}
	r.Time.Begin(500)
	r.Time.Begin(300)
	if got := r.Time.Now(); got != 500 {
		t.Errorf("the time is %d, and 500 was found", got)
	}
}

// Every read of a database in which nothing ends would ask the clock.
func TestTime_isAskedForByNobodyIfNothingEnds(t *testing.T) {
	var w wallClock
	r := newClocked(Options{Wall: w.now, AtOnce: true})
	r.Publish(3)
	var reg, past, walk Registration
	r.Add(&reg)
	if err := r.AddAt(&past, 2); err != nil {
		t.Fatal(err)
	}
	walk.On = &reg
	if err := r.AddIterator(&walk); err != nil {
		t.Fatal(err)
	}
	if asked := w.asked.Load(); asked != 0 || reg.Now()+past.Now()+walk.Now()+r.Time.Now()+r.Time.Told() != 0 {
		t.Errorf("the clock was asked %d times", asked)
	}
	r.Time.Begin(0)
	w.shown.Store(7)
	var timed Registration
	if r.Add(&timed); timed.Now() != 7 {
		t.Errorf("a reader of what ends has the time %d", timed.Now())
	}
	var later Registration
	if r.Time.Told() != 7 || r.AddAt(&later, 2) != nil || later.Now() != 7 {
		t.Errorf("a reader of the past has the time %d", later.Now())
	}
}

// A clock of before 1970, or after 2262, would make all ends pass, or none.
func TestTime_ofAnyClock(t *testing.T) {
	for _, row := range []struct {
		shown time.Time
		want  key.Time
	}{
		{time.Time{}, 1},
		{time.Unix(-1, 999), 1},
		{time.Unix(0, 0), 1},
		{time.Unix(0, 2), 2},
		{time.Unix(9_223_372_035, 5), 9_223_372_035_000_000_005},
		{time.Unix(0, math.MaxInt64), math.MaxInt64},
		{time.Unix(0, math.MaxInt64).Add(1), math.MaxInt64},
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
	} {
		if got := ofClock(row.shown); got != row.want {
			t.Errorf("%v: %d, want %d", row.shown, got, row.want)
		}
	}
}

// A commit would rest on what has ended before it is there.
func TestHold_letsTheTimeStandStill(t *testing.T) {
	var w wallClock
	r := newClocked(Options{Wall: w.now, AtOnce: true})
	r.Time.Begin(0)
	w.shown.Store(100)
	if r.Time.Hold(100) {
		t.Error("a commit rests on what has ended")
	}
	if w.shown.Store(101); r.Time.Now() != 101 {
		t.Error("a commit that was refused holds the time")
	}
	for name, end := range map[string]func(){
		"published": func() { r.Publish(r.Visible() + 1) }, "given up": r.Time.Release,
	} {
		before := r.Time.Now()
		if !r.Time.Hold(before + 1) {
			t.Fatalf("%s: refused before the end", name)
		}
		w.shown.Add(1000)
		if now := r.Time.Now(); now != before || r.Time.Hold(before) || !r.Time.Hold(before+1) {
			t.Errorf("%s: the time is %d, and the check was at %d", name, now, before)
		}
		if end(); r.Time.Now() != before+1000 {
			t.Errorf("%s: the time is still %d", name, r.Time.Now())
		}
	}
}

// A commit that is published between the time of a reader and its number may rest on a later time than that.
func TestMoment_isOneStep(t *testing.T) {
	var r *clocked
	steps := 0
	r = newClocked(Options{AtOnce: true, Wall: func() time.Time { // the reader is inside
		steps++
		if r.Time.mu.TryLock() {
			t.Error("a commit may be published in the middle of the step")
			r.Time.mu.Unlock()
		}
		return time.Unix(0, 5)
	}})
	r.Time.Begin(0)
	var reg, walk Registration
	r.Add(&reg)
	if err := r.AddIterator(&walk); err != nil {
		t.Fatal(err)
	}
	r.Moment(func() {
		if r.Time.mu.TryLock() {
			t.Error("a commit may be published before the view is there")
			r.Time.mu.Unlock()
		}
	})
	if steps != 3 {
		t.Errorf("three readers have asked for the time %d times", steps)
	}
	r.Time.publish(func() {
		if r.Time.mu.TryRLock() {
			t.Error("a reader may take its time while a commit is published")
			r.Time.mu.RUnlock()
		}
	})
}

// The order of commits, ends and readers would be none: a reader misses a commit that saw an entry live, and sees the
// entry ended; or it sees what a commit wrote that saw the entry ended, and the entry live.
//
// A writer takes a time, as a transaction does with its snapshot, and commits what rests on an entry that has ended,
// and each second time on one that has not. Readers of every kind say what they see, by a clock that steps both ways.
func TestTime_isOneOrderWithCommits(t *testing.T) {
	const rounds = 4000
	var asked atomic.Int64
	steps := func() time.Time { // a clock that is set forward and back whenever it is asked
		n := asked.Add(1)
		return time.Unix(0, 2*n+n*7919%13)
	}
	o := order{t: t, clocked: newClocked(Options{Wall: steps}), commits: []rested{{}}}
	o.Time.Begin(0)
	var running sync.WaitGroup
	var stop atomic.Bool
	for range 2 {
		running.Go(func() {
			for !stop.Load() {
				o.read()
				runtime.Gosched()
			}
		})
	}
	for n := 0; n < rounds || o.reads.Load() < rounds; n++ { // a quiet machine makes all commits before the first read
		o.commit()
		runtime.Gosched()
	}
	stop.Store(true)
	running.Wait()
	if len(o.commits) < rounds/100 {
		t.Errorf("only %d commits", len(o.commits))
	}
}

// rested is what a commit rests on: what has ended at from has, and what ends at until has not.
type rested struct{ from, until key.Time }

// order is commits, by sequence number, and what they rest on.
type order struct {
	*clocked
	t       *testing.T
	reads   atomic.Int64
	mu      sync.Mutex // guards commits
	commits []rested
}

func (o *order) commit() {
	var reg Registration
	o.Add(&reg)
	c := rested{from: reg.Now(), until: reg.Now() + 20}
	o.Leave(&reg)
	if len(o.commits)%2 == 0 { // only it appends to them
		c.until = math.MaxInt64 // it saw nothing live, and so holds nothing
	} else if !o.Time.Hold(c.until) {
		return
	}
	o.mu.Lock()
	o.commits = append(o.commits, c)
	o.mu.Unlock()
	o.Publish(o.Visible() + 1)
}

// read has two readers, and holds what they see against the commits.
func (o *order) read() {
	seq, now := o.Moment(func() {})
	var reg Registration
	o.Add(&reg)
	defer o.Leave(&reg)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.check(seq, now)
	o.check(reg.Seq(), reg.Now())
	o.reads.Add(1)
}

func (o *order) check(seq key.SeqNum, now key.Time) {
	if from := o.commits[seq].from; now < from {
		o.t.Errorf("commit %d saw ended what ends at %d; a reader of it has the time %d", seq, from, now)
	}
	for _, missed := range o.commits[seq+1:] {
		if now >= missed.until {
			o.t.Errorf("a reader at %d misses a commit that saw live what ends at %d", now, missed.until)
		}
	}
}
