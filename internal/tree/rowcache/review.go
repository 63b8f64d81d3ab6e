package rowcache

import (
	"sync/atomic"

	"lightningdb/internal/format/key"
)

const (
	readsPerSample = 64 // one read in this many is counted
	offersPerRow   = 8  // one offered row in this many is kept
	setsPerWatched = 16 // one set in this many is watched while rows are seldom found again

	// minSampledReads is the number of counted reads after which the share of rows found is judged, while few sets
	// are watched. While all are watched it is one for each set: that many reads fill them, and the share before
	// then says nothing.
	minSampledReads = 1 << 7
)

// sample is what was counted since the last decision, and the decision. Only Review uses the fields that are not
// atomic.
type sample struct {
	reads, hits atomic.Int64
	wake        func()
	wanted      bool // all sets should be watched and are not
	filling     bool // all sets are watched, but not for long yet
}

// oneIn chooses one tick in n, a power of two. A loop that reads the same keys in turn has evenly spaced ticks; the
// multiplication prevents that it always chooses the same key.
func oneIn(n, tick uint32) bool { return tick*0x9e3779b1 <= (1<<32-1)/n }

// count counts a read.
func (c *Cache) count(hit bool) {
	if hit {
		c.hits.Add(1)
	}
	if c.reads.Add(1) == c.enough() && !c.eager {
		c.wake()
	}
}

// fewSets is the number of sets that are watched while rows are seldom found again.
func (c *Cache) fewSets() uint64 { return uint64(len(c.sets)+setsPerWatched-1) / setsPerWatched }

func (c *Cache) watchesAll() bool { return c.watched.Load() == uint64(len(c.sets)) }

// enough is how many counted reads a decision takes.
func (c *Cache) enough() int64 {
	if c.watchesAll() {
		return max(minSampledReads, int64(len(c.sets)))
	}
	return minSampledReads
}

// Review decides whether all sets are worth watching, from what was counted since its last decision. It returns true
// if they should be watched and are not: then call WatchAll while no commit is in progress, or Review again. The
// opposite decision takes effect at once, because it needs no such care.
func (c *Cache) Review() (widen bool) {
	if c.reads.Load() < c.enough() || c.eager {
		return c.wanted
	}
	reads, hits := c.reads.Swap(0), c.hits.Swap(0)
	switch {
	case !c.watchesAll():
		c.wanted = hits*2 > reads
	case c.filling:
		c.filling = false
	case hits*4 < reads:
		c.watched.Store(c.fewSets())
	}
	return c.wanted
}

// WatchAll makes the cache watch all sets. Rows that were read before seq, the newest published sequence number, are
// no longer used: nobody told the cache what changed in the sets that were not watched. No commit may be in
// progress.
func (c *Cache) WatchAll(seq key.SeqNum) {
	c.Forget(seq)
	c.wanted, c.filling = false, true
	c.watched.Store(uint64(len(c.sets)))
}

// Bytes is the memory of the sets that are watched.
func (c *Cache) Bytes() int64 { return int64(c.watched.Load()) * SetBytes }
