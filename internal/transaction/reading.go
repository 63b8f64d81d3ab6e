package transaction

import (
	"context"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/origin"
)

// Holder is what snapshots and read-only transactions are of: an engine, or a follower.
type Holder interface {
	// Hold makes s, which is new or renewed, a snapshot of the newest state.
	Hold(s *engine.Snapshot, k origin.Kind)
	Closed() bool
}

// Reading is what a read-only transaction reads: a snapshot, and what its loops and cursors have met. All that any
// number of goroutines do with it they do by a Use. Its memory serves one transaction after the other, of one Holder,
// as a database that has thousands of them in a second would otherwise keep the garbage collector busy. The zero value
// is ready for Begin.
//
// # Why nobody reads in another's transaction
//
// A program may keep its transaction, and go on calling it while and after it ends. So each transaction has a Use of
// its own, which is never used again, and End of the Use comes before everything that ends the Reading.
//
//   - A point read asks the Use before, and again after it has read. If the Use had not ended then, the Reading has
//     been its own all the time. If it had, the result is thrown away; what it was read from were atomics, and pages
//     that an epoch guards, so that was without harm. It writes nothing: a counter that many goroutines share would
//     take longer than the read.
//   - Everything else enters: it counts itself, and then asks the Use. Who ends the Reading has ended the Use, and then
//     looks at the count. So it sees whoever was let in, and the Reading is left to the garbage collector then. Who
//     comes later is not let in, and takes itself off the count; at worst that keeps one more Reading from being used
//     again. An iterator counts until its owner has closed it.
type Reading struct {
	held    engine.Snapshot
	watch   Watch
	walks   SharedWalks
	entered atomic.Int64 // calls in progress, and iterators that their owners have not closed
}

// Use is one transaction's right to use a Reading. The zero value is ready for Begin.
type Use struct {
	state atomic.Uint64 // the sequence number that it reads at, and the bits below
}

// The bits of a Use above those of a sequence number.
const (
	useEnded   = 1 << 63
	useManaged = 1 << 62
)

// Manage says that the transaction is ended by who has begun it, and not by its function.
func (u *Use) Manage() { u.state.Or(useManaged) }

// Managed reports whether Manage was called.
func (u *Use) Managed() bool { return u.state.Load()&useManaged != 0 }

// Seq is the sequence number that it reads at, or has read at.
func (u *Use) Seq() key.SeqNum { return key.SeqNum(u.state.Load()) & key.MaxSeqNum }

// Ended reports whether End was called.
func (u *Use) Ended() bool { return u.state.Load()&useEnded != 0 }

// End ends the use. It reports true to the first who calls it, who must call Reading.End.
func (u *Use) End() bool { return u.state.Or(useEnded)&useEnded == 0 }

// Begin makes r read the newest state of h, for u, until ctx is done.
func (r *Reading) Begin(ctx context.Context, h Holder, u *Use) {
	h.Hold(&r.held, origin.Transaction)
	r.watch.On(ctx)
	u.state.Store(uint64(r.held.Seq()))
}

// End ends what the first to end its Use has read, and with it the loops and cursors that are still open. It returns
// the first error that they met. Again reports whether another transaction may have r.
func (r *Reading) End() (met error, again bool) {
	alone := r.entered.Load() == 0 // and nobody will be let in any more
	if alone {
		again = r.watch.Renew()
	} else {
		r.watch.End()
	}
	met = r.walks.Err()
	r.held.Close()
	if again {
		r.walks.Renew()
		r.held.Renew()
	}
	return met, again
}

// enter begins what u has to have the Reading for until Leave.
func (r *Reading) enter(u *Use) error {
	r.entered.Add(1)
	if u.Ended() { // in this order: End of the Use sets it, then the count is looked at
		r.Leave()
		return ErrDone
	}
	return nil
}

// Leave ends what OpenIterator has begun.
func (r *Reading) Leave() { r.entered.Add(-1) }

// Get appends the value of k, of s, to dst.
func (r *Reading) Get(u *Use, s space.Space, dst, k []byte) (out []byte, found bool, err error) {
	if err := u.check(k); err != nil {
		return dst, false, err
	}
	out, found, err = getStored(&r.held, s, dst, k)
	if u.Ended() { // then it may have been another's
		return dst, false, ErrDone
	}
	return out, found, err
}

// Has reports whether k, of s, has a value.
func (r *Reading) Has(u *Use, s space.Space, k []byte) (found bool, err error) {
	if err := u.check(k); err != nil {
		return false, err
	}
	found, err = r.held.Has(s.Key(k))
	if u.Ended() {
		return false, ErrDone
	}
	return found, err
}

// Measure is that of the value of k, of s.
func (r *Reading) Measure(u *Use, s space.Space, k []byte) (m engine.Measure, found bool, err error) {
	if err := u.check(k); err != nil {
		return m, false, err
	}
	m, found, err = r.held.Measure(s.Key(k))
	if u.Ended() {
		return engine.Measure{}, false, ErrDone
	}
	return m, found, err
}

// check says why k cannot be read.
func (u *Use) check(k []byte) error {
	switch {
	case u.Ended():
		return ErrDone
	case !Fits(k):
		return CheckKey(k)
	}
	return nil
}

// OpenIterator returns an iterator over the keys in bounds, which it borrows. When its owner has closed it, or has
// forgotten one that was ended, it calls Leave.
func (r *Reading) OpenIterator(u *Use, bounds span.Span) (*engine.Iterator, error) {
	if err := r.enter(u); err != nil {
		return nil, err
	}
	r.watch.Begin(&r.held)
	it, err := OpenIterator(&r.held, bounds, ErrDone)
	if err != nil {
		r.Leave()
	}
	return it, err
}

// OpenIterator returns an iterator over the keys in bounds, which it borrows, that fails with ended once s is closed.
func OpenIterator(s *engine.Snapshot, bounds span.Span, ended error) (*engine.Iterator, error) {
	it, err := s.NewIterator(bounds.Lo, bounds.Hi)
	switch {
	case err == nil:
		it.StopWith(ended)
	case s.Closed():
		err = ended
	}
	return it, err
}

// OpenValue is that of the package, of what u reads.
func (r *Reading) OpenValue(ctx context.Context, u *Use, s space.Space, k []byte) (*Value, error) {
	if err := u.check(k); err != nil {
		return nil, err
	}
	if err := r.enter(u); err != nil {
		return nil, err
	}
	r.watch.Begin(&r.held)
	v, err := OpenValue(ctx, &r.held, s.Key(k), func() error {
		if u.Ended() {
			return ErrDone
		}
		return nil
	})
	if err != nil || v.it == nil { // a long one has its iterator for longer than can be told
		r.Leave()
	}
	return v, err
}

// Note is that of Walks, like Told. What comes after the end nobody asks for.
func (r *Reading) Note(u *Use, err error) {
	if r.enter(u) == nil {
		defer r.Leave()
		r.walks.Note(err)
	}
}

// Told is that of Walks.
func (r *Reading) Told(u *Use, err error) {
	if r.enter(u) == nil {
		defer r.Leave()
		r.walks.Told(err)
	}
}

// Over is why the transaction cannot be committed, as far as its context says, or that it has ended.
func (r *Reading) Over(u *Use) error {
	if err := r.enter(u); err != nil {
		return err
	}
	defer r.Leave()
	return r.watch.interrupt.Context().Err()
}

// Watch returns what ends the iterators with the context.
func (r *Reading) Watch() *Watch { return &r.watch }
