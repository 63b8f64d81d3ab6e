// Package lock decides which transaction must wait for which. Its table holds key locks and protected ranges. A key
// lock keeps other transactions from locking the key, and a protected range keeps them from locking any key in it.
// Both tell the commit path whose writes must wait.
//
// The table owns the locks, their queues and the search for deadlocks. It knows nothing of the database: it decides
// who waits, never who is right. The conflict check of a commit proves that what the transaction read is unchanged;
// locks only make sure that the check passes. So a commit that asked before a lock was taken may still land after
// it.
//
// Priority is what users know as precedence: one owner at a time has it, may protect ranges, and never loses.
//
// Everything is safe for concurrent use. An Owner is one transaction and does one thing at a time. The package
// starts no goroutine: a waiter is woken by whoever releases what it waits for.
//
//	o := lock.NewOwner(goroutine)
//	defer table.Release(o)
//	if err := table.Acquire(ctx, o, key); err != nil {
//		return err // ErrDeadlock: release and begin again; ErrTimeout: somebody holds it for too long
//	}
package lock

import (
	"cmp"
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/span"
	"lightningdb/internal/system/origin"
)

// keptLocks is the number of locks up to which an empty table keeps its map. Go's maps do not shrink.
const keptLocks = 1024

// Owner is a transaction, or a write outside of any transaction, that may hold locks. Make it with NewOwner. Its
// calls come one after the other, whatever goroutines make them; only Cancel may come at any time. The mutex of the
// table that it is used with guards its unexported fields, and the order of its calls guards the exported ones.
type Owner struct {
	Limit  time.Duration  // how long its next call may wait; 0 means without bound
	Origin *origin.Origin // where it was begun, for those that wait for it; nil if unknown. Set before its first call

	goroutine uintptr // immutable
	number    uint64  // its name in errors; 0 before its first call
	held      []*lock // in the order in which they were taken; the priority is one of them
	wait      *wait   // nil while it runs
	ended     error   // the error that Cancel has ended it with
	older     *Owner  // its neighbours in the list of owners that hold something
	younger   *Owner
}

// NewOwner returns an owner that holds nothing. goroutine identifies the goroutine that runs the transaction, by any
// number that no other goroutine has at the time. 0 means that it is not known, or not always the same one.
func NewOwner(goroutine uintptr) *Owner { return &Owner{goroutine: goroutine} }

// sharesGoroutine reports whether p cannot run while o waits.
func (o *Owner) sharesGoroutine(p *Owner) bool {
	return o == p || o.goroutine != 0 && o.goroutine == p.goroutine
}

// lock is one key that is held or waited for, or the priority.
//
//   - A lock is free only while its key is in a protected range. Otherwise it is handed to the first in line, and
//     forgotten if nobody waits.
//   - Every waiter waits for the holder or for the protector of the key, whoever else is ahead of it in the line
//     (see enqueueLocked).
type lock struct {
	key    string
	holder *Owner
	since  time.Duration // when the holder got it, by Table.Now
	queue  []*wait
}

// Table holds locks and ranges. The zero value is empty and ready; it must not be copied.
type Table struct {
	Now func() time.Duration // the monotonic clock for the ages of locks; nil: no ages. Set before the first call

	any atomic.Bool // stored under mu: locks or ranges is not empty

	mu        sync.Mutex // held for a few instructions, or for a search for a cycle; the last one in any lock order
	locks     map[string]*lock
	largest   int                // the most entries that locks has had
	priority  lock               // its holder has priority; not in locks
	ranges    span.Set           // what the holder of priority protects
	contended map[*lock]struct{} // the entries of locks whose queue is not empty
	stuck     map[uintptr]*wait  // the wait of each goroutine, if the goroutine is known
	numbers   uint64             // the last number given to an owner
	searches  uint64             // the number of searches for a cycle so far
	waiters   int                // the number of waits in all queues
	oldest    *Owner             // the list of owners that hold something, by when they got their first lock
	youngest  *Owner
}

// Any reports whether any lock or range is held, at the cost of one atomic load. If it says no, Blocked finds
// nothing. It sees every Acquire and Protect that returned before.
func (t *Table) Any() bool { return t.any.Load() }

