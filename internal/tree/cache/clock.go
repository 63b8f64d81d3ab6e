package cache

import "sync"

// clock is the hand that goes round the frames and unlinks pages that were not read since it last passed. A page is
// loaded with its used bit clear: one that is read once, by a scan, goes before those that are read again.
type clock struct {
	mu   sync.Mutex // only tried, never waited for: one sweep at a time is enough
	hand int
}

// sweepLimit bounds the frames that the hand passes in one sweep, in batches: two rounds of a small cache. For a
// large one the bound is a quarter of the frames. A sweep that finds only used pages clears their bits for the next.
const sweepLimit = 16

// refill brings the number of free frames up to want, if it can, either now or when the guards that are open now
// have exited. The caller holds no lock; it may be inside a guard itself.
func (c *Cache) refill(want int) {
	c.domain.Collect()
	short := want - c.available()
	if short <= 0 || int(c.limbo.Load()) >= c.limboLimit() || !c.clock.mu.TryLock() {
		return
	}
	victims := c.sweepLocked(short)
	c.limbo.Add(c.weight(victims))
	c.clock.mu.Unlock()
	c.evictions.Add(int64(len(victims)))
	c.retire(victims)
}

// limboLimit is the number of frames in limbo from which on the clock is not asked for more. Frames in limbo cannot
// be used, but stopping early is worse: a reader that loses its processor inside a guard holds limbo back for
// milliseconds. Others miss a thousand times meanwhile, and each miss without a free frame is a page that is not
// cached. A quarter is a compromise.
func (c *Cache) limboLimit() int { return max(int(c.usable.Load())/4, c.batch) }

// available counts the free frames.
func (c *Cache) available() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.availableLocked()
}

// sweepLocked unlinks pages until they make up want frames, at least a batch, or the hand has gone far enough.
func (c *Cache) sweepLocked(want int) []uint32 {
	want = max(want, c.batch)
	usable := int(c.usable.Load())
	var victims []uint32
	for range max(usable/4, sweepLimit*c.batch) {
		if c.clock.hand >= usable {
			c.clock.hand = 0
		}
		i := uint32(c.clock.hand)
		c.clock.hand++
		if !c.unlinkIfCold(i) {
			continue
		}
		victims = append(victims, i)
		if want -= 1 + c.lentWith(i); want <= 0 {
			break
		}
	}
	return victims
}

// unlinkIfCold unlinks frame i unless it was used since the last round or is pinned, and reports whether it did.
func (c *Cache) unlinkIfCold(i uint32) bool {
	if c.meta[i].Load()&usedBit != 0 {
		c.meta[i].And(^uint32(usedBit))
		return false
	}
	f := c.record(i)
	return f != nil && f.refs.Load() <= 1 && c.unlink(i)
}

// unlink takes the page in frame i out of its slot and reports whether it did. Success means that the slot held i+1 at
// that instant, whatever the frame's owner and page were when they were read: the frame was resident and is now the
// caller's to retire.
func (c *Cache) unlink(i uint32) bool {
	f := c.record(i)
	owner, page := f.owner.Load(), int(f.page.Load())
	if owner == nil || page >= len(owner.slots) {
		return false
	}
	return owner.slots[page].CompareAndSwap(i+1, slotEmpty)
}

// lentWith counts the frames lent for the page in frame i, which the caller has unlinked.
func (c *Cache) lentWith(i uint32) int {
	if over := c.record(i).over; over != nil {
		return len(over.lent)
	}
	return 0
}

// weight counts the frames that come free with the unlinked ones.
func (c *Cache) weight(unlinked []uint32) int64 {
	n := len(unlinked)
	for _, i := range unlinked {
		n += c.lentWith(i)
	}
	return int64(n)
}

// retire gives up the cache's reference to the unlinked frames when no guard can be reading them. The caller has added
// their weight to limbo.
func (c *Cache) retire(unlinked []uint32) {
	if len(unlinked) == 0 {
		return
	}
	weight := c.weight(unlinked)
	c.domain.Retire(func() {
		for _, i := range unlinked {
			c.disown(i)
		}
		c.limbo.Add(-weight)
	})
}
