package lock

import (
	"context"
	"slices"
	"time"
)

// wait is one call that waits for a lock. It ends once: when the lock is handed over, when a deadlock is
// broken at its expense, when its time is up, or when its context or its owner ends.
type wait struct {
	owner    *Owner
	lock     *lock
	searched uint64 // the last search for a cycle that has visited it

	done chan struct{} // closed by endWaitLocked
	err  error         // set before done is closed
	took bool          // the lock was handed over, and owner had not held it before
}

// enqueueLocked puts o in line for l: at the end, unless everybody in line waits for o already. That is so if o
// holds l and waits only for the range around it, and if o protects that range. At the end of the line, o would wait
// for those that wait for it.
//
// Therefore being behind somebody never closes a cycle. Those in line wait for nothing but this lock, and none of
// them waits for o, so o waits for the same owner as they do. Holders and protectors alone say who waits for whom.
func (t *Table) enqueueLocked(o *Owner, l *lock) *wait {
	w := &wait{owner: o, lock: l, done: make(chan struct{})}
	at := len(l.queue)
	if l.holder == o || t.protectorLocked(l) == o {
		at = 0
	}
	l.queue = slices.Insert(l.queue, at, w)
	o.wait = w
	t.waiters++
	if t.contended == nil {
		t.contended = make(map[*lock]struct{})
		t.stuck = make(map[uintptr]*wait)
	}
	t.contended[l] = struct{}{}
	if o.goroutine != 0 {
		t.stuck[o.goroutine] = w
	}
	return w
}

// await returns when w or ctx has ended, or the owner's time is up.
func (t *Table) await(ctx context.Context, w *wait) error {
	limit := w.owner.Limit
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := timer.C
	if limit <= 0 { // no bound
		late = nil
	}
	for {
		select {
		case <-w.done:
			return w.err
		case <-ctx.Done():
			t.abandon(w, ctx.Err())
			return ctx.Err()
		case <-late:
			timer.Reset(t.timeUp(w, limit))
		}
	}
}

// timeUp ends w, which has waited for limit, unless it ended at the same moment. A wait for the priority
// goes on while that is passed on: for such a wait timeUp returns how long the present holder may still hold it.
func (t *Table) timeUp(w *wait, limit time.Duration) (left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.owner.wait != w {
		return limit // it has ended
	}
	timeout := t.timeoutLocked(w, limit)
	if left := limit - timeout.Age; w.lock == &t.priority && left > 0 {
		return left
	}
	t.endWaitLocked(w, timeout)
	return limit
}

// abandon takes back a wait whose context has ended. If the lock was handed to it at the same moment, the next in
// line gets it.
func (t *Table) abandon(w *wait, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.owner.wait == w {
		t.endWaitLocked(w, err)
		return
	}
	if w.took && w.owner.ended == nil { // an owner that has ended holds nothing any more
		held := w.owner.held
		w.owner.held = slices.Delete(held, len(held)-1, len(held)) // the last one taken, because the owner was waiting
		if len(w.owner.held) == 0 {
			t.unlistLocked(w.owner)
		}
		w.lock.holder = nil
		t.advanceLocked(w.lock)
	}
}

// endWaitLocked takes w out of the line and makes its call return err.
func (t *Table) endWaitLocked(w *wait, err error) {
	l, o := w.lock, w.owner
	at := slices.Index(l.queue, w)
	l.queue = slices.Delete(l.queue, at, at+1)
	t.waiters--
	if len(l.queue) == 0 {
		delete(t.contended, l)
	}
	o.wait = nil
	if t.stuck[o.goroutine] == w {
		delete(t.stuck, o.goroutine)
	}
	w.err = err
	close(w.done)
	t.advanceLocked(l)
}

// stuckLocked returns the wait that keeps o from going on, or nil: o's own wait, or that of another owner in the
// same goroutine, which must return before o can go on.
func (t *Table) stuckLocked(o *Owner) *wait {
	if o.wait != nil || o.goroutine == 0 {
		return o.wait
	}
	return t.stuck[o.goroutine]
}
