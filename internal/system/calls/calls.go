// Package calls counts the calls into something that can be closed, so that its Close can wait for them.
package calls

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrClosed is the result of a call that comes after Close, or that Close has ended.
var ErrClosed = errors.New("database is closed")

// Gate counts the calls in progress that use the files or the tree of a database. Close refuses new ones, and Wait
// returns when the last one has left. Only then is anything taken away, so no step of a call has to ask whether the
// database is still there.
//
// Invariant: while a call is in, the directory is open and the tree has a view. A call that came in before Close
// asks Closed or the context before it waits or begins something new. What it has begun to write it may finish.
//
// Some calls are not counted: point reads, which the epoch guards and which find no view after Close; moves of
// iterators, which hold a view and the memory of the tree; and calls that touch neither files nor tree, such as the
// release of locks.
type Gate struct {
	closed atomic.Bool     // no call comes in any more; set by Close, never cleared
	left   chan struct{}   // of capacity 1: a call has left, and no other was in at that moment
	ctx    context.Context // done once Close has begun, with the cause ErrClosed
	stop   context.CancelCauseFunc

	_       [64]byte // what surrounds running is read at every step of an iterator
	running atomic.Int64
	_       [64]byte
}

// NewGate returns a gate that is open.
func NewGate() *Gate {
	g := &Gate{left: make(chan struct{}, 1)}
	g.ctx, g.stop = context.WithCancelCause(context.Background())
	return g
}

// Enter begins a call that uses the files or the tree, and that must end with Leave. After Close it returns
// ErrClosed instead. Calls may be nested. If Close comes in between, the inner one gets ErrClosed, and the outer one
// ends with it.
func (g *Gate) Enter() error {
	if g.closed.Load() { // before it is counted: many that come late would keep Wait from finding nobody in
		return ErrClosed
	}
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
		default: // that is known already
		}
	}
}

// Close lets no more calls in and ends the context. It reports false if that was done before.
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

// Context returns a context that is done once Close has begun, with the cause ErrClosed.
func (g *Gate) Context() context.Context { return g.ctx }

// UntilClosed calls do with a context that ends with ctx, and also when Close begins. In the latter case the result
// is ErrClosed instead of the context's own error; see Ended.
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

// Ended returns nil until ctx is done, and then its error. If ctx is that of a gate or of UntilClosed and Close has
// ended it, the error is ErrClosed.
func Ended(ctx context.Context) error {
	if err := ctx.Err(); err == nil || context.Cause(ctx) != ErrClosed {
		return err
	}
	return ErrClosed
}
