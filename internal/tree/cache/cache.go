// Package cache keeps verified pages of tables in memory, within a budget of bytes. It owns the memory of the pages
// and decides which stay; the Loader knows what a page means, how it is read and how it is checked. It starts no
// goroutine.
//
// # Shape
//
// The budget is cut into frames of one size, numbered from zero, in one region outside the Go heap. Each table has
// an array of slots, one for each of its pages; a slot holds the number of the page's frame plus one, or zero:
//
//	Pages.slots[n] ──► frame i ──► region[i*frameSize:]      the bytes
//	                          └──► meta[i]                   their number, and whether they were read lately
//	                          └──► record(i)                 the frame's owner and its references
//
// A hit loads the slot, loads meta and returns a slice of the region: two or three cache lines, no lock, and no write
// except for the used bit when it is clear.
//
// # Who may reuse a frame, and when
//
// A frame is in one of four states:
//
//	free ──take──► loading ──publish──► resident ──unlink──► limbo ──► free
//	                  └────── error, or another loader won ──────────────┘
//
// Publish and unlink are compare-and-swap on the slot, zero to i+1 and back, so exactly one goroutine unlinks a
// resident frame: the clock, or Pages.Close. Readers of the bytes are inside an epoch guard from before they load
// the slot, and the unlinked frame is retired in that epoch domain, so it does not become free before they have
// left. Pages that must outlive the guard are pinned; Pin explains why that is safe.
//
// # When memory is short
//
// A miss takes a free frame. When few are left, it lets the clock unlink a batch. If none is free, because open
// guards hold back those in limbo or everything is pinned, the page is loaded into a private buffer and not cached:
// a read never fails or waits because there is no frame. The reader holds it in a Pin: see private.go.
//
// A page larger than a frame is oversize. Its bytes stay on the Go heap; it takes as many frames as would cover
// them, so that the budget holds. The first of these stands for it in its slot, the others lie idle. Idle frames are
// taken from those never touched while there are any.
//
// # Changing the budget
//
// Resize gives the cache fewer or more frames: see resize.go. Nothing else changes for the frames that remain.
package cache

import (
	"math"
	"sync"
	"sync/atomic"

	"lightningdb/internal/system/epoch"
	"lightningdb/internal/system/offheap"
)

// frameAlign is the alignment of frames, in bytes: a cache line.
const frameAlign = 64

// Loader reads pages of one table. It is called by many goroutines at once, inside an epoch guard and without any lock.
// To load a page it may read others of the same cache, as long as it comes to an end.
type Loader interface {
	// LoadPage reads, checks and decodes page n. It returns buf[:k] if the k bytes of the page fit into cap(buf),
	// otherwise a slice of its own, which then belongs to the cache. After an error buf may hold anything.
	LoadPage(n int, buf []byte) ([]byte, error)
}

// Cache is a set of frames shared by the Pages of many tables. All methods are safe for concurrent use.
type Cache struct {
	// Poison makes the cache overwrite every page with 0xDD when its bytes stop being valid, so that tests of the
	// layers above meet nonsense where they read too late. Set it before the first read. It costs a write of every
	// frame freed.
	Poison bool

	frameSize int
	batch     int // frames that the clock unlinks at once; with fewer free frames it is asked to
	domain    *epoch.Domain
	alloc     func(size int) ([]byte, error) // offheap.Alloc; a test can make it fail

	// Made under mu by the first take. A goroutine that found a frame in a slot, or was given one, sees them.
	meta   []atomic.Uint32         // for each frame: bytes in use << 1 | used bit
	blocks []atomic.Pointer[block] // records of frames; nil while no frame of the block was used
	region []byte                  // mapped until Close, and while a frame is in use

	_ [128]byte // hits read what is above; misses write what follows, and must not invalidate that cache line

	clock clock

	usable atomic.Uint32 // frames from here on are out of use, or leaving it; a whole number of chunks; written under mu

	private privateBuffers

	mu        sync.Mutex // never taken by a hit; nothing is called under it but package offheap
	frames    int        // the most there can be: what New was given memory for, or fewer if the system had less
	free      []uint32   // frames that were used before, the latest on top: their memory is warm
	fresh     int        // frames from here on were never used, their memory never touched
	withdrawn withdrawn  // frames among [usable, fresh) that are out of use
	closed    bool
	oversize  struct{ pages, bytes int64 }

	limbo atomic.Int64 // frames unlinked and still in the epoch domain

	indexBytes, misses, loads, bytesLoaded, uncached, evictions atomic.Int64
}

