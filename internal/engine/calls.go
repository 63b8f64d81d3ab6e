package engine

import "sync/atomic"

// calls counts the calls in progress that use the files or the tree of the engine. Close refuses new ones, waits until
// the last has left, and only then takes anything away: no step of a call has to ask whether the engine is still there.
//
// Invariant: while a call is in, the directory is open and the engine has a view. For a call that came before Close,
// writable gives ErrClosed as soon as Close has begun, which ends what would wait or begin something new; what it has
// begun to write it may finish.
//
// Not counted are point reads, which the epoch guards and which find no view after Close; moves of iterators, which hold
// a view and the memory of the engine; and what touches neither files nor tree, such as the release of locks.
type calls struct {
	closed atomic.Bool   // no call comes in any more; set by Close, never cleared
	left   chan struct{} // of capacity 1: a call has left, and none was in after it

	_       [64]byte // what is around it is read at every step of an iterator
	running atomic.Int64
	_       [64]byte
}

// Enter begins a call that uses the files or the tree, and must end with Leave. After Close it gives ErrClosed instead.
// Calls may be nested: an inner one may get ErrClosed where the outer one did not, and then the outer one ends with it.
func (c *calls) Enter() error {
	c.running.Add(1)
	if c.closed.Load() { // in this order: Close sets it, then counts
		c.Leave()
		return ErrClosed
	}
	return nil
}

// Leave ends a call.
func (c *calls) Leave() {
	if c.running.Add(-1) == 0 && c.closed.Load() {
		select {
		case c.left <- struct{}{}:
		default: // it is known already
		}
	}
}

// close lets no more calls in. It reports false if that was done before.
func (c *calls) close() bool { return c.closed.CompareAndSwap(false, true) }

// wait returns when the calls that came in before close have left.
func (c *calls) wait() {
	for c.running.Load() > 0 {
		<-c.left
	}
}

// Closed reports whether Close has begun.
func (c *calls) Closed() bool { return c.closed.Load() }
