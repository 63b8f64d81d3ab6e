// Package readers knows at which sequence numbers a tree is being read, and so what must stay readable. Every flush
// and compaction asks it what it may drop (Hold); nothing else decides that.
//
// A reader registers (Registration) before it reads, at the newest published sequence number or at an earlier one
// that is still kept. The registry also keeps what was visible within a past time (Options.Retain), for later
// readers, and ends readers that are too old (Options.MaxAge).
//
// Its mutex stands alone: nothing is called under it but the functions in Options, which only wake other goroutines.
package readers

import (
	"cmp"
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
	Clock       clock.Monotonic
	Gate        *calls.Gate   // once it is closed, no iterator is added
	Retain      time.Duration // how long every past state stays readable; 0 for not at all
	MaxAge      time.Duration // readers older than this expire; 0 for never
	StampAtOnce bool          // nobody calls StampAges

	Unstamped func() // StampAges has something to do
	Dropped   func() // less must stay readable than before
}

// Registry is the readers of a tree. Its methods are safe for concurrent use.
//
// Invariant: at a sequence number from horizon to the newest, and at every registered one, the tree shows what was
// there when that was the newest.
type Registry struct {
	opts Options

	visible   atomic.Uint64 // the newest published sequence number; stored by the commit leader
	sampleDue atomic.Int64  // the instant when the next sample of the timeline is due

	mu       sync.Mutex
	readers  []*Registration // by sequence number
	horizon  key.SeqNum      // jobs may have dropped below it what no reader held
	timeline timeline

	unstamped bool          // some readers may lack since, and Options.Unstamped was called
	stamped   clock.Instant // when StampAges last gave them one
}

// New returns a registry without readers. Begin puts it into service.
func New(o Options) *Registry { return &Registry{opts: o} }

// Visible is the newest published sequence number.
func (r *Registry) Visible() key.SeqNum { return key.SeqNum(r.visible.Load()) }

// Publish makes everything up to last visible. Only the leader of the commit queue calls it.
func (r *Registry) Publish(last key.SeqNum) {
	r.visible.Store(uint64(last))
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

	seq     key.SeqNum
	since   clock.Instant // when it was opened; 0 until StampAges has set it
	expired atomic.Bool   // it was removed because of its age; set under the registry's mutex
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
func (reg *Registration) Seq() key.SeqNum { return reg.seq }

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
	r.mu.Lock()
	defer r.mu.Unlock()
	reg.since, reg.seq = r.openedLocked(), r.Visible()
	r.insertLocked(reg)
}

// AddAt registers reg at seq, if the tree still shows what was there.
func (r *Registry) AddAt(reg *Registration, seq key.SeqNum) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if newest := r.Visible(); seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFuture, seq, newest)
	}
	_, registered := r.findLocked(seq)
	if seq < r.horizon && !registered {
		return fmt.Errorf("%w: %d, the oldest is %d", ErrExpired, seq, r.horizon)
	}
	reg.seq, reg.since = seq, r.opts.Clock.Now()
	r.insertLocked(reg)
	return nil
}

// AddIterator registers reg, of an iterator. It stands where its snapshot does and is as old as that; without a
// snapshot it stands at the newest visible sequence number. It fails once the snapshot or the database has begun to
// close: the iterators that are there by then are ended by the close.
func (r *Registry) AddIterator(reg *Registration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opts.Gate.Closed() || reg.On != nil && reg.On.closed.Load() {
		return calls.ErrClosed
	}
	if reg.On == nil {
		reg.seq, reg.since = r.Visible(), r.openedLocked()
	} else {
		if err := reg.On.Check(); err != nil {
			return err
		}
		reg.seq, reg.since = reg.On.seq, reg.On.since
	}
	r.insertLocked(reg)
	return nil
}

// findLocked returns where the registrations at seq begin, and whether there is one.
func (r *Registry) findLocked(seq key.SeqNum) (int, bool) {
	return slices.BinarySearchFunc(r.readers, seq, func(reg *Registration, seq key.SeqNum) int {
		return cmp.Compare(reg.seq, seq)
	})
}

