package room

import (
	"errors"
	"time"
)

// Each range tombstone costs every reader a little, and every snapshot of a manifest. Compactions take them away, but a
// program can make them faster than that: so from slowRanges on whoever deletes ranges waits, the longer the more there
// are, and more than MaxRanges there are never.
const (
	slowRanges = 4096
	MaxRanges  = 16384

	longestRangeWait = 100 * time.Millisecond // for each, where there are nearly MaxRanges

	// FullRanges is how many a memtable has before it is flushed, whatever else is in it: no compaction knows of one
	// before that.
	FullRanges = 1024
)

// ErrTooManyRanges refuses a delete of a range because very many are there that still hide something.
var ErrTooManyRanges = errors.New("too many deleted ranges still hide something: end old snapshots, or call Compact")

// RangeWait is how long a commit that deletes n ranges waits, where there are that many range tombstones.
func RangeWait(there, n int) (time.Duration, error) {
	switch {
	case n > 0 && there+n > MaxRanges:
		return 0, ErrTooManyRanges
	case n == 0 || there < slowRanges:
		return 0, nil
	}
	each := longestRangeWait * time.Duration(there-slowRanges+1) / (MaxRanges - slowRanges)
	return min(time.Duration(n)*each, time.Second), nil
}
