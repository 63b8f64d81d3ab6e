package room

import (
	"fmt"
	"time"

	"lightningdb/internal/format/batch"
)

// Ranges is how many range tombstones a database has, which are all in memory and in each snapshot of the manifest, how
// many More come, and the bytes that all these take, at Limit for the whole database. Each costs every reader a little.
type Ranges struct {
	Count, More  int
	Bytes, Limit int64
}

// From slowRanges tombstones on, or a share of the memory, each one that comes makes its writer wait, the longer the
// more there are, because compactions take them away no faster; four times as many there are never.
const (
	slowRanges     = 4 << 10
	MaxRanges      = 4 * slowRanges
	slowShare      = 64
	longestForOne  = 50 * time.Millisecond
	shortestForOne = time.Millisecond
	longestForAll  = time.Second
)

// Wait is how long the writer of those that come has to wait. The error is batch.ErrTooManyRanges.
func (r Ranges) Wait() (time.Duration, error) {
	memory := float64(r.Bytes) * slowShare / float64(max(r.Limit, 1))
	used := max(float64(r.Count)/slowRanges, memory)
	switch {
	case r.Count+r.More > MaxRanges, memory >= MaxRanges/slowRanges:
		return 0, fmt.Errorf("%w are remembered, %d of %d bytes: close old snapshots or compact, and delete few large "+
			"ranges rather than many small ones", batch.ErrTooManyRanges, r.Count, r.Bytes)
	case used < 1:
		return 0, nil
	}
	each := shortestForOne + time.Duration((used-1)/(MaxRanges/slowRanges-1)*float64(longestForOne))
	return min(time.Duration(r.More)*each, longestForAll), nil
}
