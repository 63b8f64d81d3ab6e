package room

import (
	"fmt"
	"time"

	"lightningdb/internal/format/batch"
)

// ErrTooManyRanges is batch.ErrTooManyRanges.
var ErrTooManyRanges = batch.ErrTooManyRanges

// Ranges is how many range tombstones a database has, which are all in memory and in each snapshot of the manifest, and
// the bytes that they take, at Limit for the whole database.
type Ranges struct {
	Count        int
	Bytes, Limit int64
}

// From slowRanges tombstones on, or a share of the memory, each one that comes makes its writer wait, the longer the
// more there are; at stopRanges, four times as much, it is refused.
const (
	slowRanges     = 4 << 10
	stopRanges     = 4 * slowRanges
	slowShare      = 64
	longestForOne  = 50 * time.Millisecond
	shortestForOne = time.Millisecond
)

// Wait is how long a writer of one more tombstone has to wait. The error is ErrTooManyRanges.
func (r Ranges) Wait() (time.Duration, error) {
	used := max(float64(r.Count)/slowRanges, float64(r.Bytes)*slowShare/float64(max(r.Limit, 1)))
	switch {
	case used >= stopRanges/slowRanges:
		return 0, fmt.Errorf("%w are remembered, %d of %d bytes: close old snapshots or compact, and delete few large "+
			"ranges rather than many small ones", ErrTooManyRanges, r.Count, r.Bytes)
	case used < 1:
		return 0, nil
	}
	return shortestForOne + time.Duration((used-1)/(stopRanges/slowRanges-1)*float64(longestForOne)), nil
}