func (r *Registry) insertLocked(reg *Registration) {
	i := len(r.readers)
	if i > 0 && r.readers[i-1].seq > reg.seq { // most belong at the end
		i, _ = r.findLocked(reg.seq + 1)
	}
	r.readers = slices.Insert(r.readers, i, reg)
}

// Remove removes reg, and reports whether it was the oldest: then there may be something to drop.
func (r *Registry) Remove(reg *Registration) (oldest bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := r.findLocked(reg.seq)
	for ; i < len(r.readers) && r.readers[i].seq == reg.seq; i++ {
		if r.readers[i] == reg {
			r.readers = slices.Delete(r.readers, i, i+1)
			return i == 0
		}
	}
	return false
}

// Close removes reg, of a snapshot, ends the iterators on it, and drops those that are not in use. It reports false
// if that was done before.
func (r *Registry) Close(reg *Registration) bool {
	if reg.closed.Swap(true) {
		return false
	}
	r.tellDropped(reg, r.removeSnapshot(reg))
	return true
}

// Leave is Close, but the iterators go on.
func (r *Registry) Leave(reg *Registration) bool {
	if reg.closed.Swap(true) {
		return false
	}
	r.tellDropped(reg, r.Remove(reg))
	return true
}

func (r *Registry) tellDropped(reg *Registration, oldest bool) {
	if oldest && reg.seq < r.Visible() {
		r.opts.Dropped()
	}
}

// removeSnapshot removes of, ends the iterators on it and drops those that are not in use. It reports whether any of
// these was the oldest reader.
func (r *Registry) removeSnapshot(of *Registration) (oldest bool) {
	var unused []Ender
	r.mu.Lock()
	i, _ := r.findLocked(of.seq)
	first, kept := i == 0, i
	for ; i < len(r.readers) && r.readers[i].seq == of.seq; i++ {
		reg := r.readers[i]
		switch {
		case reg == of:
			oldest = oldest || first && kept == 0
		case reg.On == of && reg.Ends.Forbid():
			oldest = oldest || first && kept == 0
			unused = append(unused, reg.Ends)
		default:
			r.readers[kept] = reg
			kept++
		}
	}
	r.readers = slices.Delete(r.readers, kept, i)
	r.mu.Unlock()
	drop(unused)
	return oldest
}

// EndAll ends all iterators and drops those that are not in use. It returns how many were open, in use or not.
func (r *Registry) EndAll() (open int) {
	var unused []Ender
	r.mu.Lock()
	r.readers = slices.DeleteFunc(r.readers, func(reg *Registration) bool {
		if reg.Ends == nil {
			return false
		}
		open++
		mine := reg.Ends.Forbid()
		if mine {
			unused = append(unused, reg.Ends)
		}
		return mine
	})
	r.mu.Unlock()
	drop(unused)
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
	unused := r.expireLocked()
	defer drop(unused)
	defer r.mu.Unlock()
	last := min(r.retainedLocked(), newest)
	var held []key.SeqNum
	for _, reg := range r.readers {
		if reg.seq < last {
			held = append(held, reg.seq)
		}
	}
	r.horizon = max(r.horizon, last)
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
// keep what it holds of the tree. The caller drops those that are returned, without the mutex.
func (r *Registry) expireLocked() (unused []Ender) {
	if r.opts.MaxAge == 0 {
		return nil
	}
	oldest := r.opts.Clock.Now().Plus(-r.opts.MaxAge)
	r.readers = slices.DeleteFunc(r.readers, func(reg *Registration) bool {
		if reg.since >= oldest {
			return false
		}
		reg.expired.Store(true)
		if reg.Ends != nil && reg.Ends.Forbid() {
			unused = append(unused, reg.Ends)
		}
		return true
	})
	return unused
}

// Oldest returns the oldest sequence number that a reader stands at, or the newest visible one if there is no
// reader, and the oldest one at which a new reader may stand.
func (r *Registry) Oldest() (held, readable key.SeqNum) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held = r.Visible()
	if len(r.readers) > 0 {
		held = r.readers[0].seq
	}
	return held, r.horizon
}

// Stands reports whether a reader is registered at a sequence number from the first one on and before the second.
func (r *Registry) Stands(from, to key.SeqNum) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := r.findLocked(from)
	return i < len(r.readers) && r.readers[i].seq < to
}
