package room

import (
	"errors"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
)

// A program that deletes many small ranges would fill the memory with them and slow down every reader, or stop although
// they go by themselves.
func TestRanges_slowWritersBeforeTheyAreRefused(t *testing.T) {
	const limit = 256 << 20
	for _, row := range []struct {
		r        Ranges
		min, max time.Duration
		refused  bool
	}{
		{Ranges{0, 1, 0, limit}, 0, 0, false},
		{Ranges{4095, 1, 1 << 20, limit}, 0, 0, false},
		{Ranges{4096, 1, 1 << 20, limit}, time.Millisecond, time.Millisecond, false},
		{Ranges{4096, 3, 1 << 20, limit}, 3 * time.Millisecond, 3 * time.Millisecond, false},
		{Ranges{10_000, 1, 1 << 20, limit}, 10 * time.Millisecond, 40 * time.Millisecond, false},
		{Ranges{16_383, 1, 1 << 20, limit}, 40 * time.Millisecond, 60 * time.Millisecond, false},
		{Ranges{16_000, 300, 1 << 20, limit}, time.Second, time.Second, false},
		{Ranges{16_383, 2, 1 << 20, limit}, 0, 0, true},
		{Ranges{16_384, 1, 1 << 20, limit}, 0, 0, true},
		{Ranges{0, MaxRanges + 1, 0, limit}, 0, 0, true},
		{Ranges{10, 1, limit/64 - 1, limit}, 0, 0, false},
		{Ranges{10, 1, limit / 64, limit}, time.Millisecond, time.Millisecond, false},
		{Ranges{10, 1, limit / 16, limit}, 0, 0, true},
	} {
		wait, err := row.r.Wait()
		if wait < row.min || wait > row.max || errors.Is(err, batch.ErrTooManyRanges) != row.refused {
			t.Errorf("%+v: %v, %v; want %v to %v, refused %v", row.r, wait, err, row.min, row.max, row.refused)
		}
	}
}
