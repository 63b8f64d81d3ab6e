package cache

import (
	"sync"
	"unsafe"

	"lightningdb/internal/system/offheap"
)

// maxIdlePrivate is how many idle private buffers are kept at most.
const maxIdlePrivate = 16

// privateBuffers are for pages for which no frame is free, each as large as a frame and outside the Go heap. A
// buffer belongs to one reader, in a Pin, and is used again as soon as that is unpinned: so there are as many as
// readers hold at the same time, however many pages they read. On the Go heap each read would leave a page to the
// garbage collector.
type privateBuffers struct {
	mu     sync.Mutex
	idle   [][]byte
	count  int // buffers in existence
	closed bool
}

// takePrivate returns a private buffer, or false if the system has no memory for one.
func (c *Cache) takePrivate() ([]byte, bool) {
	p := &c.private
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		buf := p.idle[last]
		p.idle = p.idle[:last]
		return buf, true
	}
	buf, err := c.alloc(c.frameSize)
	if err != nil {
		return nil, false
	}
	p.count++
	return buf, true
}

// returnPrivate takes back the private buffer in which data begins.
func (c *Cache) returnPrivate(data []byte) {
	buf := unsafe.Slice(unsafe.SliceData(data), c.frameSize)
	if c.Poison {
		poison(buf)
	}
	p := &c.private
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdlePrivate {
		p.count--
		offheap.Free(buf)
		return
	}
	p.idle = append(p.idle, buf)
}

// closePrivate gives the idle buffers back to the system, and makes returnPrivate do so with the others.
func (c *Cache) closePrivate() {
	p := &c.private
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.count -= len(p.idle)
	for _, buf := range p.idle {
		offheap.Free(buf)
	}
	p.idle = nil
}

// PrivateBytes is the memory of pages for which no frame was free and of idle buffers for them. It is outside the
// budget.
func (c *Cache) PrivateBytes() int64 {
	c.private.mu.Lock()
	defer c.private.mu.Unlock()
	return int64(c.private.count) * int64(c.frameSize)
}
