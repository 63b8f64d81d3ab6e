package cache

// Pin holds one page outside any guard, for an iterator, or a page that is not cached. The zero Pin holds nothing. A
// Pin belongs to one goroutine.
//
// # Why a pinned frame is not reused
//
// refs of a frame counts its pins, and one for the cache from take to the end of limbo; the goroutine that takes it
// from one to zero recycles the frame. Pin adds to refs inside a guard under which it found the frame in its slot.
// If the frame is unlinked after that, or was unlinked between the two, it is retired after the guard was entered,
// and the cache's one is subtracted only when the guard has exited, hence after Pin's addition. So refs was at least
// one when Pin added, the addition is not lost on a recycled frame, and the frame stays until the cache and all pins
// have released it, in any order. After limbo no slot leads to the frame, so nobody can pin it again.
//
// The clock passes over pinned frames. It may look at refs too early, and unlink a page that is being pinned: then
// the page is loaded again when it is next asked for, and the pinned frame only becomes free late.
type Pin struct {
	cache *Cache
	slot  uint32 // frame+1, slotPrivate, or slotEmpty for bytes on the Go heap
	data  []byte
}

// Pin returns page n, which stays valid until Unpin. It enters a guard of its own. Errors are those of Get.
func (p *Pages) Pin(n int) (Pin, error) {
	c := p.cache
	guard := c.domain.Enter()
	defer guard.Exit()
	if uint(n) < uint(len(p.slots)) {
		if slot := p.slots[n].Load(); slot-1 < maxFrames {
			if c.meta[slot-1].Load()&usedBit == 0 {
				c.meta[slot-1].Or(usedBit)
			}
			return c.pin(slot, c.content(slot-1)), nil
		}
	}
	slot, data, err := p.load(n)
	if err != nil {
		return Pin{}, err
	}
	return c.pin(slot, data), nil
}

// pin returns a Pin and counts it, inside the caller's guard.
func (c *Cache) pin(slot uint32, data []byte) Pin {
	if slot-1 < maxFrames {
		c.record(slot - 1).refs.Add(1)
	}
	return Pin{cache: c, slot: slot, data: data}
}

// Data returns the bytes of the page, which must not be written and are valid until Unpin; nil after it.
func (p Pin) Data() []byte { return p.data }

// Unpin releases the page. Unpin of a Pin that holds nothing does nothing; a copy of a Pin must not be unpinned as
// well.
func (p *Pin) Unpin() {
	if p.cache != nil {
		p.release()
	}
}

func (p *Pin) release() {
	c := p.cache
	switch {
	case p.slot == slotPrivate:
		c.returnPrivate(p.data)
	case p.slot != slotEmpty:
		c.drop(p.slot - 1)
	case c.Poison:
		poison(p.data)
	}
	*p = Pin{}
}
