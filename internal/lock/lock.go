// Package lock says which transaction must wait for which: a table of key locks and protected ranges. A key lock keeps
// other transactions from locking the key, a protected range keeps them from locking any key in it, and both tell the
// commit path whose writes have to wait.
//
// The table owns the locks, their queues and the search for deadlocks. It knows nothing of the database: it decides who
// waits, never who is right. That what a transaction read is still so is proved by the conflict check of its commit;
// locks only see to it that the check passes. So a commit that asked before a lock was taken may land after it.
//
// Everything is safe for concurrent use. An Owner is one transaction and does one thing at a time. The package starts
// no goroutine: a waiter is woken by whoever frees what it waits for.
//
//	o := lock.NewOwner(goroutine)
//	defer table.Release(o)
//	if err := table.Acquire(ctx, o, key); err != nil {
//		return err // ErrDeadlock: release, and begin again
//	}
package lock

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"sync/atomic"
)

// keptLocks is the number of locks up to which an empty table keeps its map: Go's maps do not shrink.
const keptLocks = 1024

// Owner is one transaction, or one write outside of any, that may hold locks. Make it with NewOwner. All its calls, over
// all goroutines, come one after the other. Its fields are guarded by the mutex of the table that it is used with.
type Owner struct {
	goroutine uintptr // immutable
	number    uint64  // what errors call it; 0 before its first call
	held      []*lock // in the order in which they were taken; the turn is one of them
	wait      *wait   // nil while it runs
}

// NewOwner returns an owner that holds nothing. goroutine identifies the goroutine that runs the transaction, by any
// number that no other goroutine has at the time; 0 says that it is not known, or not always the same one.
func NewOwner(goroutine uintptr) *Owner { return &Owner{goroutine: goroutine} }

// sharesGoroutine reports whether p cannot run while o waits.
func (o *Owner) sharesGoroutine(p *Owner) bool {
	return o == p || o.goroutine != 0 && o.goroutine == p.goroutine
}

// lock is one key that is held or waited for, or the turn to have priority.
//
//   - A lock is free only while its key is in a protected range: otherwise it is handed to the first in line, and one
//     that nobody wants is forgotten.
//   - Every waiter is kept by the holder or by the protector of the key, whoever else is ahead of it (see enqueueLocked).
type lock struct {
	key    string
	holder *Owner
	queue  []*wait
}

// Table holds locks and ranges. The zero value is empty and ready; it must not be copied.
type Table struct {
	any atomic.Bool // stored under mu: locks or ranges is not empty

	mu        sync.Mutex // held for a few instructions, or a search for a cycle; it comes last in any lock order
	locks     map[string]*lock
	largest   int                // the most entries that locks has had
	turn      lock               // its holder has priority; not in locks
	ranges    ranges             // what the holder of turn protects
	contended map[*lock]struct{} // those of locks whose queue is not empty
	stuck     map[uintptr]*wait  // by goroutine, for goroutines that are known
	numbers   uint64             // the last number given to an owner
	searches  uint64             // searches for a cycle so far
}

// Any reports whether any lock or range is held, at the cost of one atomic load. Where it says no, Blocked finds
// nothing. It sees every Acquire and Protect that returned before.
func (t *Table) Any() bool { return t.any.Load() }

// Acquire locks key for o until Release. It waits, in the order of arrival, while another owner holds key, and while key
// is in a range that another owner protects, even if o holds key already. Where nothing of that is so, also because o
// holds key already, it returns at once. It copies key.
//
// It returns a *DeadlockError if waiting would never end, or did not because o was chosen to give way; an error that
// wraps ErrNested if the wait would be for o's own goroutine; and ctx.Err() when ctx ended first. Then o holds what it
// held before the call.
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

// TryAcquire is Acquire where that returns at once. Else it reports false and has changed nothing.
func (t *Table) TryAcquire(o *Owner, key []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.locks[string(key)]
	if l == nil {
		if t.turn.holder != o && t.ranges.contain(key) {
			return false
		}
		l = t.addLocked(string(key))
	} else if t.keptLocked(o, l) {
		return false
	}
	t.numberLocked(o)
	takeLocked(o, l)
	return true
}

// Prioritize gives o the priority that only one owner at a time has, until Release: it may protect ranges, and is never
// the one that a deadlock is broken at. It waits for its turn, in the order of arrival, and returns the errors of
// Acquire.
func (t *Table) Prioritize(ctx context.Context, o *Owner) error {
	t.mu.Lock()
	w, err := t.requestLocked(ctx, o, &t.turn)
	t.mu.Unlock()
	if w == nil {
		return err
	}
	return t.await(ctx, w)
}

// Protect keeps every owner but o from locking, and by Blocked from writing, keys in [lo, hi) until Release. A nil
// bound is open. o must have priority. Protect never waits: locks of others in the range stay theirs, but these owners
// cannot commit there either. It copies lo and hi.
func (t *Table) Protect(o *Owner, lo, hi []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn.holder != o {
		panic("lock: a range is protected by an owner without priority")
	}
	t.ranges.add(lo, hi)
	t.noteLocked()
}

