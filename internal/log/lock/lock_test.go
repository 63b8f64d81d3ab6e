package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"lightningdb/internal/format/span"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one call of the table in a goroutine of its own.
type call struct {
	returned bool
	err      error
}

// start runs fn until it returns or waits. The caller is in a bubble of synctest.
func start(fn func() error) *call {
	c := new(call)
	go func() {
		c.err = fn()
		c.returned = true
	}()
	synctest.Wait()
	return c
}

// acquire starts an Acquire that ends with the test at the latest.
func acquire(t *testing.T, table *Table, o *Owner, key string) *call {
	return start(func() error { return table.Acquire(t.Context(), o, []byte(key)) })
}

// prioritize starts a Prioritize that ends with the test at the latest.
func prioritize(t *testing.T, table *Table, o *Owner) *call {
	return start(func() error { return table.Prioritize(t.Context(), o) })
}

func (c *call) wantWaiting(t *testing.T) {
	t.Helper()
	if c.returned {
		t.Fatalf("returned %v, should wait", c.err)
	}
}

func (c *call) want(t *testing.T, err error) {
	t.Helper()
	if !c.returned {
		t.Fatalf("waits, should have returned %v", err)
	}
	if !errors.Is(c.err, err) {
		t.Fatalf("returned %v, want %v", c.err, err)
	}
}

// owners returns n owners of unknown goroutines.
func owners(n int) []*Owner {
	all := make([]*Owner, n)
	for i := range all {
		all[i] = NewOwner(0)
	}
	return all
}

// blocked asks for one key.
func blocked(table *Table, o *Owner, key string) bool {
	_, blocked := table.Blocked(o, slices.Values([][]byte{[]byte(key)}))
	return blocked
}

// wantEmpty fails the test if anything is left in the table.
func wantEmpty(t *testing.T, table *Table) {
	t.Helper()
	if err := invariants(table); err != nil {
		t.Error(err)
	}
	left := len(table.locks) + len(table.ranges) + len(table.contended) + len(table.stuck) + len(table.priority.queue) +
		table.waiters
	if left != 0 || table.oldest != nil || table.youngest != nil || table.priority.holder != nil || table.Any() {
		t.Errorf("%d locks, ranges or waits are left, priority of %v, Any is %v", left, table.priority.holder, table.Any())
	}
}

// invariants compares the table with the invariants at its types.
func invariants(table *Table) error {
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.Any() != (len(table.locks)+len(table.ranges) > 0) {
		return fmt.Errorf("Any is %v with %d locks and %d ranges", table.Any(), len(table.locks), len(table.ranges))
	}
	for key, l := range table.locks {
		if l.key != key {
			return fmt.Errorf("the lock of %q is found under %q", l.key, key)
		}
		if err := lockInvariantsLocked(table, l); err != nil {
			return err
		}
	}
	for l := range table.contended {
		if len(l.queue) == 0 {
			return fmt.Errorf("%q is contended, and nobody waits", l.key)
		}
	}
	holders := make(map[*Owner]bool)
	for o := table.oldest; o != nil; o = o.younger {
		if holders[o] = true; len(o.held) == 0 || o.younger == nil && o != table.youngest {
			return fmt.Errorf("the list of holders is broken at owner %d, who holds %d", o.number, len(o.held))
		}
	}
	for _, l := range table.locks {
		if l.holder != nil && !holders[l.holder] {
			return fmt.Errorf("the holder of %q is not in the list of holders", l.key)
		}
	}
	return lockInvariantsLocked(table, &table.priority)
}

func lockInvariantsLocked(table *Table, l *lock) error {
	if l.holder == nil && len(l.queue) == 0 && l != &table.priority {
		return fmt.Errorf("%q is kept for nobody", l.key)
	}
	if l.holder != nil && !slices.Contains(l.holder.held, l) {
		return fmt.Errorf("the holder of %q does not know of it", l.key)
	}
	if _, listed := table.contended[l]; listed != (len(l.queue) > 0) {
		return fmt.Errorf("%q has %d waiters, and contended says %v", l.key, len(l.queue), listed)
	}
	for i, w := range l.queue {
		if w.owner.wait != w || w.lock != l {
			return fmt.Errorf("waiter %d of %q waits elsewhere", i, l.key)
		}
		if !table.mustWaitLocked(w.owner, l) {
			return fmt.Errorf("nothing keeps waiter %d of %q but the line", i, l.key)
		}
	}
	return nil
}

