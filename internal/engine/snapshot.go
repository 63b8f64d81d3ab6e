package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/origin"
)

// Snapshot keeps the state at one sequence number readable until Close. Its methods may be called from any number of
// goroutines. The zero value is not usable; Engine.Hold and Snapshot make one.
type Snapshot struct {
	registration
	engine    *Engine
	closed    atomic.Bool
	interrupt *Interrupt // of its iterators; nil for none
}

// registration is a reader that stands at a sequence number. While it is in the list of snapshots, no compaction drops
// what the reader needs.
type registration struct {
	seq     key.SeqNum
	since   instant        // when it was opened; 0 until somebody has looked at the clock for it, see stampAges
	origin  *origin.Origin // with TraceReaders only
	expired atomic.Bool    // it was taken off the list, because it was too old; set under snapshots.mu, never cleared

	iterator *Iterator // whose registration it is, nil for a snapshot's
	of       *Snapshot // that the iterator is on; nil for none
}

// Check is ErrSnapshotExpired if what was read so far may be wrong. A reader asks after reading: the registration is
// marked before the job begins that drops what it held, and so before any view without that is installed.
func (r *registration) Check() error {
	if r.expired.Load() {
		return fmt.Errorf("%w: it was older than MaxSnapshotAge", ErrSnapshotExpired)
	}
	return nil
}

// snapshots is what readers stand at, and what flushes and compactions have kept for those to come.
//
// Invariant: at a sequence number from floor to the newest, and at every registered one, the tree shows what was there
// when that was the newest.
type snapshots struct {
	maxAge time.Duration // 0 for no limit

	mu       sync.Mutex
	readers  []*registration // by sequence number
	floor    key.SeqNum      // the newest sequence number below which some job may have dropped what nobody held
	timeline timeline

	unstamped bool    // some readers may have no since, and the housekeeper knows
	stamped   instant // when it last gave them one
}

// add registers r at the newest visible sequence number. Registration and reading are one step, so that a job that looks
// at the list afterwards keeps what the reader needs; one that looked before keeps everything newer than what was
// visible then.
func (s *snapshots) add(e *Engine, r *registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.seq, r.since = key.SeqNum(e.visible.Load()), s.openedLocked(e)
	s.insertLocked(r)
}

// addPast registers r at r.seq, if the tree still shows what was there.
func (s *snapshots) addPast(e *Engine, r *registration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest := key.SeqNum(e.visible.Load()); r.seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFutureSequence, r.seq, newest)
	}
	_, registered := s.findLocked(r.seq)
	if r.seq < s.floor && !registered {
		return fmt.Errorf("%w: %d, the oldest is %d", ErrSnapshotExpired, r.seq, s.floor)
	}
	r.since = e.now()
	s.insertLocked(r)
	return nil
}

// addIterator registers r, of an iterator, where its snapshot stands and as old as that, or else at the newest visible
// sequence number. None comes once the snapshot or the engine has begun to close: who closes ends those that are there.
func (s *snapshots) addIterator(e *Engine, r *registration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.closed.Load() || r.of != nil && r.of.closed.Load() {
		return ErrClosed
	}
	if r.of == nil {
		r.seq = key.SeqNum(e.visible.Load())
		r.since = s.openedLocked(e)
	} else {
		if err := r.of.Check(); err != nil {
			return err
		}
		r.seq, r.since = r.of.seq, r.of.since
	}
	s.insertLocked(r)
	e.openIterators.Add(1)
	e.resources.Add(1)
	return nil
}

// findLocked returns where the registrations at seq begin, and whether there is one.
func (s *snapshots) findLocked(seq key.SeqNum) (int, bool) {
	return slices.BinarySearchFunc(s.readers, seq, func(r *registration, seq key.SeqNum) int {
		return cmp.Compare(r.seq, seq)
	})
}

func (s *snapshots) insertLocked(r *registration) {
	i := len(s.readers)
	if i > 0 && s.readers[i-1].seq > r.seq { // most come at the end
		i, _ = s.findLocked(r.seq + 1)
	}
	s.readers = append(s.readers, nil) // not slices.Insert: a copy of it for this type is 2 KB of every program
	copy(s.readers[i+1:], s.readers[i:])
	s.readers[i] = r
}

// remove takes r off the list, and reports whether it was the oldest: then there may be something to drop.
func (s *snapshots) remove(r *registration) (oldest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := s.findLocked(r.seq)
	for ; i < len(s.readers) && s.readers[i].seq == r.seq; i++ {
		if s.readers[i] == r {
			s.readers = slices.Delete(s.readers, i, i+1)
			return i == 0
		}
	}
	return false
}

// removeSnapshot takes of off the list, ends the iterators on it and drops those that are not in use. It reports
// whether one of them all was the oldest.
func (s *snapshots) removeSnapshot(of *Snapshot) (oldest bool) {
	var unused []*Iterator
	s.mu.Lock()
	i, _ := s.findLocked(of.seq)
	first, kept := i == 0, i
	for ; i < len(s.readers) && s.readers[i].seq == of.seq; i++ {
		r := s.readers[i]
		switch {
		case r == &of.registration:
			oldest = oldest || first && kept == 0
		case r.of == of && r.iterator.end():
			oldest = oldest || first && kept == 0
			unused = append(unused, r.iterator)
		default:
			s.readers[kept] = r
			kept++
		}
	}
	s.readers = slices.Delete(s.readers, kept, i)
	s.mu.Unlock()
	drop(unused)
	return oldest
}

