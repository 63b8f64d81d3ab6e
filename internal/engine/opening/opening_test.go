package opening

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lightningdb/event"
)

// A program that waits for Open would look dead, or its log would be flooded.
func TestProgress_tellsOnceASecond(t *testing.T) {
	var now time.Duration
	var told []string
	p := Begin(func() time.Duration { return now }, func(e event.Event) {
		message, attributes := e.Log()
		told = append(told, fmt.Sprint(now, " ", message, " ", attributes))
	})
	p.Step("replay", 0, 10<<20)
	for done := int64(0); done <= 10<<20; done += lookBytes / 2 {
		p.Reach(done)
		now += 10 * time.Millisecond
	}
	now = 4200 * time.Millisecond
	p.Step("tidy up", 0, 0)
	p.Look()
	now = 5200 * time.Millisecond
	p.Look()
	if took := p.Took(); took != now {
		t.Errorf("it took %v instead of %v", took, now)
	}
	want := []string{
		"1s replay [done 3276800 total 10485760]", "2s replay [done 6553600 total 10485760]",
		"3s replay [done 9830400 total 10485760]", "4.2s tidy up []", "5.2s tidy up []",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// Every Open would leave a line in the log.
func TestProgress_isSilentWithinASecond(t *testing.T) {
	var now time.Duration
	p := Begin(func() time.Duration { return now }, func(e event.Event) { t.Errorf("told %v", e) })
	p.Step("replay", 0, 1<<20)
	now = Interval - 1
	p.Reach(1 << 20)
}