// Acquire locks key for o until Release. It waits, in the order of arrival, while another owner holds key, and while
// key is in a range that another owner protects, even if o holds key already. If neither is so, it returns at once,
// also when o holds key already. It copies key.
//
// It returns a *DeadlockError if the wait would never end, or if o was chosen to break a deadlock; an error that
// wraps ErrNested if it would wait for o's own goroutine; a *TimeoutError once the wait has reached o.Limit; and
// ctx.Err() if ctx ended first. After an error o holds what it held before the call.
func (t *Table) Acquire(ctx context.Context, o *Owner, key []byte) error {
	t.mu.Lock()
	l := t.locks[string(key)]
	if l == nil {
		l = t.addLocked(string(key))
	}
	w, err := t.requestLocked(ctx, o, l)
	t.mu.Unlock()
	if w == nil {
		return err
	}
	return t.await(ctx, w)
}

// TryAcquire is Acquire if that would return at once. Otherwise it reports false and has changed nothing.
func (t *Table) TryAcquire(o *Owner, key []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.locks[string(key)]
	switch {
	case o.ended != nil:
		return false
	case l == nil:
		if t.priority.holder != o && t.ranges.Contains(key) {
			return false
		}
		l = t.addLocked(string(key))
	case t.mustWaitLocked(o, l):
		return false
	}
	t.numberLocked(o)
	t.takeLocked(o, l)
	return true
}

// Prioritize gives o the priority, which only one owner at a time has, until Release. With it o may protect ranges,
// and no deadlock is broken at its expense. Prioritize waits in the order of arrival and returns the errors of
// Acquire. o.Limit bounds how long it waits for one and the same holder: as long as the priority is passed on, the
// wait goes on.
func (t *Table) Prioritize(ctx context.Context, o *Owner) error {
	t.mu.Lock()
	w, err := t.requestLocked(ctx, o, &t.priority)
	t.mu.Unlock()
	if w == nil {
		return err
	}
	return t.await(ctx, w)
}

// Protect keeps every owner but o from locking keys in s until Release, and Blocked keeps them from writing there. o
// must have priority. Protect never waits: others keep their locks in s, but they cannot commit there either. It
// copies the bounds of s. The error is the one that Cancel has ended o with.
func (t *Table) Protect(o *Owner, s span.Span) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case o.ended != nil:
		return o.ended
	case t.priority.holder != o:
		panic("lock: a range is protected by an owner without priority")
	}
	t.ranges.Add(s)
	t.updateAnyLocked()
	return nil
}

// Blocked returns the first of keys that another owner than o has locked, or that lies in a range which another
// owner protects. A nil o is an owner that holds nothing. The table is locked meanwhile: keys must not call it. A
// caller for whom an empty table must be cheap asks Any first: what the loop over keys captures is allocated even then.
func (t *Table) Blocked(o *Owner, keys iter.Seq[[]byte]) (key []byte, blocked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	protected := len(t.ranges) > 0 && t.priority.holder != o
	for key := range keys {
		if l := t.locks[string(key)]; l != nil && l.holder != nil && l.holder != o {
			return key, true
		}
		if protected && t.ranges.Contains(key) {
			return key, true
		}
	}
	return nil, false
}

// HeldByOthers returns what owners other than o have locked or protect. It is for commits with too many keys for
// Blocked.
func (t *Table) HeldByOthers(o *Owner) []span.Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	var spans []span.Span
	for _, l := range t.locks {
		if l.holder != nil && l.holder != o {
			key := []byte(l.key)
			spans = append(spans, span.Closed(key, key))
		}
	}
	if t.priority.holder != o {
		for _, r := range t.ranges {
			spans = append(spans, r.Clone())
		}
	}
	return spans
}

// Release gives up the locks, the ranges and the priority of o and hands each to the next in line. An owner that
// holds nothing may call it. Afterwards o is like a new owner. It must not be called while o waits.
func (t *Table) Release(o *Owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked(o)
}

// Cancel ends o, whatever o is doing: it releases everything, and both a call that waits and all later calls return
// err. It may be called during any of o's calls. What o has asked for and not been given, it will not get.
func (t *Table) Cancel(o *Owner, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.ended = err
	if o.wait != nil {
		t.endWaitLocked(o.wait, err)
	}
	t.releaseLocked(o)
}

// State describes how much of a table is in use.
type State struct {
	Waiters int           // the number of calls that wait
	Oldest  time.Duration // how long ago the lock held longest was taken; 0 if none is held
}

// State returns the present state.
func (t *Table) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{Waiters: t.waiters}
	if t.oldest != nil {
		s.Oldest = t.now() - t.oldest.held[0].since
	}
	return s
}