// usedBit in meta is set by a hit and cleared by the clock.
const usedBit = 1

// maxFrames and maxPageSize are the limits of slots and meta. If a slot holds a frame, slot-1 is below maxFrames;
// for the other values of a slot it is not.
const (
	maxFrames   = slotPrivate - 1
	maxPageSize = math.MaxUint32 >> 1
)

// frame is the record of one frame. The clock may read owner and page at any time, even one of them from before a
// change and the other from after it: only the compare-and-swap on the slot that they lead to decides.
type frame struct {
	owner atomic.Pointer[Pages] // the table whose page it holds, from take to the end of limbo
	page  atomic.Uint32         // which page of owner
	refs  atomic.Int32          // pins, plus one for the cache itself from take to the end of limbo
	over  *oversizePage         // for an oversize page; written before publish and by recycle
}

// block is the records of neighbouring frames. It is made when the first of them is used, so that the cost of a
// cache is in proportion to its content.
type block [256]frame

const blockFrames = uint32(len(block{}))

// The cost of a frame on the Go heap, in bytes: meta and its place in the free list, and once its block is used the
// record.
const (
	frameOverhead  = 4 + 4
	recordOverhead = 24
)

// oversizePage holds the bytes of a page larger than a frame.
type oversizePage struct {
	data []byte
	lent []uint32 // further frames, idle in exchange
}

// New returns a cache whose frames take budget bytes, rounded down to whole frames of frameSize bytes (rounded up to
// a multiple of 64); Resize may lower that and raise it again. Any budget works; if it is less than one frame,
// nothing is cached. The memory of a frame is touched when the frame is first used, so a large budget costs nothing
// until it is needed. Pages are reclaimed through d.
func New(budget int64, frameSize int, d *epoch.Domain) *Cache {
	frameSize = (max(frameSize, 1) + frameAlign - 1) &^ (frameAlign - 1)
	n := int(min(max(budget, 0)/int64(frameSize), maxFrames, math.MaxInt/int64(frameSize)))
	c := &Cache{
		frameSize: frameSize,
		batch:     batchSize(n),
		domain:    d,
		alloc:     offheap.Alloc,
		frames:    n,
	}
	c.usable.Store(uint32(n))
	c.withdrawn.chunkFrames = max(1, chunkBytes/frameSize)
	return c
}

// batchSize is 1/64 of the frames, from 16 to 128, but at most an eighth of a small cache.
func batchSize(frames int) int {
	return min(max(frames/64, 16), 128, (frames+7)/8)
}

// Close gives the memory back to the system as soon as no frame is in use: at once if all Pages are closed, the
// epoch domain is drained and no page is pinned, otherwise when the last of these happens. Pages that are read after
// Close are loaded and not cached. The second Close does nothing.
func (c *Cache) Close() {
	c.closePrivate()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.unmapIfIdleLocked()
}

func (c *Cache) unmapIfIdleLocked() {
	if c.closed && c.region != nil && len(c.free)+c.withdrawn.total == c.fresh {
		offheap.Free(c.region)
		c.region = nil
	}
}

// take returns a free frame, now owned by the caller, for page n of p, and asks the clock for more when few are
// left. ok is false if there is none.
func (c *Cache) take(p *Pages, n int) (i uint32, ok bool) {
	i, left, ok := c.pop()
	if left == unmapped {
		return 0, false
	}
	if left < c.batch {
		c.refill(c.batch)
	}
	if !ok {
		i, _, ok = c.pop()
	}
	if ok {
		f := c.record(i)
		f.page.Store(uint32(n))
		f.owner.Store(p)
		f.refs.Store(1)
	}
	return i, ok
}

// unmapped in place of a number of frames says that there is no memory for any.
const unmapped = -1

