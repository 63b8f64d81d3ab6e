package tree

import (
	"errors"
	"math"
	"sync/atomic"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/visible"
)

// Snapshot keeps the state at one sequence number readable until Close. Its methods may be called from any number of
// goroutines. The zero value is not usable; Tree.Hold and Snapshot make one.
type Snapshot struct {
	readers.Registration
	tree      *Tree
	interrupt *calls.Interrupt     // of its iterators; nil for none
	pinned    atomic.Pointer[View] // with Options.Follow: what it shows; nil once it is closed
	seen      *visible.Earliest    // the ends of what is read of it; nil if nobody wants to know
	own       key.Time             // that of OwnTime, if nothing ended when s was taken
}

// Snapshot returns a snapshot of the newest published state. It must be closed.
func (tr *Tree) Snapshot() *Snapshot {
	s := new(Snapshot)
	tr.Hold(s, origin.Snapshot)
	return s
}

// Hold makes s, which must be new or renewed, a snapshot of the newest published state, in memory of the caller's. k
// says what it is for. It must be closed.
func (tr *Tree) Hold(s *Snapshot, k origin.Kind) { tr.HoldAs(s, tr.Trace(k)) }

// HoldAs is Hold for a reader that was opened at o.
func (tr *Tree) HoldAs(s *Snapshot, o *origin.Origin) {
	tr.openSnapshots.Add(1)
	if s.Origin = o; s.tree != tr {
		s.tree = tr // only once: a point read that comes late may still look at it
	}
	if !tr.opts.Follow || !tr.pin(s) {
		tr.readers.Add(&s.Registration)
	}
}

// SnapshotAt returns a snapshot of the state at seq. It must be closed. The error is readers.ErrExpired if no reader
// holds that state and it is older than Options.Retain, and readers.ErrFuture if no commit has reached seq.
func (tr *Tree) SnapshotAt(seq key.SeqNum) (*Snapshot, error) {
	if tr.gate.Closed() {
		return nil, calls.ErrClosed
	}
	s := &Snapshot{tree: tr}
	s.Origin = tr.Trace(origin.Snapshot)
	if err := tr.readers.AddAt(&s.Registration, seq); err != nil {
		return nil, err
	}
	tr.openSnapshots.Add(1)
	return s, nil
}

// Get is Tree.Get at s. If s has expired, dst is returned as it was.
func (s *Snapshot) Get(dst, user []byte) (out []byte, found bool, err error) {
	return s.getWithin(math.MaxInt, dst, user)
}

// getWithin is Tree.getWithin at s.
func (s *Snapshot) getWithin(limit int, dst, user []byte) (out []byte, found bool, err error) {
	if s.tree.opts.Follow {
		out, found, err = s.getPinned(limit, dst, user)
	} else {
		out, found, err = s.tree.getWithin(limit, dst, user, s.Seq())
		if err == visible.ErrNoTime {
			out, found, err = s.getTimed(limit, dst, user)
		}
	}
	if expired := s.Check(); expired != nil && !errors.Is(err, calls.ErrClosed) {
		return dst, false, expired
	}
	return out, found, err
}

// getTimed is getWithin of what may end, without the row cache.
func (s *Snapshot) getTimed(limit int, dst, user []byte) (out []byte, found bool, err error) {
	guard := s.tree.epochs.Enter()
	defer guard.Exit()
	v := s.tree.view.Load()
	if v == nil {
		return dst, false, calls.ErrClosed
	}
	return s.tree.search(v, limit, dst, user, key.Hash(user), s.reader(v, user, s.Seq()))
}

// reader is who reads user in v, at seq.
func (s *Snapshot) reader(v *View, user []byte, seq key.SeqNum) visible.Reader {
	r := v.Cover(seq).Reader(user).At(s.Now())
	r.Seen = s.seen
	return r
}

// NoteEnds lets the ends of what is read of s be noted in e.
func (s *Snapshot) NoteEnds(e *visible.Earliest) { s.seen = e }

// OwnTime is the time by which what the owner of s, one goroutine, has written itself ends: that of s. If nothing in
// the database ended when s was taken it is that of the first call, for nothing that s shows ends. From then on the
// database has a time, which is not before that: so no reader of the owner's commit has an earlier one.
func (s *Snapshot) OwnTime() key.Time {
	if now := s.Now(); now != 0 {
		return now
	}
	if s.own == 0 {
		s.tree.Time().Begin(0)
		s.own = s.tree.Time().Now()
	}
	return s.own
}

// Has is Tree.Has at s.
func (s *Snapshot) Has(user []byte) (bool, error) {
	room := smallValues.Get().(*[maxHasBytes]byte)
	defer smallValues.Put(room)
	_, found, err := s.getWithin(maxHasBytes, room[:0], user)
	if err == operand.ErrTooLong {
		err = nil
	}
	return found, err
}

// Close lets the versions that only s needs be dropped, and ends the iterators on it. Further calls do nothing.
func (s *Snapshot) Close() {
	if s.tree.readers.Close(&s.Registration) {
		s.tree.openSnapshots.Add(-1)
		if s.tree.opts.Follow {
			s.tree.unpin(s)
		}
	}
}

// Leave is Close, but the iterators go on.
func (s *Snapshot) Leave() {
	if s.tree.readers.Leave(&s.Registration) {
		s.tree.openSnapshots.Add(-1)
	}
}

// NewIterator is Tree.NewIterator at s.
func (s *Snapshot) NewIterator(lo, hi []byte) (*Iterator, error) {
	return s.tree.NewIterator(s, lo, hi)
}

// OpenValue is Tree.OpenValue at s.
func (s *Snapshot) OpenValue(user []byte) (value []byte, long *Iterator, size int64, err error) {
	return s.tree.OpenValue(s, user)
}

// Closed reports whether Close was called.
func (s *Snapshot) Closed() bool { return s.ClosedFlag().Load() }

// Interrupted is what ends the iterators of s; nil for nothing.
func (s *Snapshot) Interrupted() *calls.Interrupt { return s.interrupt }

// InterruptBy lets i end the iterators that s opens from now on.
func (s *Snapshot) InterruptBy(i *calls.Interrupt) { s.interrupt = i }

// Trace is where a reader or writer is being opened, if that is to be remembered.
func (tr *Tree) Trace(k origin.Kind) *origin.Origin {
	if !tr.opts.TraceReaders {
		return nil
	}
	return origin.Here(k, tr.opts.Wall())
}
