package cache

import (
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"
	"unsafe"

	"lightningdb/internal/format/corrupt"
)

// Values of a slot that are not the number of a frame plus one.
const (
	slotEmpty   = 0
	slotClosed  = math.MaxUint32
	slotPrivate = math.MaxUint32 - 1 // never in Pages; in a Pin it says that the page is in a private buffer
)

// slotBytes is the size of a slot.
const slotBytes = 4

// Pages gives access to the pages of one table through the cache. All methods are safe for concurrent use.
type Pages struct {
	cache  *Cache
	loader Loader
	slots  []atomic.Uint32 // slotEmpty, frame+1, or at last slotClosed
	closed atomic.Bool
}

// NewPages returns access to a table of n pages, numbered from 0, none of them resident. It costs 4 bytes a page.
func (c *Cache) NewPages(n int, l Loader) *Pages {
	p := &Pages{cache: c, loader: l, slots: make([]atomic.Uint32, n)}
	c.indexBytes.Add(p.Bytes())
	return p
}

// Bytes is how much memory the slots take.
func (p *Pages) Bytes() int64 { return int64(len(p.slots)) * slotBytes }

// Get returns page n, from memory or through the Loader. The caller is inside a guard of the cache's epoch domain;
// the bytes belong to the cache, must not be written, and are valid until the guard's Exit. A page that is not
// cached replaces what private holds, and is valid until that is unpinned. Errors are those of the Loader, which are
// never remembered; fs.ErrClosed after Close; and a *corrupt.Error if the table has no page n, since such a number
// can only come from damaged bytes.
func (p *Pages) Get(n int, private *Pin) ([]byte, error) {
	c := p.cache
	if uint(n) < uint(len(p.slots)) {
		if i := p.slots[n].Load() - 1; i < maxFrames { // neither slotEmpty nor slotClosed
			meta := c.meta[i].Load()
			if meta&usedBit == 0 {
				c.meta[i].Or(usedBit)
			}
			if size := int(meta >> 1); size <= c.frameSize {
				at := int(i) * c.frameSize
				return c.region[at : at+size : at+size], nil
			}
			return c.content(i), nil
		}
	}
	slot, data, err := p.load(n)
	if err == nil && slot-1 >= maxFrames {
		private.Unpin()
		*private = Pin{cache: c, slot: slot, data: data}
	}
	return data, err
}

// Resident reports whether page n is in memory at this moment. It does not count as a use of the page.
func (p *Pages) Resident(n int) bool {
	return uint(n) < uint(len(p.slots)) && p.slots[n].Load()-1 < maxFrames
}

// load reads page n through the Loader, inside the caller's guard. It returns the page's slot. Bytes that are not in
// the cache belong to the caller alone; the slot is slotPrivate if they are in a private buffer, or slotEmpty if
// they are on the Go heap.
func (p *Pages) load(n int) (slot uint32, data []byte, err error) {
	if uint(n) >= uint(len(p.slots)) {
		return 0, nil, corrupt.New("", -1, "reference to page %d of a table of %d pages", n, len(p.slots))
	}
	if p.slots[n].Load() == slotClosed {
		return 0, nil, p.errClosed(n)
	}
	c := p.cache
	c.misses.Add(1)
	i, ok := c.take(p, n)
	if !ok {
		return p.loadPrivate(n)
	}
	data, err = p.call(n, c.frame(i))
	if err != nil {
		c.disown(i)
		return 0, nil, err
	}
	if !c.fill(i, data) {
		c.disown(i)
		return p.uncached(slotEmpty, data)
	}
	return p.publish(n, i)
}

// loadPrivate is load where no frame is free.
func (p *Pages) loadPrivate(n int) (slot uint32, data []byte, err error) {
	c := p.cache
	slot = slotPrivate
	buf, ok := c.takePrivate()
	if !ok {
		buf, slot = make([]byte, c.frameSize), slotEmpty
	}
	data, err = p.call(n, buf)
	if slot == slotPrivate && (err != nil || unsafe.SliceData(data) != unsafe.SliceData(buf)) {
		c.returnPrivate(buf)
		slot = slotEmpty
	}
	if err != nil {
		return slotEmpty, nil, err
	}
	return p.uncached(slot, data)
}

// call calls the Loader and counts what comes of it.
func (p *Pages) call(n int, buf []byte) ([]byte, error) {
	data, err := p.loader.LoadPage(n, buf)
	if err != nil {
		return nil, err
	}
	p.cache.loads.Add(1)
	p.cache.bytesLoaded.Add(int64(len(data)))
	return data, nil
}

// uncached returns bytes that belong to the caller alone.
func (p *Pages) uncached(slot uint32, data []byte) (uint32, []byte, error) {
	p.cache.uncached.Add(1)
	return slot, data[:len(data):len(data)], nil
}

// publish puts the filled frame i into the slot of page n. If another loader was faster, its page is as good, and
// frame i, which no reader has seen, is free at once. The caller's guard was open before either was in the slot, so
// the frame that it returns stays until the guard's Exit.
func (p *Pages) publish(n int, i uint32) (uint32, []byte, error) {
	c := p.cache
	for {
		if p.slots[n].CompareAndSwap(slotEmpty, i+1) {
			return i + 1, c.content(i), nil
		}
		switch slot := p.slots[n].Load(); slot {
		case slotEmpty: // the winner was evicted already
		case slotClosed:
			c.disown(i)
			return 0, nil, p.errClosed(n)
		default:
			c.disown(i)
			return slot, c.content(slot - 1), nil
		}
	}
}

func (p *Pages) errClosed(n int) error {
	return fmt.Errorf("read page %d: table is closed: %w", n, fs.ErrClosed)
}

// Close empties the cache of the table's pages. Guards and pins that are open keep what they have; later reads return
// fs.ErrClosed. The Loader may still be in a call that began before. The second Close does nothing.
func (p *Pages) Close() {
	if p.closed.Swap(true) {
		return
	}
	c := p.cache
	var unlinked []uint32
	for n := range p.slots {
		if slot := p.slots[n].Swap(slotClosed); slot != slotEmpty {
			unlinked = append(unlinked, slot-1)
		}
	}
	c.indexBytes.Add(-p.Bytes())
	c.limbo.Add(c.weight(unlinked))
	c.retire(unlinked)
}