// Two holders of one key would both write it: one of the two writes is lost.
func TestAcquire_excludesOthersUntilRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		acquire(t, &table, o[0], "k").want(t, nil)
		acquire(t, &table, o[1], "other").want(t, nil)
		second := acquire(t, &table, o[1], "k")
		second.wantWaiting(t)
		table.Release(o[0])
		synctest.Wait()
		second.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}

// A transaction that waits for itself would wait for ever.
func TestAcquire_isReentrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		for range 3 {
			acquire(t, &table, o[0], "k").want(t, nil)
		}
		waiter := acquire(t, &table, o[1], "k")
		acquire(t, &table, o[0], "k").want(t, nil) // also with others in line
		if len(o[0].held) != 1 {
			t.Errorf("the lock is noted %d times", len(o[0].held))
		}
		table.Release(o[0])
		synctest.Wait()
		waiter.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}

// If a lock could be snatched from those in line, an unlucky transaction would never get it.
func TestAcquire_servesInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		var table Table
		o := owners(n)
		calls := make([]*call, n)
		for i := range n {
			calls[i] = acquire(t, &table, o[i], "k")
		}
		for i := range n {
			for j := range n {
				if calls[j].returned != (j <= i) {
					t.Fatalf("after %d releases, has owner %d the lock: %v", i, j, calls[j].returned)
				}
			}
			table.Release(o[i])
			late := NewOwner(0)
			if i < n-1 && start(func() error { return table.Acquire(canceled(), late, []byte("k")) }).err == nil {
				t.Fatalf("a late owner went ahead of owner %d", i+1)
			}
			synctest.Wait()
		}
		wantEmpty(t, &table)
	})
}

// canceled returns a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// The table would lock another key than asked for if it kept the caller's bytes.
func TestTable_copiesKeysAndBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o, key, lo, hi := NewOwner(0), []byte("k"), []byte("p"), []byte("q")
		start(func() error { return table.Acquire(t.Context(), o, key) }).want(t, nil)
		prioritize(t, &table, o).want(t, nil)
		table.Protect(o, span.Span{Lo: lo, Hi: hi})
		key[0], lo[0], hi[0] = 'x', 'x', 'z'
		for _, k := range []string{"k", "p", "pp"} {
			if !blocked(&table, nil, k) {
				t.Errorf("%q is not blocked", k)
			}
		}
		if blocked(&table, nil, "x") || blocked(&table, nil, "y") {
			t.Error("the caller's bytes lock a key")
		}
		table.Release(o)
		wantEmpty(t, &table)
	})
}

// A commit over somebody's lock makes the holder's transaction fail, which the lock was to prevent.
func TestBlocked_namesTheFirstKeyOfAnotherOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(3)
		acquire(t, &table, o[0], "a").want(t, nil)
		acquire(t, &table, o[1], "b").want(t, nil)
		prioritize(t, &table, o[2]).want(t, nil)
		table.Protect(o[2], span.Span{Lo: []byte("m"), Hi: []byte("p")})
		keys := [][]byte{[]byte("-"), []byte("b"), []byte("a"), []byte("m"), []byte("p")}
		for _, c := range []struct {
			owner *Owner
			keys  [][]byte
			want  string
		}{
			{nil, keys, "b"},
			{o[0], keys, "b"},
			{o[1], keys, "a"},
			{o[1], keys[3:], "m"},
			{o[2], keys, "b"},
			{o[2], keys[3:], ""},
			{nil, keys[4:], ""},
			{nil, nil, ""},
		} {
			got, blocked := table.Blocked(c.owner, slices.Values(c.keys))
			if string(got) != c.want || blocked != (c.want != "") {
				t.Errorf("%q: got %q, %v, want %q", c.keys, got, blocked, c.want)
			}
		}
		for _, o := range o {
			table.Release(o)
		}
		wantEmpty(t, &table)
	})
}