func (t *Table) now() time.Duration {
	if t.Now == nil {
		return 0
	}
	return t.Now()
}

func (t *Table) releaseLocked(o *Owner) {
	if t.priority.holder == o && len(t.ranges) > 0 {
		t.ranges = nil
		for l := range t.contended {
			t.advanceLocked(l)
		}
		t.updateAnyLocked()
	}
	held := o.held
	o.held = nil
	if len(held) > 0 {
		t.unlistLocked(o)
	}
	for _, l := range held {
		l.holder = nil
		t.advanceLocked(l)
	}
}

// listLocked puts o, which is about to take its first lock, at the end of the list of holders.
func (t *Table) listLocked(o *Owner) {
	o.older = t.youngest
	if t.youngest == nil {
		t.oldest = o
	} else {
		t.youngest.younger = o
	}
	t.youngest = o
}

// unlistLocked takes o, which no longer holds anything, off the list of holders.
func (t *Table) unlistLocked(o *Owner) {
	if o.older == nil {
		t.oldest = o.younger
	} else {
		o.older.younger = o.younger
	}
	if o.younger == nil {
		t.youngest = o.older
	} else {
		o.younger.older = o.older
	}
	o.older, o.younger = nil, nil
}

// requestLocked gives l to o, or puts o in line and returns the wait.
func (t *Table) requestLocked(ctx context.Context, o *Owner, l *lock) (*wait, error) {
	t.numberLocked(o)
	if o.ended == nil && !t.mustWaitLocked(o, l) {
		t.takeLocked(o, l)
		return nil, nil
	}
	if err := cmp.Or(o.ended, ctx.Err()); err != nil {
		t.advanceLocked(l) // it may have been added for o
		return nil, err
	}
	w := t.enqueueLocked(o, l)
	if err := t.breakCycleLocked(w); err != nil {
		t.endWaitLocked(w, err)
		return nil, err
	}
	return w, nil
}

// numberLocked gives o a number if it has none.
func (t *Table) numberLocked(o *Owner) {
	if o.number == 0 {
		t.numbers++
		o.number = t.numbers
	}
}

// mustWaitLocked reports whether o would have to wait for l if it were first in line.
func (t *Table) mustWaitLocked(o *Owner, l *lock) bool {
	if l.holder != nil && l.holder != o {
		return true
	}
	p := t.protectorLocked(l)
	return p != nil && p != o
}

// protectorLocked returns the owner of the range that l's key is in, or nil.
func (t *Table) protectorLocked(l *lock) *Owner {
	if len(t.ranges) == 0 || l == &t.priority || !t.ranges.Contains([]byte(l.key)) {
		return nil
	}
	return t.priority.holder
}

// takeLocked makes o the holder of l, which nobody else holds.
func (t *Table) takeLocked(o *Owner, l *lock) {
	if l.holder == o {
		return
	}
	if len(o.held) == 0 {
		t.listLocked(o)
	}
	l.holder, l.since = o, t.now()
	o.held = append(o.held, l)
}

// advanceLocked hands l to the first in line if that one need not wait any more, and forgets a lock that nobody
// holds or waits for.
func (t *Table) advanceLocked(l *lock) {
	if len(l.queue) == 0 {
		if l.holder == nil {
			t.removeLocked(l)
		}
		return
	}
	w := l.queue[0]
	if t.mustWaitLocked(w.owner, l) {
		return
	}
	w.took = l.holder != w.owner
	t.takeLocked(w.owner, l)
	t.endWaitLocked(w, nil)
}

// addLocked puts a free lock into the table.
func (t *Table) addLocked(key string) *lock {
	if t.locks == nil {
		t.locks = make(map[string]*lock)
	}
	l := &lock{key: key}
	t.locks[key] = l
	t.largest = max(t.largest, len(t.locks))
	t.updateAnyLocked()
	return l
}

// removeLocked forgets a lock. When the last one goes, it also drops a map that has become large.
func (t *Table) removeLocked(l *lock) {
	if l == &t.priority {
		return
	}
	delete(t.locks, l.key)
	if len(t.locks) == 0 && t.largest > keptLocks {
		t.locks, t.largest = nil, 0
	}
	t.updateAnyLocked()
}

// updateAnyLocked stores what Any reports.
func (t *Table) updateAnyLocked() { t.any.Store(len(t.locks) > 0 || len(t.ranges) > 0) }
