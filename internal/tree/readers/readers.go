// Package readers knows at which sequence numbers a tree is being read, and so what must stay readable. Every flush
// and compaction asks it what it may drop (Hold); nothing else decides that.
//
// A reader registers (Registration) before it reads, at the newest published sequence number or at an earlier one
// that is still kept. The registry also keeps what was visible within a past time (Options.Retain), for later
// readers, and ends readers that are too old (Options.MaxAge).
//
// Readers that begin at the newest state, which nearly all do, are kept in several shards, each with its own mutex, and
// take any shard that is free: a goroutine that the scheduler interrupts inside one keeps nobody waiting. A thousand
// goroutines at one mutex would come to wait for their turns there, and then each of them always does.
//
// The locks' order is registry > shard > that of Time > nothing: only the functions in Options are called under them,
// which wake other goroutines or look at a clock.
package readers

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/origin"
)

// Errors of a reader that asks for another state than the newest, and of an end that finds readers.
var (
	ErrExpired = errors.New("state of the database is no longer kept")
	ErrFuture  = errors.New("no commit has this sequence number yet")
	ErrOpen    = errors.New("iterators or snapshots were still open at Close")
)

// Options configures a registry.
type Options struct {
	Clock  clock.Monotonic
	Wall   func() time.Time // the time of day, of which Time is made
	Gate   *calls.Gate      // once it is closed, no iterator is added
	Retain time.Duration    // how long every past state stays readable; 0 for not at all
	MaxAge time.Duration    // readers older than this expire; 0 for never
	AtOnce bool             // nobody calls Tend

	Due     func() // Tend has something to do
	Dropped func() // less must stay readable than before
}

// Registry is the readers of a tree. Its methods are safe for concurrent use.
//
// Invariant: at a sequence number from horizon to the newest, and at every registered one, the tree shows what was
// there when that was the newest.
type Registry struct {
	opts Options
	Time Time

	visible   atomic.Uint64 // the newest published sequence number; stored by the commit leader
	sampleDue atomic.Int64  // the instant when the next sample of the timeline is due
	unstamped atomic.Bool   // some readers may lack since, and Options.Due was called
	dropped   atomic.Bool   // Options.Dropped is to be called, and Options.Due was called

	shards []shard // a power of two of them

	mu       sync.Mutex // held by whoever looks into several shards, and by a reader of the past until it is in one
	horizon  key.SeqNum // jobs may have dropped below it what no reader held
	timeline timeline
	stamped  clock.Instant // when readers last got their time of opening
	told     clock.Instant // when Options.Dropped was last called
}

// New returns a registry without readers. Begin puts it into service.
func New(o Options) *Registry {
	return &Registry{opts: o, Time: Time{wall: o.Wall}, shards: newShards()}
}

// Visible is the newest published sequence number.
func (r *Registry) Visible() key.SeqNum { return key.SeqNum(r.visible.Load()) }

// Publish makes everything up to last visible. Only the leader of the commit queue calls it.
func (r *Registry) Publish(last key.SeqNum) {
	r.Time.publish(func() { r.visible.Store(uint64(last)) })
	if r.opts.Retain > 0 {
		r.notePast(last)
	}
}

// Registration is a reader that stands at a sequence number. While it is in the registry, no job drops what the reader
// needs. Origin, On and Ends are set before it is added, and not changed after that.
type Registration struct {
	Origin *origin.Origin // where the reader was opened; nil if that is not to be remembered
	On     *Registration  // the snapshot that an iterator is on; nil for none
	Ends   Ender          // the iterator whose registration this is; nil for a snapshot's

	seq     atomic.Uint64 // who reads a snapshot that has ended meanwhile may still load it
	now     key.Time      // its time; 0 if nothing in the database ended when it was added
	shard   *shard        // where it is, or was
	since   clock.Instant // when it was opened; 0 until Tend has set it; guarded by the shard's mutex
	expired atomic.Bool   // it was removed because of its age; set under the shard's mutex
	closed  atomic.Bool   // of a snapshot: it takes no iterators any more
}

