package events

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
	"lightningdb/metrics"
)

// heard is what a listener was told, as text.
type heard struct {
	records []event.Record
	wait    chan struct{} // if not nil, each event waits for one of it
}

func (h *heard) hear(r event.Record) {
	if h.wait != nil {
		<-h.wait
	}
	h.records = append(h.records, r)
}

func newBus(h *heard) *Bus {
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: h.hear})
	b.Start()
	return b
}

func flush(n int) event.Event { return event.Flushed{Tables: n} }

// A program that counts what is open by begin and end would be wrong for ever after two that changed places.
func TestBus_tellsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(heard)
		b := newBus(h)
		for n := range 500 {
			b.Send(flush(n))
			if n%100 == 0 {
				synctest.Wait()
			}
		}
		b.Close(time.Second)
		for n, r := range h.records {
			if r.Event != flush(n) || r.Dropped != 0 {
				t.Fatalf("event %d is %v", n, r)
			}
		}
		if c := b.Counts(); len(h.records) != 500 || c.Told != 500 || c.Dropped != 0 {
			t.Errorf("told of %d, counted %+v", len(h.records), c)
		}
	})
}

// A listener that hangs would stop the commits of the program, or take all its memory.
func TestBus_dropsAndCountsWhatASlowListenerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{wait: make(chan struct{})}
		b := newBus(h)
		b.Send(flush(0))
		synctest.Wait() // the listener has it
		for n := range 2 * event.QueueLength {
			b.Send(flush(n + 1))
		}
		b.Send(event.Stopped{Cause: errors.New("broken")})
		const taken = event.QueueLength - urgentPlaces
		if c := b.Counts(); c.Dropped != 2*event.QueueLength-taken {
			t.Errorf("%+v", c)
		}
		close(h.wait)
		synctest.Wait()
		last := h.records[len(h.records)-1]
		if _, ok := last.Event.(event.Stopped); !ok || last.Dropped != 2*event.QueueLength-taken {
			t.Errorf("the last one is %T, with %d dropped before", last.Event, last.Dropped)
		}
		if len(h.records) != 1+taken+1 {
			t.Errorf("%d were told of", len(h.records))
		}
	})
}

// Close would hang with the listener, or come back while events of the last moment are lost.
func TestBus_closeWaitsButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{wait: make(chan struct{})}
		b := newBus(h)
		b.Send(flush(0))
		b.Send(flush(1))
		start := time.Now()
		b.Close(event.CloseWait)
		if took := time.Since(start); took != event.CloseWait {
			t.Errorf("Close took %v", took)
		}
		b.Send(flush(2))
		close(h.wait)
		synctest.Wait()
		if c := b.Counts(); len(h.records) != 1 || c.Dropped != 2 {
			t.Errorf("after Close %d were told of: %+v", len(h.records), c)
		}
	})
}

// A listener that closes the database would wait for itself.
func TestBus_aListenerMayClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Bus
		took := time.Duration(-1)
		b = New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: func(event.Record) {
			start := time.Now()
			b.Close(time.Hour)
			took = time.Since(start)
		}})
		b.Start()
		b.Send(flush(0))
		synctest.Wait()
		if took != 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

// A test of the program that fails in its listener would end what tells everybody else.
func TestBus_outlivesAListenerThatEndsItsGoroutine(t *testing.T) {
	for _, apart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var told []event.Event
			b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: func(r event.Record) {
				told = append(told, r.Event)
				runtime.Goexit()
			}})
			if apart {
				b.Start()
			}
			b.Send(flush(0))
			b.Send(flush(1))
			b.Close(time.Second)
			if !slices.Equal(told, []event.Event{flush(0), flush(1)}) {
				t.Errorf("told of %v", told)
			}
		})
	}
}

// An idle database would keep a goroutine, and a program with thousands of them thousands.
func TestBus_hasNoGoroutineWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which waits for goroutines that it has begun, and fails if one never ends
		b := newBus(new(heard))
		b.Send(flush(0))
	})
}

// A thousand reads of one bad page would be a thousand calls at night.
func TestBus_tellsOfADamagedFileOnce(t *testing.T) {
	h := new(heard)
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: h.hear})
	b.Damaged("read", nil)
	b.Damaged("read", errors.New("another"))
	for range 3 {
		b.Damaged("read", fmt.Errorf("get: %w", corrupt.New("1.tbl", 4096, "checksum")))
		b.Scrubbed("1.tbl", corrupt.New("1.tbl", 4096, "checksum"))
	}
	b.Damaged("verify", errors.Join(corrupt.New("1.tbl", 1, "again"), corrupt.New("2.tbl", 8, "checksum")))
	b.Scrubbed("3.tbl", errors.New("the medium"))
	var got []string
	for _, r := range h.records {
		d := r.Event.(event.Damaged)
		got = append(got, fmt.Sprint(d.By, " ", d.File, " ", d.Offset))
	}
	want := []string{"read 1.tbl 4096", "verify 2.tbl 8", "scrub 3.tbl -1"}
	if !slices.Equal(got, want) || b.Counts().Damaged != 3 {
		t.Errorf("told %q, counted %+v", got, b.Counts())
	}
}

