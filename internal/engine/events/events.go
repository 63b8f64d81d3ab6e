// Package events brings what an engine has to tell to the listener and the logger of its user, in order, and without
// ever waiting for them. Its methods are safe for concurrent use.
//
// The queue is bounded, and whoever has something to tell adds to it under a mutex that is held for a few
// instructions: so that may be done under any lock. A goroutine delivers as long as there is something, and ends then:
// an idle database has none. Until Start, and with a caller who runs all steps himself, Send delivers before it
// returns.
package events

import (
	"errors"
	"slices"
	"sync"
	"time"

	"lightningdb/event"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/goroutine"
)

// urgentPlaces is how many places of the queue are kept for warnings and errors.
const urgentPlaces = event.QueueLength / 4

// Bus is what delivers.
type Bus struct {
	listeners []func(event.Record)
	opts      event.Options
	clock     clock.Monotonic
	wall      func() time.Time

	mu        sync.Mutex
	queue     []event.Record
	counts    event.Counts
	dropped   uint64 // since the last one that was taken into the queue
	apart     bool   // a goroutine delivers
	running   bool   // it is there
	closed    bool
	deliverer goroutine.ID    // it, while it calls a listener
	idle      chan struct{}   // closed when the queue is empty and nothing is delivered; nil if nobody waits for that
	damaged   map[string]bool // files that were told of
	slow      pace
}

// New returns a bus to l, which may be nil, and to the listener of o.
func New(clock clock.Monotonic, wall func() time.Time, l event.Logger, o event.Options) *Bus {
	b := &Bus{opts: o, clock: clock, wall: wall, damaged: make(map[string]bool)}
	if l != nil {
		b.listeners = append(b.listeners, event.LogTo(l))
	}
	if o.Listener != nil {
		b.listeners = append(b.listeners, o.Listener)
	}
	return b
}

// Start has a goroutine deliver from now on.
func (b *Bus) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apart = true
}

// Counts returns how many events there were.
func (b *Bus) Counts() event.Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := b.counts
	counts.Recent = slices.Clone(counts.Recent)
	return counts
}

// Send tells of e. It waits for nobody once the bus has started.
func (b *Bus) Send(e event.Event) {
	b.mu.Lock()
	if !b.apart {
		b.counts.Told++
		b.mu.Unlock()
		r := event.Record{At: b.wall(), Event: e}
		for _, listener := range b.listeners { // should one end its goroutine, Open must not end with it
			goroutine.Apart(func() { listener(r) })
		}
		return
	}
	defer b.mu.Unlock()
	b.addLocked(e)
}

// addLocked takes e into the queue, or drops it.
func (b *Bus) addLocked(e event.Event) {
	if len(b.listeners) == 0 {
		b.counts.Told++
		return
	}
	places := event.QueueLength
	if e.Level() < event.Warn {
		places -= urgentPlaces
	}
	if b.closed || len(b.queue) >= places {
		b.counts.Dropped++
		b.dropped++
		return
	}
	b.queue = append(b.queue, event.Record{At: b.wall(), Dropped: b.dropped, Event: e})
	b.dropped = 0
	if !b.running {
		b.running = true
		go b.deliver()
	}
}

// deliver calls the listeners until there is nothing to tell. If one of them ends the goroutine, another goes on.
func (b *Bus) deliver() {
	done := false
	defer func() {
		if !done {
			go b.deliver()
		}
	}()
	for {
		r, ok := b.next()
		if !ok {
			done = true
			return
		}
		for _, listener := range b.listeners {
			listener(r)
		}
	}
}

// next returns what is to be told next; false if there is nothing, and the goroutine ends.
func (b *Bus) next() (event.Record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.running, b.queue, b.deliverer = false, nil, 0
		if b.idle != nil {
			close(b.idle)
			b.idle = nil
		}
		return event.Record{}, false
	}
	r := b.queue[0]
	b.queue[0] = event.Record{}
	b.queue = b.queue[1:]
	b.counts.Told++
	b.deliverer = goroutine.Current()
	return r, true
}

// Close waits until all is told, at most wait, and drops what is not. If a listener calls it, it does not wait.
func (b *Bus) Close(wait time.Duration) {
	b.mu.Lock()
	var idle chan struct{}
	if b.running && b.deliverer != goroutine.Current() {
		if b.idle == nil {
			b.idle = make(chan struct{})
		}
		idle = b.idle
	}
	b.mu.Unlock()
	if idle != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-idle:
		case <-timer.C:
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.counts.Dropped += uint64(len(b.queue))
	b.queue = nil
}

// Damaged tells of the damage that err is about, which by has met: once for each file. What is no damage is nothing.
func (b *Bus) Damaged(by string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			b.Damaged(by, one)
		}
		return
	}
	var damage *corrupt.Error
	if errors.As(err, &damage) {
		b.tellDamage(by, damage.File, damage.Offset, err)
	}
}

func (b *Bus) tellDamage(by, file string, offset int64, err error) {
	b.mu.Lock()
	again := b.damaged[file]
	if !again {
		b.damaged[file] = true
		b.counts.Damaged++
	}
	b.mu.Unlock()
	if !again {
		b.Send(event.Damaged{File: file, Offset: offset, By: by, Err: err})
	}
}

// Scrubbed is Damaged for what the scrub has found in a file.
func (b *Bus) Scrubbed(file string, err error) {
	var damage *corrupt.Error
	offset := int64(-1)
	if errors.As(err, &damage) {
		offset = damage.Offset
	}
	b.tellDamage("scrub", file, offset, err)
}