// endAll ends all iterators and drops those that are not in use. It returns how many were open, in use or not.
func (s *snapshots) endAll() (open int) {
	var unused []*Iterator
	s.mu.Lock()
	s.readers = slices.DeleteFunc(s.readers, func(r *registration) bool {
		if r.iterator == nil {
			return false
		}
		open++
		mine := r.iterator.end()
		if mine {
			unused = append(unused, r.iterator)
		}
		return mine
	})
	s.mu.Unlock()
	drop(unused)
	return open
}

// drop drops iterators that were ended.
func drop(its []*Iterator) {
	for _, it := range its {
		it.drop()
	}
}

// hold returns the sequence numbers that must stay readable in a job on versions up to newest: the registered ones, and
// as the last one that from which on everything is kept. The decision is made here, in one step with the registrations:
// whoever comes later finds the floor raised.
func (s *snapshots) hold(e *Engine, newest key.SeqNum) []key.SeqNum {
	s.mu.Lock()
	unused := s.expireLocked(e)
	defer drop(unused)
	defer s.mu.Unlock()
	last := min(s.retainedLocked(e), newest)
	var held []key.SeqNum
	for _, r := range s.readers {
		if r.seq < last {
			held = append(held, r.seq)
		}
	}
	s.floor = max(s.floor, last)
	return append(slices.Compact(held), last)
}

// retainedLocked is the sequence number from which on everything must stay readable, for readers to come.
func (s *snapshots) retainedLocked(e *Engine) key.SeqNum {
	visible := key.SeqNum(e.visible.Load())
	if e.opts.Retain == 0 {
		return visible
	}
	now := e.now()
	s.timeline.note(now, visible)
	return s.timeline.visibleAt(now.plus(-e.opts.Retain))
}

// expireLocked takes registrations that are too old off the list, and ends their iterators: what those keep of the tree
// must not stay because nobody asks them for more. The caller drops the ones returned, without the mutex.
func (s *snapshots) expireLocked(e *Engine) (unused []*Iterator) {
	if s.maxAge == 0 {
		return nil
	}
	oldest := e.now().plus(-s.maxAge)
	s.readers = slices.DeleteFunc(s.readers, func(r *registration) bool {
		if r.since >= oldest {
			return false
		}
		r.expired.Store(true)
		if r.iterator != nil && r.iterator.end() {
			unused = append(unused, r.iterator)
		}
		return true
	})
	return unused
}

// oldest returns the oldest sequence number that a reader stands at, the newest visible one if there is no reader, and
// the oldest at which a reader may come.
func (s *snapshots) oldest(e *Engine) (held, readable key.SeqNum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held = key.SeqNum(e.visible.Load())
	if len(s.readers) > 0 {
		held = s.readers[0].seq
	}
	return held, s.floor
}

// Snapshot returns a snapshot of the newest published state. It must be closed.
func (e *Engine) Snapshot() *Snapshot {
	s := new(Snapshot)
	e.Hold(s, origin.Snapshot)
	return s
}

// Hold makes s, which must be new, a snapshot of the newest published state, in memory of the caller's, for what k says. It
// must be closed.
func (e *Engine) Hold(s *Snapshot, k origin.Kind) { e.holdAs(s, e.trace(k)) }

// holdAs is Hold for what was opened at o.
func (e *Engine) holdAs(s *Snapshot, o *origin.Origin) {
	e.openSnapshots.Add(1)
	s.engine, s.origin = e, o
	e.snapshots.add(e, &s.registration)
}

// SnapshotAt returns a snapshot of the state at seq. It must be closed. The error is ErrSnapshotExpired if that state is
// not held by a reader and older than what is kept for Options.Retain, and ErrFutureSequence if nothing has reached seq.
func (e *Engine) SnapshotAt(seq key.SeqNum) (*Snapshot, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	s := &Snapshot{engine: e}
	s.seq, s.origin = seq, e.trace(origin.Snapshot)
	if err := e.snapshots.addPast(e, &s.registration); err != nil {
		return nil, err
	}
	e.openSnapshots.Add(1)
	return s, nil
}

// Seq is the sequence number that s reads at.
func (s *Snapshot) Seq() key.SeqNum { return s.seq }

// Get is Engine.Get at s. With ErrSnapshotExpired dst is returned as it was.
func (s *Snapshot) Get(dst, user []byte) (out []byte, found bool, err error) {
	out, found, err = s.engine.Get(dst, user, s.seq)
	if expired := s.Check(); expired != nil && !errors.Is(err, ErrClosed) {
		return dst, false, expired
	}
	return out, found, err
}

// Has is Engine.Has at s.
func (s *Snapshot) Has(user []byte) (bool, error) {
	found, err := s.engine.Has(user, s.seq)
	if expired := s.Check(); expired != nil && !errors.Is(err, ErrClosed) {
		return false, expired
	}
	return found, err
}

// Close lets the versions that only s needs be dropped, and ends the iterators on it. Further calls do nothing.
func (s *Snapshot) Close() {
	if !s.closed.Swap(true) {
		s.left(s.engine.snapshots.removeSnapshot(s))
	}
}

// leave is Close, but for the iterators.
func (s *Snapshot) leave() {
	if !s.closed.Swap(true) {
		s.left(s.engine.snapshots.remove(&s.registration))
	}
}

// left ends a close, after which there may be something to drop if s was the oldest.
func (s *Snapshot) left(oldest bool) {
	s.engine.openSnapshots.Add(-1)
	if oldest && s.seq < key.SeqNum(s.engine.visible.Load()) {
		s.engine.wake(s.engine.wakeCompactor)
	}
}

// NewIterator is Engine.NewIterator at s.
func (s *Snapshot) NewIterator(lo, hi []byte) (*Iterator, error) {
	return s.engine.NewIterator(s, lo, hi)
}

// Closed reports whether Close was called.
func (s *Snapshot) Closed() bool { return s.closed.Load() }