// A disk that hangs makes every operation slow: the log would be full of them, and of nothing else.
func TestBus_tellsOfAFewSlowOperationsASecond(t *testing.T) {
	h := new(heard)
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: h.hear})
	for n := range 3 * event.SlowPerSecond {
		b.slowOperation(clock.Instant(time.Second), event.SlowOperation{Bytes: n})
	}
	b.slowOperation(clock.Instant(2*time.Second), event.SlowOperation{Bytes: -1})
	last := h.records[len(h.records)-1].Event.(event.SlowOperation)
	if len(h.records) != event.SlowPerSecond+1 || last.Bytes != -1 || last.Skipped != 2*event.SlowPerSecond {
		t.Errorf("%d told of, the last one %+v", len(h.records), last)
	}
	c := b.Counts()
	if c.Slow != 3*event.SlowPerSecond+1 || len(c.Recent) != event.RecentSlow || c.Recent[event.RecentSlow-1].Bytes != -1 {
		t.Errorf("counted %d, kept %d", c.Slow, len(c.Recent))
	}
}

// Writers are slowed by a millisecond at a time: each would be a pair of events.
func TestStalls_joinWaitsThatFollowEachOther(t *testing.T) {
	h := new(heard)
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: h.hear})
	now := clock.Instant(time.Second)
	s, st := new(Stalls), &stats.Stats{}
	sum := func() metrics.Stall { return st.Stall(now) }
	for range 100 {
		s.Begin(b, "level 0 is long", sum)
		st.Stalled(now, "level 0 is long")
		now = now.Plus(time.Millisecond)
		st.Resumed(now)
		s.End(now)
		now = now.Plus(time.Millisecond)
		if due := s.Step(b, now, sum()); due > event.StallPause {
			t.Fatalf("due again after %v", due)
		}
	}
	now = now.Plus(event.StallPause)
	s.Step(b, now, sum())
	want := []event.Event{event.StallBegan{Cause: "level 0 is long"},
		event.StallEnded{Cause: "level 0 is long", Waits: 100, Waited: 100 * time.Millisecond}}
	if len(h.records) != 2 || h.records[0].Event != want[0] || h.records[1].Event != want[1] {
		t.Errorf("told %v, want %v", h.records, want)
	}
	s.Begin(b, "again", sum)
	s.Close(b, sum())
	s.Close(b, sum())
	if len(h.records) != 4 {
		t.Errorf("a stall that Close ends: %v", h.records[2:])
	}
}

// At the limit every second put is refused: the log would have a line for each.
func TestHeld_joinsFailuresThatFollowEachOther(t *testing.T) {
	h := new(heard)
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Listener: h.hear})
	full := fmt.Errorf("commit: %w", vfs.ErrNoSpace)
	held, now := NewHeld("commits are", time.Second), clock.Instant(time.Second)
	held.Note(b, now, nil)
	for range 10 {
		held.Note(b, now, full)
		now = now.Plus(time.Second / 2)
		held.Note(b, now, nil)
	}
	now = now.Plus(time.Second / 2)
	held.Note(b, now, nil)
	held.Note(b, now, nil)
	if len(h.records) != 2 || h.records[0].Event != (event.Hindered{By: "commits are", Full: true, Cause: full}) ||
		h.records[1].Event != (event.Resumed{By: "commits are", After: 5500 * time.Millisecond}) {
		t.Errorf("told %v", h.records)
	}
}

// spans is a tracer that keeps what it is told.
type spans struct{ told []string }

type spanKey struct{}

func (s *spans) Start(ctx context.Context, op event.Operation) context.Context {
	parent, _ := ctx.Value(spanKey{}).(string)
	s.told = append(s.told, "+"+parent+"/"+string(op))
	return context.WithValue(ctx, spanKey{}, parent+"/"+string(op))
}

func (s *spans) End(ctx context.Context, op event.Operation, err error) {
	s.told = append(s.told, fmt.Sprint("-", ctx.Value(spanKey{}), " ", err))
}

// A span that never ends, because the function of the program has panicked, is shown as running for ever.
func TestTraced_endsWhateverHappens(t *testing.T) {
	s := new(spans)
	b := New(clock.Stopwatch(), time.Now, nil, event.Options{Tracer: s})
	func() {
		defer func() { recover() }()
		b.Traced(context.TODO(), event.Update, func(ctx context.Context) error {
			return b.Traced(ctx, event.Commit, func(context.Context) error { panic("broken") })
		})
	}()
	broken := errors.New("broken")
	if err := b.Traced(t.Context(), event.View, func(context.Context) error { return broken }); err != broken {
		t.Error(err)
	}
	want := []string{"+/update", "+/update/commit", "-/update/commit it has not returned", "-/update it has not returned",
		"+/view", "-/view broken"}
	if !slices.Equal(s.told, want) {
		t.Errorf("told %q, want %q", s.told, want)
	}
}