// pop takes a frame off the free list, or a fresh one. left is the number of those that remain.
func (c *Cache) pop() (i uint32, left int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mappedLocked() {
		return 0, unmapped, false
	}
	if last := len(c.free) - 1; last >= 0 {
		i, c.free = c.free[last], c.free[:last]
		return i, c.availableLocked(), true
	}
	if c.fresh < int(c.usable.Load()) {
		return c.freshLocked(), c.availableLocked(), true
	}
	return 0, 0, false
}

// freshLocked returns the first frame that was never used.
func (c *Cache) freshLocked() uint32 {
	i := uint32(c.fresh)
	if b := &c.blocks[i/blockFrames]; b.Load() == nil {
		b.Store(new(block))
		c.indexBytes.Add(int64(blockFrames) * recordOverhead)
	}
	c.fresh++
	return i
}

// record returns the record of frame i, nil if no frame of its block was ever used.
func (c *Cache) record(i uint32) *frame {
	b := c.blocks[i/blockFrames].Load()
	if b == nil {
		return nil
	}
	return &b[i%blockFrames]
}

// mappedLocked reports whether there is a region; it allocates it when there should be one.
func (c *Cache) mappedLocked() bool {
	return !c.closed && (c.region != nil || c.mapLocked())
}

// maxHalvings bounds how often a region of half the size is tried.
const maxHalvings = 16

// mapLocked allocates the region and what is kept for each frame: for as many frames as the system has address space
// for, if that is less than the budget. If there is no space at all, the cache goes on as if no frame were free, and
// tries again.
func (c *Cache) mapLocked() bool {
	n := c.frames
	for range maxHalvings {
		if n == 0 {
			return false
		}
		region, err := c.alloc(n * c.frameSize)
		if err != nil {
			n /= 2
			continue
		}
		offheap.SmallPages(region[:min(chunkBytes, len(region))]) // a small database is to stay small
		c.region, c.frames = region, n
		c.usable.Store(min(c.usable.Load(), uint32(n)))
		c.meta = make([]atomic.Uint32, n)
		c.blocks = make([]atomic.Pointer[block], (n+int(blockFrames)-1)/int(blockFrames))
		c.withdrawn = newWithdrawn(n, c.withdrawn.chunkFrames)
		c.indexBytes.Add(int64(n) * frameOverhead)
		return true
	}
	return false
}

func (c *Cache) availableLocked() int { return len(c.free) + max(0, int(c.usable.Load())-c.fresh) }

// lend takes n frames out of use in exchange for an oversize page of size bytes. It takes none if there are fewer.
func (c *Cache) lend(n, size int) ([]uint32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.availableLocked() < n {
		return nil, false
	}
	lent := make([]uint32, 0, n)
	for len(lent) < n && c.fresh < int(c.usable.Load()) { // first those whose memory was never touched
		lent = append(lent, c.freshLocked())
	}
	rest := len(c.free) - (n - len(lent))
	lent = append(lent, c.free[rest:]...)
	c.free = c.free[:rest]
	c.oversize.pages++
	c.oversize.bytes += int64(size)
	return lent, true
}

// fill makes data the content of frame i, which the caller owns. It reports false if data is too large for the frame
// and for the frames that could be lent for it.
func (c *Cache) fill(i uint32, data []byte) bool {
	if len(data) > c.frameSize && !c.fillOversize(i, data) {
		return false
	}
	if len(data) <= c.frameSize {
		copy(c.frame(i), data) // moves nothing when data is where it belongs
	}
	c.meta[i].Store(uint32(len(data)) << 1)
	return true
}

// fillOversize keeps data on the Go heap and lends frames for it. It refuses a page that would take more than half
// of the frames: the pages in them are worth more.
func (c *Cache) fillOversize(i uint32, data []byte) bool {
	data = data[:len(data):cap(data)]
	need := (cap(data) + c.frameSize - 1) / c.frameSize
	if need > int(c.usable.Load())/2 || len(data) > maxPageSize {
		return false
	}
	lent, ok := c.lend(need-1, cap(data))
	if !ok {
		c.refill(need + c.batch)
		if lent, ok = c.lend(need-1, cap(data)); !ok {
			return false
		}
	}
	c.record(i).over = &oversizePage{data: data, lent: lent}
	return true
}

