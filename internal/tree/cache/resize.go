package cache

import "lightningdb/internal/system/offheap"

// chunkBytes is how much memory a smaller budget gives back at a time: a huge page, because a part of one would stay
// with the process.
const chunkBytes = 2 << 20

// withdrawn records the frames above the limit that are out of use. A frame above the limit that is loading,
// resident, in limbo or pinned goes on as any other; it is withdrawn when it would become free. When all frames of a
// chunk are withdrawn, its memory goes back to the system. It is guarded by Cache.mu.
type withdrawn struct {
	chunkFrames int     // frames of a chunk
	is          []bool  // for each frame
	counts      []int32 // for each chunk
	total       int
}

func newWithdrawn(frames, chunkFrames int) withdrawn {
	chunks := (frames + chunkFrames - 1) / chunkFrames
	return withdrawn{chunkFrames: chunkFrames, is: make([]bool, frames), counts: make([]int32, chunks)}
}

// Resize makes budget, rounded down to 2 MiB, the bytes that frames may take; the budget of New is the most. Pages
// in frames above it are evicted, read lately or not, and the memory of these frames is given back when no guard or
// pin holds them. It reports whether all of it was given back: if not, call it again a while later.
func (c *Cache) Resize(budget int64) bool {
	c.mu.Lock()
	usable := c.framesForLocked(budget)
	before := int(c.usable.Swap(uint32(usable)))
	for i := before; i < min(usable, c.fresh); i++ {
		c.restoreLocked(i)
	}
	if free := c.free; usable < before {
		c.free = free[:0]
		for _, i := range free {
			c.freeLocked(i)
		}
	}
	end, settled := c.fresh, usable+c.withdrawn.total >= c.fresh
	c.mu.Unlock()
	if settled {
		return true
	}
	c.evictBetween(usable, end)
	c.domain.Collect()
	return c.settled()
}

// framesForLocked is how many frames budget pays for, in whole chunks.
func (c *Cache) framesForLocked(budget int64) int {
	n := max(budget, 0) / int64(c.frameSize)
	if n >= int64(c.frames) {
		return c.frames
	}
	return int(n) / c.withdrawn.chunkFrames * c.withdrawn.chunkFrames
}

func (c *Cache) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.usable.Load())+c.withdrawn.total >= c.fresh
}

// evictBetween unlinks the pages in the frames [low, high), including pinned ones: their frames become free when
// they are unpinned.
func (c *Cache) evictBetween(low, high int) {
	var victims []uint32
	for i := low; i < high; i++ {
		if c.unlink(uint32(i)) {
			victims = append(victims, uint32(i))
		}
	}
	c.limbo.Add(c.weight(victims))
	c.evictions.Add(int64(len(victims)))
	c.retire(victims)
}

// freeLocked puts frame i, which has no references left, on the free list, or out of use if it is above the limit.
func (c *Cache) freeLocked(i uint32) {
	if i < c.usable.Load() {
		c.free = append(c.free, i)
		return
	}
	c.withdrawLocked(i)
}

func (c *Cache) withdrawLocked(i uint32) {
	w := &c.withdrawn
	w.is[i] = true
	w.total++
	n := int(i) / w.chunkFrames
	w.counts[n]++
	low := n * w.chunkFrames
	high := min(low+w.chunkFrames, c.fresh) // those beyond were never touched
	if int(w.counts[n]) == high-low && c.region != nil {
		offheap.Discard(c.region[low*c.frameSize : high*c.frameSize])
	}
}

// restoreLocked brings frame i back into use if it was withdrawn.
func (c *Cache) restoreLocked(i int) {
	w := &c.withdrawn
	if !w.is[i] {
		return
	}
	w.is[i] = false
	w.total--
	w.counts[i/w.chunkFrames]--
	c.free = append(c.free, uint32(i))
}
