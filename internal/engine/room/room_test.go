package room

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
)

const mib = 1 << 20

// The pace is such that what writers bring while level 0 is being compacted fits into the room that is left.
func TestPace_letsTheRoomLast(t *testing.T) {
	measured := Pace{Memtable: 6 * mib, Level0: 180 * mib, Compacted: 1000 * mib, Took: 10 * time.Second}
	for name, c := range map[string]struct {
		change func(p *Pace)
		want   float64 // bytes a second
	}{
		"the compaction is in progress": {func(p *Pace) { p.Left, p.Rest, p.Shortens = 50*mib, 200*mib, true }, 25 * mib},
		"another comes first":           {func(p *Pace) { p.Left, p.Rest = 50*mib, 30*mib }, 50 * mib / 3.0},
		"none was measured": {func(p *Pace) {
			p.Left, p.Rest, p.Shortens, p.Compacted = 50*mib, 64*mib, true, 0
		}, 25 * mib},
		"one is nearly done": {func(p *Pace) { p.Left, p.Rest, p.Shortens = 6*mib, 1, true }, 100 * mib},
		"no room is left":    {func(p *Pace) { p.Left, p.Rest, p.Shortens = 0, 200*mib, true }, mib},
		"less than none":     {func(p *Pace) { p.Left, p.Rest, p.Shortens = -6*mib, 200*mib, true }, mib},
		"a clock that stands": {func(p *Pace) {
			p.Left, p.Rest, p.Shortens, p.Took = 50*mib, 100*mib, true, 0
		}, 16 * mib},
	} {
		p := measured
		c.change(&p)
		if got := p.PerSecond(); got < 0.99*c.want || got > 1.01*c.want {
			t.Errorf("%s: %.1f MiB/s, want %.1f", name, got/mib, c.want/mib)
		}
	}
}

func TestRoom_reservesOneAfterTheOther(t *testing.T) {
	var r Room
	for _, c := range []struct {
		now       time.Duration
		perSecond float64
		want      time.Duration
	}{
		{0, mib, time.Second},
		{0, 2 * mib, 1500 * time.Millisecond},
		{time.Second, 2 * mib, time.Second},
		{time.Minute, 4 * mib, 250 * time.Millisecond}, // time that nobody used is gone
	} {
		if got := r.Reserve(clock.Instant(c.now)+1, mib, c.perSecond); got != c.want {
			t.Errorf("at %v: %v, want %v", c.now, got, c.want)
		}
	}
	r.Forget()
	if got := r.Reserve(clock.Instant(time.Minute)+1, mib, mib); got != time.Second {
		t.Errorf("after Forget: %v", got)
	}
}

// A writer that looks after it has asked for the next change misses none.
func TestRoom_tellsOfEachChange(t *testing.T) {
	var r Room
	r.Changed() // nobody waits
	first, second := r.NextChange(), r.NextChange()
	if happened(first) {
		t.Error("a change of before is told of")
	}
	r.Changed()
	if !happened(first) || !happened(second) || happened(r.NextChange()) {
		t.Error("a change is told of once, to all who wait")
	}
	next := r.NextChange()
	full := fmt.Errorf("flush: %w", vfs.ErrNoSpace)
	if r.NoteBackground(full); !happened(next) || !errors.Is(r.BackgroundError(), vfs.ErrNoSpace) {
		t.Error("nobody who waits hears of a full disk")
	}
	if r.NoteBackground(nil); r.BackgroundError() != nil {
		t.Error("what has passed is held up")
	}
}

func happened(change <-chan struct{}) bool {
	select {
	case <-change:
		return true
	default:
		return false
	}
}
