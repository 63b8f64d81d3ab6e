package rowcache

import "sync/atomic"

const (
	readsPerSample = 64 // one read in 64 is counted
	offersPerRow   = 8  // one row in 8 that are offered is kept
	setsPerWatched = 16 // one set in 16 is watched where rows are seldom found again

	// minSampledReads is after how many counted reads the share of rows found is looked at, while few sets are watched. While all
	// are it is one for each set: they take as many reads to fill, and what is found until then says nothing.
	minSampledReads = 1 << 7
)

// sample is what was counted since the last decision, and what was decided. All but the atomics is of Review.
type sample struct {
	reads, hits atomic.Int64
	wake        func()
	wanted      bool // all sets should be watched, and are not
	filling     bool // all sets are watched, and have not been for long
}

// oneIn chooses one tick in n, a power of two. The ticks of a loop that reads the same keys in turn are evenly apart: the
// multiplication sees to it that it is not always the same key.
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

// fewSets is the number of sets that are watched where rows are seldom found again.
func (c *Cache) fewSets() uint64 { return uint64(len(c.sets)+setsPerWatched-1) / setsPerWatched }

func (c *Cache) watchesAll() bool { return c.watched.Load() == uint64(len(c.sets)) }

// enough is how many counted reads it takes to decide.
func (c *Cache) enough() int64 {
	if c.watchesAll() {
		return max(minSampledReads, int64(len(c.sets)))
	}
	return minSampledReads
}

// Review decides whether all sets are worth watching, by what was counted since it last did. It reports whether they
// should be and are not: then WatchAll is to be called while no commit is in progress, or Review again. That they are not
// any more needs no such care.
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

// WatchAll has all sets watched. Rows that were read before seq, the newest sequence number that is published, count no
// more: nobody has told of what changed in the sets that were not watched. No commit may be in progress.
func (c *Cache) WatchAll(seq uint64) {
	c.since.Store(max(seq, c.since.Load()))
	c.wanted, c.filling = false, true
	c.watched.Store(uint64(len(c.sets)))
}

// Bytes is the memory of the sets that are watched.
func (c *Cache) Bytes() int64 { return int64(c.watched.Load()) * SetBytes }
