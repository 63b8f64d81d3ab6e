package room

import (
	"errors"
	"testing"
	"time"
)

// A program that deletes ranges faster than compactions take them away would slow down every reader, without an end.
func TestRangeWait_slowsAndThenRefuses(t *testing.T) {
	for _, c := range []struct {
		there, n int
		want     time.Duration
		refused  bool
	}{
		{slowRanges - 1, 1, 0, false},
		{slowRanges, 1, longestRangeWait / (MaxRanges - slowRanges), false},
		{(slowRanges+MaxRanges)/2 - 1, 1, longestRangeWait / 2, false},
		{(slowRanges+MaxRanges)/2 - 1, 4, 2 * longestRangeWait, false},
		{MaxRanges - 1, 1, longestRangeWait, false},
		{MaxRanges - 100, 100, time.Second, false},
		{MaxRanges, 1, 0, true},
		{MaxRanges, 0, 0, false},
		{0, MaxRanges + 1, 0, true},
	} {
		got, err := RangeWait(c.there, c.n)
		if got != c.want || errors.Is(err, ErrTooManyRanges) != c.refused {
			t.Errorf("%d there, %d more: %v, %v; want %v", c.there, c.n, got, err, c.want)
		}
	}
}