// A range would be deleted together with a key that another transaction has locked, and that fails.
func TestBlockedIn_namesTheFirstKeyOfAnotherOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(3)
		acquire(t, &table, o[0], "").want(t, nil)
		acquire(t, &table, o[0], "b").want(t, nil)
		acquire(t, &table, o[1], "a").want(t, nil)
		prioritize(t, &table, o[2]).want(t, nil)
		table.Protect(o[2], span.Span{Lo: []byte("m"), Hi: []byte("p")})
		waiter := acquire(t, &table, o[1], "n")
		waiter.wantWaiting(t)
		for _, c := range []struct {
			owner  *Owner
			lo, hi string
			want   string
		}{
			{nil, "", "", ""},
			{o[0], "", "", "a"},
			{o[1], "", "", ""},
			{o[1], "a", "", "b"},
			{o[1], "b\x00", "z", "m"},
			{o[1], "n", "z", "n"},
			{o[2], "a\x00", "z", "b"},
			{o[2], "c", "z", "none"},
			{o[0], "b", "m", "none"},
			{o[0], "p", "z", "none"},
		} {
			s := span.Span{Lo: []byte(c.lo), Hi: []byte(c.hi)}
			if c.hi == "" {
				s.Hi = nil
			}
			got, blocked := table.BlockedIn(c.owner, span.Set{s})
			if blocked != (c.want != "none") || blocked && string(got) != c.want {
				t.Errorf("%q: got %q, %v, want %q", s, got, blocked, c.want)
			}
		}
		if key, blocked := table.BlockedIn(nil, nil); blocked {
			t.Errorf("%q is in no range", key)
		}
		for _, o := range []*Owner{o[2], o[0], o[1]} {
			table.Release(o)
			synctest.Wait()
		}
		waiter.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}

// A lock that is free and waits for a range to end must not look like a held one to the range's owner.
func TestBlocked_doesNotCountThoseInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		prioritize(t, &table, o[0]).want(t, nil)
		table.Protect(o[0], span.Span{})
		waiter := acquire(t, &table, o[1], "k")
		waiter.wantWaiting(t)
		if blocked(&table, o[0], "k") {
			t.Error("a waiter blocks the one it waits for")
		}
		table.Release(o[0])
		synctest.Wait()
		waiter.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}

// Every commit asks: a yes that stays would cost each of them a mutex, a wrong no would let it through a lock.
func TestAny_followsLocksAndRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := NewOwner(0)
		expect := func(when string, want bool) {
			if table.Any() != want {
				t.Errorf("%s: Any is %v", when, !want)
			}
		}
		expect("empty", false)
		acquire(t, &table, o, "k").want(t, nil)
		expect("with a lock", true)
		table.Release(o)
		expect("after the lock", false)
		prioritize(t, &table, o).want(t, nil)
		expect("with priority alone", false)
		table.Protect(o, span.Span{Lo: []byte("b"), Hi: []byte("a")})
		expect("with an empty range", false)
		table.Protect(o, span.Span{Lo: []byte("a"), Hi: []byte("b")})
		expect("with a range", true)
		table.Release(o)
		expect("after the range", false)
		wantEmpty(t, &table)
	})
}

// Release runs on every path out of a transaction, also on those where it ran already.
func TestRelease_mayBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		table.Release(o[0]) // has never held anything
		acquire(t, &table, o[0], "k").want(t, nil)
		table.Release(o[0])
		acquire(t, &table, o[1], "k").want(t, nil)
		table.Release(o[0]) // must not give away what is another's now
		if !blocked(&table, o[0], "k") {
			t.Error("the second Release took the lock from its new holder")
		}
		table.Release(o[1])
		acquire(t, &table, o[0], "k").want(t, nil)
		table.Release(o[0])
		wantEmpty(t, &table)
	})
}

// A transaction over a million keys would leave their memory behind for good.
func TestRelease_givesMemoryBack(t *testing.T) {
	var table Table
	o := NewOwner(0)
	for i := range keptLocks + 1 {
		if err := table.Acquire(t.Context(), o, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	table.Release(o)
	if table.locks != nil || o.held != nil {
		t.Errorf("kept a map for %d locks, and a list of %d", table.largest, cap(o.held))
	}
}

// A caller that gave up would keep its place, and everybody behind it would wait for nobody.
func TestAcquire_leavesTheLineWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(4)
		acquire(t, &table, o[0], "k").want(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := acquire(t, &table, o[1], "k")
		second := start(func() error { return table.Acquire(ctx, o[2], []byte("k")) })
		third := acquire(t, &table, o[3], "k")
		cancel()
		synctest.Wait()
		second.want(t, context.Canceled)
		first.wantWaiting(t)
		third.wantWaiting(t)
		start(func() error { return table.Acquire(ctx, o[2], []byte("k")) }).want(t, context.Canceled)
		table.Release(o[0])
		synctest.Wait()
		first.want(t, nil)
		third.wantWaiting(t)
		table.Release(o[1])
		synctest.Wait()
		third.want(t, nil)
		table.Release(o[3])
		wantEmpty(t, &table)
	})
}