// Ender is an iterator that others may end.
type Ender interface {
	// Forbid forbids further use. If it reports true, nobody is using the iterator, and the caller must call Drop.
	Forbid() (unused bool)

	// Drop gives back what the iterator holds, its registration included. The registry's mutex is not held.
	Drop()
}

// Seq is the sequence number that the reader stands at.
func (reg *Registration) Seq() key.SeqNum { return key.SeqNum(reg.seq.Load()) }

// Now is the time of the reader, from its beginning on; 0 if nothing that it can see ends.
func (reg *Registration) Now() key.Time { return reg.now }

func (reg *Registration) standAt(seq key.SeqNum) { reg.seq.Store(uint64(seq)) }

// Expired reports whether the reader was ended because of its age.
func (reg *Registration) Expired() bool { return reg.expired.Load() }

// ClosedFlag is set once Close or Leave was called.
func (reg *Registration) ClosedFlag() *atomic.Bool { return &reg.closed }

// Renew makes reg as good as new. It must not be in a registry.
func (reg *Registration) Renew() {
	reg.Origin, reg.On, reg.Ends = nil, nil, nil
	if reg.Expired() { // it rarely is, and a store costs more
		reg.expired.Store(false)
	}
	if reg.closed.Load() {
		reg.closed.Store(false)
	}
}

// Check is ErrExpired if what was read so far may be wrong. A reader calls it after reading: the registration is
// marked before the job begins that drops what it held, and so before any view without that is installed.
func (reg *Registration) Check() error {
	if reg.expired.Load() {
		return fmt.Errorf("%w: it was older than MaxSnapshotAge", ErrExpired)
	}
	return nil
}

// Add registers reg at the newest visible sequence number. Reading that number and registering are one step. So a
// job that looks at the registry afterwards keeps what the reader needs, and one that looked before keeps everything
// newer than what was visible then.
func (r *Registry) Add(reg *Registration) {
	s := r.lockAny()
	defer s.mu.Unlock()
	reg.since = r.opened()
	r.standAtNewest(reg)
	s.insertLocked(reg)
}

// AddAt registers reg at seq, with the time of now, if the tree still shows what was there.
func (r *Registry) AddAt(reg *Registration, seq key.SeqNum) error {
	r.mu.Lock() // no job looks at the registry until reg is in a shard
	defer r.mu.Unlock()
	if newest := r.Visible(); seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFuture, seq, newest)
	}
	if seq < r.horizon && !r.standsLocked(seq, seq+1) {
		return fmt.Errorf("%w: %d, the oldest is %d", ErrExpired, seq, r.horizon)
	}
	s := r.lockAny()
	defer s.mu.Unlock()
	reg.standAt(seq)
	reg.now = r.Time.Now()
	reg.since = r.opts.Clock.Now()
	s.insertLocked(reg)
	return nil
}

