// Package calls counts the calls into something that can be closed, so that its Close can wait for them.
package calls

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrClosed is the result of a call that comes after Close, or that Close has ended.
var ErrClosed = errors.New("database is closed")

// Gate counts the calls in progress that use the files or the tree of a database. Its Close refuses new ones, Wait
// returns when the last has left, and only then is anything taken away: no step of a call has to ask whether the
// database is still there.
//
// Invariant: while a call is in, the directory is open and the tree has a view. A call that came before Close and would
// wait, or begin something new, asks Closed or the context; what it has begun to write it may finish.
//
// Not counted are point reads, which the epoch guards and which find no view after Close; moves of iterators, which
// hold a view and the memory of the tree; and what touches neither files nor tree, such as the release of locks.
type Gate struct {
	closed atomic.Bool     // no call comes in any more; set by Close, never cleared
	left   chan struct{}   // of capacity 1: a call has left, and none was in after it
	ctx    context.Context // done once Close has begun, with the cause ErrClosed
	stop   context.CancelCauseFunc

	_       [64]byte // what is around it is read at every step of an iterator
	running atomic.Int64
	_       [64]byte
}

// NewGate returns a gate that is open.
func NewGate() *Gate {
	g := &Gate{left: make(chan struct{}, 1)}
	g.ctx, g.stop = context.WithCancelCause(context.Background())
	return g
}

// Enter begins a call that uses the files or the tree, and must end with Leave. After Close it gives ErrClosed instead.
// Calls may be nested: an inner one may get ErrClosed where the outer one did not, and then the outer one ends with it.
func (g *Gate) Enter() error {
	g.running.Add(1)
	if g.closed.Load() { // in this order: Close sets it, then counts
		g.Leave()
		return ErrClosed
	}
	return nil
}

// Leave ends a call.
func (g *Gate) Leave() {
	if g.running.Add(-1) == 0 && g.closed.Load() {
		select {
		case g.left <- struct{}{}:
		default: // it is known already
		}
	}
}

// Close lets no more calls in, and ends the context. It reports false if that was done before.
func (g *Gate) Close() bool {
	if !g.closed.CompareAndSwap(false, true) {
		return false
	}
	g.stop(ErrClosed)
	return true
}

// Wait returns when the calls that came in before Close have left.
func (g *Gate) Wait() {
	for g.running.Load() > 0 {
		<-g.left
	}
}

// Closed reports whether Close has begun.
func (g *Gate) Closed() bool { return g.closed.Load() }

// Context is done once Close has begun. Its cause is ErrClosed then.
func (g *Gate) Context() context.Context { return g.ctx }

// UntilClosed calls do with a context that ends with ctx, and also once Close has begun. In that case the result is
// ErrClosed in place of the context's own error; see Ended.
func (g *Gate) UntilClosed(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(g.ctx, func() { cancel(ErrClosed) })()
	err := do(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return Ended(ctx)
	}
	return err
}

// Ended is nil until ctx is done, and then its error, or ErrClosed if it is a gate's, or of UntilClosed, and the gate
// was closed.
func Ended(ctx context.Context) error {
	if err := ctx.Err(); err == nil || context.Cause(ctx) != ErrClosed {
		return err
	}
	return ErrClosed
}
