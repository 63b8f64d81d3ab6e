package burst_test

import (
	"testing"
	"time"

	"lightningdb/internal/system/clock"
	"lightningdb/internal/tree/burst"
)

// Writers that fill a memtable in milliseconds have stopped when nothing has come for a fifth of a second; those that
// need half a second may only have paused.
func TestBurst_isOverAfterAPauseInProportion(t *testing.T) {
	for _, c := range []struct{ fill, over time.Duration }{
		{time.Millisecond, 200 * time.Millisecond},
		{50 * time.Millisecond, 400 * time.Millisecond},
		{500 * time.Millisecond, 2 * time.Second},
		{time.Hour, 2 * time.Second},
	} {
		var b burst.Burst
		now := clock.Instant(time.Hour)
		if left := b.Left(now); left != 0 {
			t.Errorf("before anything was written a burst goes on for %v", left)
		}
		b.Rotated(now)
		if left := b.Left(now); left != burst.LongestPause {
			t.Errorf("after the first memtable a burst goes on for %v", left)
		}
		now += clock.Instant(c.fill)
		b.Rotated(now)
		now += clock.Instant(c.over)
		if left := b.Left(now - 1); left != 1 {
			t.Errorf("a memtable each %v: %v left before the end of %v", c.fill, left, c.over)
		}
		if left := b.Left(now); left != 0 {
			t.Errorf("a memtable each %v: %v left after %v", c.fill, left, c.over)
		}
	}
}