// AddIterator registers reg, of an iterator. It stands where its snapshot does and is as old as that; without a
// snapshot it stands at the newest visible sequence number. It fails once the snapshot or the database has begun to
// close: the iterators that are there by then are ended by the close.
//
// It is in its snapshot's shard. In another one, a job that has looked there already would not see it, nor the snapshot
// if that left before the job came to its shard.
func (r *Registry) AddIterator(reg *Registration) error {
	var s *shard
	if reg.On == nil {
		s = r.lockAny()
	} else {
		s = reg.On.shard
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if r.opts.Gate.Closed() || reg.On != nil && reg.On.closed.Load() {
		return calls.ErrClosed
	}
	if reg.On == nil {
		reg.since = r.opened()
		r.standAtNewest(reg)
	} else {
		if err := reg.On.Check(); err != nil {
			return err
		}
		reg.standAt(reg.On.Seq())
		reg.now = reg.On.now
		reg.since = reg.On.since
	}
	s.insertLocked(reg)
	return nil
}

// Remove removes reg, of an iterator.
func (r *Registry) Remove(reg *Registration) {
	s := reg.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(reg)
}

// Close removes reg, of a snapshot, ends the iterators on it, and drops those that are not in use. It reports false
// if that was done before.
func (r *Registry) Close(reg *Registration) bool {
	if reg.closed.Swap(true) {
		return false
	}
	s := reg.shard
	s.mu.Lock()
	unused := s.removeSnapshotLocked(reg)
	s.mu.Unlock()
	drop(unused)
	r.tellDropped(reg)
	return true
}

// Leave is Close, but the iterators go on.
func (r *Registry) Leave(reg *Registration) bool {
	if reg.closed.Swap(true) {
		return false
	}
	r.Remove(reg)
	r.tellDropped(reg)
	return true
}

// tellDropped sees to it that Dropped is called if reg, which was removed, was older than every other reader and than
// the newest state: then there may be something to drop. Of many short readers nearly each is the oldest at its end, so
// Tend calls it for all that have left lately.
func (r *Registry) tellDropped(reg *Registration) {
	switch {
	case reg.Seq() >= r.Visible() || r.dropped.Load() || r.oldest() <= reg.Seq():
	case r.opts.AtOnce:
		r.opts.Dropped()
	case !r.dropped.Swap(true):
		r.opts.Due()
	}
}

// EndAll ends all iterators and drops those that are not in use. It returns how many were open, in use or not.
func (r *Registry) EndAll() (open int) {
	for s := range r.each() {
		s.mu.Lock()
		iterators, unused := s.endIteratorsLocked()
		s.mu.Unlock()
		drop(unused)
		open += iterators
	}
	return open
}

func drop(unused []Ender) {
	for _, it := range unused {
		it.Drop()
	}
}

// Hold returns the sequence numbers that must stay readable in a job on versions up to newest: the registered ones
// and, as the last one, that from which on everything is kept. The decision is made here, in one step with the
// registrations: a reader that comes later finds the horizon raised.
func (r *Registry) Hold(newest key.SeqNum) []key.SeqNum {
	r.mu.Lock()
	_, unused := r.expireLocked()
	defer drop(unused)
	defer r.mu.Unlock()
	last := min(r.retainedLocked(), newest) // before the shards: who comes to one that was looked at stands higher
	var held []key.SeqNum
	for s := range r.each() {
		s.mu.Lock()
		for _, reg := range s.readers {
			if reg.Seq() < last {
				held = append(held, reg.Seq())
			}
		}
		s.mu.Unlock()
	}
	r.horizon = max(r.horizon, last)
	slices.Sort(held)
	return append(slices.Compact(held), last)
}

// retainedLocked is the sequence number from which on everything must stay readable for later readers.
func (r *Registry) retainedLocked() key.SeqNum {
	visible := r.Visible()
	if r.opts.Retain == 0 {
		return visible
	}
	now := r.opts.Clock.Now()
	r.timeline.note(now, visible)
	return r.timeline.visibleAt(now.Plus(-r.opts.Retain))
}

// expireLocked removes registrations that are too old, and ends their iterators: without that an idle iterator would
// keep what it holds of the tree. It returns how many there were. The caller drops the iterators that are returned,
// without the mutex.
func (r *Registry) expireLocked() (expired int, unused []Ender) {
	if r.opts.MaxAge == 0 {
		return 0, nil
	}
	oldest := r.opts.Clock.Now().Plus(-r.opts.MaxAge)
	for s := range r.each() {
		s.mu.Lock()
		n, idle := s.expireLocked(oldest)
		s.mu.Unlock()
		expired, unused = expired+n, append(unused, idle...)
	}
	return expired, unused
}

// Oldest returns the oldest sequence number that a reader stands at, or the newest visible one if there is no
// reader, and the oldest one at which a new reader may stand.
func (r *Registry) Oldest() (held, readable key.SeqNum) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held = r.Visible() // before the shards: see Hold
	return min(held, r.oldest()), r.horizon
}

// Stands reports whether a reader is registered at a sequence number from the first one on and before the second.
func (r *Registry) Stands(from, to key.SeqNum) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.standsLocked(from, to)
}

func (r *Registry) standsLocked(from, to key.SeqNum) bool {
	for s := range r.each() {
		s.mu.Lock()
		i, _ := s.findLocked(from)
		stands := i < len(s.readers) && s.readers[i].Seq() < to
		s.mu.Unlock()
		if stands {
			return true
		}
	}
	return false
}