// frame returns the whole memory of frame i.
func (c *Cache) frame(i uint32) []byte {
	at := int(i) * c.frameSize
	return c.region[at : at+c.frameSize : at+c.frameSize]
}

// content returns the bytes of the page in frame i. The caller keeps the frame from being recycled.
func (c *Cache) content(i uint32) []byte {
	size := int(c.meta[i].Load() >> 1)
	if size > c.frameSize {
		return c.record(i).over.data[:size:size]
	}
	return c.frame(i)[:size:size]
}

// disown gives up the cache's own reference to frame i.
func (c *Cache) disown(i uint32) {
	c.record(i).owner.Store(nil)
	c.drop(i)
}

// drop gives up one reference to frame i. The last one makes the frame free.
func (c *Cache) drop(i uint32) {
	if c.record(i).refs.Add(-1) == 0 {
		c.recycle(i)
	}
}

// recycle puts frame i, which has no references left, and the frames lent with it on the free list.
func (c *Cache) recycle(i uint32) {
	f := c.record(i)
	over := f.over
	f.over = nil
	c.meta[i].Store(0)
	if c.Poison {
		poison(c.frame(i))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freeLocked(i)
	if over != nil {
		for _, lent := range over.lent {
			c.freeLocked(lent)
		}
		c.oversize.pages--
		c.oversize.bytes -= int64(cap(over.data))
		if c.Poison {
			poison(over.data)
		}
	}
	c.unmapIfIdleLocked()
}

// poison overwrites bytes that nobody may read any more.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xDD
	}
}

// Metrics describes the cache at one moment. Hits are not counted: a counter shared by all readers costs more than
// the hit.
type Metrics struct {
	Misses      int64 // reads that did not find their page, since New
	Loads       int64 // misses for which the Loader returned a page; the rest are errors
	BytesLoaded int64 // size of the pages in Loads
	Uncached    int64 // pages among Loads that were not cached
	Evictions   int64 // pages unlinked by the clock

	FrameSize     int   // bytes
	Frames        int   // frames in the budget
	FramesInUse   int   // loading, resident, in limbo, or idle for an oversize page; above Frames only after Resize
	FramesInLimbo int   // frames in use that were unlinked and wait for guards to exit
	FramesPinned  int   // frames in use that a Pin holds
	OversizePages int64 // pages larger than a frame in the cache
	OversizeBytes int64 // their bytes on the Go heap, covered by frames in use
	IndexBytes    int64 // slots of all open Pages and the records of frames, on the Go heap, outside the budget
	PrivateBytes  int64 // pages for which no frame was free and idle buffers for them, outside the budget
}

// Metrics counts the pinned frames one by one: call it for people and monitors, not for every operation.
func (c *Cache) Metrics() Metrics {
	m := Metrics{
		Misses:        c.misses.Load(),
		Loads:         c.loads.Load(),
		BytesLoaded:   c.bytesLoaded.Load(),
		Uncached:      c.uncached.Load(),
		Evictions:     c.evictions.Load(),
		FrameSize:     c.frameSize,
		Frames:        int(c.usable.Load()),
		FramesInLimbo: int(c.limbo.Load()),
		IndexBytes:    c.indexBytes.Load(),
		PrivateBytes:  c.PrivateBytes(),
	}
	c.mu.Lock()
	blocks := c.blocks
	m.FramesInUse = c.fresh - len(c.free) - c.withdrawn.total
	m.OversizePages, m.OversizeBytes = c.oversize.pages, c.oversize.bytes
	c.mu.Unlock()
	m.FramesPinned = pinned(blocks)
	return m
}

// pinned counts frames with references other than the cache's own, which goes with the owner.
func pinned(blocks []atomic.Pointer[block]) int {
	n := 0
	for i := range blocks {
		b := blocks[i].Load()
		if b == nil {
			continue
		}
		for i := range b {
			if refs := b[i].refs.Load(); refs > 1 || refs == 1 && b[i].owner.Load() == nil {
				n++
			}
		}
	}
	return n
}