// A context that has ended refuses to wait, and leaves nothing in the table.
func TestAcquire_doesNotWaitWithAnEndedContext(t *testing.T) {
	var table Table
	o := owners(2)
	if err := errors.Join(table.Prioritize(canceled(), o[0]), table.Acquire(canceled(), o[0], []byte("a"))); err != nil {
		t.Fatalf("without waiting: %v", err)
	}
	table.Protect(o[0], span.Span{Lo: []byte("m")})
	for _, k := range []string{"a", "m"} {
		if err := table.Acquire(canceled(), o[1], []byte(k)); !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v", k, err)
		}
	}
	if err := table.Prioritize(canceled(), o[1]); !errors.Is(err, context.Canceled) {
		t.Errorf("priority: %v", err)
	}
	if err := invariants(&table); err != nil {
		t.Error(err)
	}
	table.Release(o[0])
	wantEmpty(t, &table)
}

// A lock that is handed to a caller at the moment it gives up would belong to nobody, for ever.
func TestAbandon_passesOnWhatWasHandedOver(t *testing.T) {
	for _, name := range []string{"key", "priority"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var table Table
				o := owners(3)
				get := func(o *Owner) *call {
					if name == "key" {
						return acquire(t, &table, o, "k")
					}
					return prioritize(t, &table, o)
				}
				acquire(t, &table, o[1], "mine").want(t, nil)
				get(o[0]).want(t, nil)
				get(o[1]).wantWaiting(t)
				w := o[1].wait
				last := get(o[2])
				table.Release(o[0]) // hands over to o[1] ...
				table.abandon(w, context.Canceled)
				synctest.Wait()
				last.want(t, nil)
				if len(o[1].held) != 1 || !blocked(&table, nil, "mine") {
					t.Errorf("o[1] has %d locks, should have what it had before", len(o[1].held))
				}
				table.Release(o[1])
				table.Release(o[2])
				wantEmpty(t, &table)
			})
		})
	}
}

// An owner that gives up waiting for a range around its own lock keeps that lock, however late the range ends.
func TestAbandon_keepsWhatWasHeldBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		acquire(t, &table, o[0], "k").want(t, nil)
		prioritize(t, &table, o[1]).want(t, nil)
		table.Protect(o[1], span.Span{})
		again := acquire(t, &table, o[0], "k")
		again.wantWaiting(t)
		w := o[0].wait
		table.Release(o[1])
		table.abandon(w, context.Canceled)
		if !blocked(&table, o[1], "k") {
			t.Error("the lock is gone")
		}
		table.Release(o[0])
		wantEmpty(t, &table)
	})
}

// Nearly all locks are taken by TryAcquire. If it took what another holds or protects, two would have the same key.
func TestTryAcquire_takesOnlyWhatIsFree(t *testing.T) {
	var table Table
	o, other := NewOwner(0), NewOwner(0)
	k := []byte("k")
	for _, which := range []string{"free", "its own"} {
		if !table.TryAcquire(o, k) {
			t.Fatalf("a lock that is %s was not taken", which)
		}
	}
	if table.TryAcquire(other, k) {
		t.Fatal("another's lock was taken")
	}
	if _, blocked := table.Blocked(other, slices.Values([][]byte{k})); !blocked {
		t.Error("the lock does not block others")
	}
	table.Release(o)
	if table.Any() {
		t.Error("a released lock is held")
	}
	if err := table.Prioritize(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	table.Protect(o, span.Span{Lo: []byte("a"), Hi: []byte("z")})
	if table.TryAcquire(other, k) {
		t.Error("a key in another's range was locked")
	}
	if !table.TryAcquire(o, k) || !table.TryAcquire(other, []byte("z")) {
		t.Error("a key in its own range, or outside of another's, was not locked")
	}
	table.Release(o)
	table.Release(other)
	if table.Any() {
		t.Error("released locks are held")
	}
}