// Blocked returns the first of keys that an owner other than o has locked, or that is in a range which another owner
// protects. o may be nil: an owner that holds nothing. The table is locked meanwhile: keys must not call it.
func (t *Table) Blocked(o *Owner, keys iter.Seq[[]byte]) (key []byte, blocked bool) {
	if !t.Any() {
		return nil, false
	}
	return t.firstBlocked(o, keys)
}

// firstBlocked is Blocked for a table that is not empty. It is apart because what a loop over keys captures is allocated
// where its function begins, also when there is nothing to look for.
func (t *Table) firstBlocked(o *Owner, keys iter.Seq[[]byte]) (key []byte, blocked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	protected := len(t.ranges) > 0 && t.turn.holder != o
	for key := range keys {
		if l := t.locks[string(key)]; l != nil && l.holder != nil && l.holder != o {
			return key, true
		}
		if protected && t.ranges.contain(key) {
			return key, true
		}
	}
	return nil, false
}

// Span is the keys from Lo, and before Hi unless that is nil.
type Span struct{ Lo, Hi []byte }

// Holds reports whether key lies in s.
func (s Span) Holds(key []byte) bool {
	return bytes.Compare(key, s.Lo) >= 0 && compareEnd(s.Hi, key) > 0
}

// HeldByOthers returns what owners other than o have locked or protect: for whoever writes too much to ask Blocked.
func (t *Table) HeldByOthers(o *Owner) []Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	var spans []Span
	for _, l := range t.locks {
		if l.holder != nil && l.holder != o {
			spans = append(spans, Span{[]byte(l.key), append([]byte(l.key), 0)})
		}
	}
	if t.turn.holder != o {
		for _, r := range t.ranges {
			spans = append(spans, Span{bytes.Clone(r.lo), bytes.Clone(r.hi)})
		}
	}
	return spans
}

// Release gives up the locks, the ranges and the priority of o and hands each to the next in line. An owner that holds
// nothing may release; afterwards o is as good as new. It must not be called while o waits.
func (t *Table) Release(o *Owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn.holder == o && len(t.ranges) > 0 {
		t.ranges = nil
		for l := range t.contended {
			t.advanceLocked(l)
		}
		t.noteLocked()
	}
	for _, l := range o.held {
		l.holder = nil
		t.advanceLocked(l)
	}
	o.held = nil
}

// requestLocked gives l to o, or puts o in line: then it returns the wait.
func (t *Table) requestLocked(ctx context.Context, o *Owner, l *lock) (*wait, error) {
	t.numberLocked(o)
	if !t.keptLocked(o, l) {
		takeLocked(o, l)
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		t.advanceLocked(l) // it may have been added for o
		return nil, err
	}
	w := t.enqueueLocked(o, l)
	if err := t.breakCycleLocked(w); err != nil {
		t.settleLocked(w, err)
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

// keptLocked reports whether o, first in line, would have to wait for l.
func (t *Table) keptLocked(o *Owner, l *lock) bool {
	if l.holder != nil && l.holder != o {
		return true
	}
	p := t.protectorLocked(l)
	return p != nil && p != o
}

// protectorLocked returns the owner of the range that l's key is in, nil if it is in none.
func (t *Table) protectorLocked(l *lock) *Owner {
	if len(t.ranges) == 0 || l == &t.turn || !t.ranges.contain([]byte(l.key)) {
		return nil
	}
	return t.turn.holder
}

// takeLocked makes o the holder of l, which nobody else holds.
func takeLocked(o *Owner, l *lock) {
	if l.holder == o {
		return
	}
	l.holder = o
	o.held = append(o.held, l)
}

// advanceLocked hands l to the first in line if nothing keeps that one any more, and forgets a lock that nobody holds or
// waits for.
func (t *Table) advanceLocked(l *lock) {
	if len(l.queue) == 0 {
		if l.holder == nil {
			t.removeLocked(l)
		}
		return
	}
	w := l.queue[0]
	if t.keptLocked(w.owner, l) {
		return
	}
	w.took = l.holder != w.owner
	takeLocked(w.owner, l)
	t.settleLocked(w, nil)
}

// addLocked puts a free lock into the table.
func (t *Table) addLocked(key string) *lock {
	if t.locks == nil {
		t.locks = make(map[string]*lock)
	}
	l := &lock{key: key}
	t.locks[key] = l
	t.largest = max(t.largest, len(t.locks))
	t.noteLocked()
	return l
}

// removeLocked forgets a lock, and with the last one a map that has become large.
func (t *Table) removeLocked(l *lock) {
	if l == &t.turn {
		return
	}
	delete(t.locks, l.key)
	if len(t.locks) == 0 && t.largest > keptLocks {
		t.locks, t.largest = nil, 0
	}
	t.noteLocked()
}

// noteLocked lets Any know.
func (t *Table) noteLocked() { t.any.Store(len(t.locks) > 0 || len(t.ranges) > 0) }
