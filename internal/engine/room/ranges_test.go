package room

import (
	"errors"
	"testing"
	"time"
)

// A program that deletes many small ranges would fill the memory with them, or stop although they go by themselves.
func TestRanges_slowWritersBeforeTheyAreRefused(t *testing.T) {
	const limit = 256 << 20
	for _, row := range []struct {
		r        Ranges
		min, max time.Duration
		refused  bool
	}{
		{Ranges{0, 0, limit}, 0, 0, false},
		{Ranges{4095, 1 << 20, limit}, 0, 0, false},
		{Ranges{4096, 1 << 20, limit}, time.Millisecond, time.Millisecond, false},
		{Ranges{10_000, 1 << 20, limit}, 10 * time.Millisecond, 40 * time.Millisecond, false},
		{Ranges{16_383, 1 << 20, limit}, 40 * time.Millisecond, 60 * time.Millisecond, false},
		{Ranges{16_384, 1 << 20, limit}, 0, 0, true},
		{Ranges{10, limit/64 - 1, limit}, 0, 0, false},
		{Ranges{10, limit / 64, limit}, time.Millisecond, time.Millisecond, false},
		{Ranges{10, limit / 16, limit}, 0, 0, true},
	} {
		wait, err := row.r.Wait()
		if wait < row.min || wait > row.max || errors.Is(err, ErrTooManyRanges) != row.refused {
			t.Errorf("%+v: %v, %v; want %v to %v, refused %v", row.r, wait, err, row.min, row.max, row.refused)
		}
	}
}
