package entries

import (
	"context"

	"lightningdb"
)

// checkedEntries is how many entries Each handles between two looks at its context.
const checkedEntries = 1000

// Each calls f for every entry of found, until it fails or ctx ends. If only keys are wanted, values are not read, and
// f is given nil.
func Each(ctx context.Context, found *lightningdb.Range, keysOnly bool, f func(key, value []byte) error) error {
	all := found.All()
	if keysOnly {
		all = func(yield func(key, value []byte) bool) {
			found.Keys()(func(key []byte) bool { return yield(key, nil) })
		}
	}
	n := 0
	for key, value := range all {
		if n%checkedEntries == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n++
		if err := f(key, value); err != nil {
			return err
		}
	}
	return found.Err()
}

// Estimate is about how many entries the database has: good enough to draw progress, and for nothing else.
func Estimate(m lightningdb.Metrics) int64 {
	n := int64(m.Memtable.Entries)
	for _, level := range m.Levels {
		n += int64(level.Entries) - int64(level.Tombstones)
	}
	return max(0, n)
}
