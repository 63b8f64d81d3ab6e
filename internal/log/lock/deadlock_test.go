package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"lightningdb/internal/format/span"

	"github.com/google/go-cmp/cmp"
)

// Transactions in a circle would wait for ever; whoever closes it must be told, and the others must get on.
func TestAcquire_failsWhereItWouldCloseACircle(t *testing.T) {
	for _, n := range []int{2, 3, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var table Table
				o := owners(n)
				calls := make([]*call, n)
				key := func(i int) string { return fmt.Sprint(i % n) }
				for i := range n {
					acquire(t, &table, o[i], key(i)).want(t, nil)
				}
				for i := range n {
					calls[i] = acquire(t, &table, o[i], key(i+1))
				}
				calls[n-1].want(t, ErrDeadlock)
				for i := n - 2; i >= 0; i-- {
					calls[i].wantWaiting(t)
					table.Release(o[i+1])
					synctest.Wait()
					calls[i].want(t, nil)
				}
				table.Release(o[0])
				wantEmpty(t, &table)
			})
		})
	}
}

// Who is to repair a program that deadlocks must learn which transactions wanted which keys.
func TestDeadlockError_namesTheCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		long := "\x00" + strings.Repeat("k", 40)
		first, outer, inner, last := NewOwner(0), NewOwner(7), NewOwner(7), NewOwner(0)
		prioritize(t, &table, first).want(t, nil)
		table.Protect(first, span.Span{Lo: []byte("x"), Hi: []byte("y")})
		acquire(t, &table, outer, long).want(t, nil)
		acquire(t, &table, inner, "xx").wantWaiting(t)
		acquire(t, &table, last, "m").want(t, nil)
		acquire(t, &table, first, "m").wantWaiting(t)

		c := acquire(t, &table, last, long)
		c.want(t, ErrDeadlock)
		var got *DeadlockError
		if !errors.As(c.err, &got) {
			t.Fatalf("%v is no DeadlockError", c.err)
		}
		want := []Link{
			{Waiter: 4, Obstacle: KeyLock, Key: []byte(long), Holder: 2},
			{Waiter: 3, Obstacle: ProtectedRange, Key: []byte("xx"), Holder: 1},
			{Waiter: 1, Obstacle: KeyLock, Key: []byte("m"), Holder: 4},
		}
		if diff := cmp.Diff(want, got.Cycle); diff != "" {
			t.Errorf("circle (-want +got):\n%s", diff)
		}
		text := `deadlock: transaction 4 waits for key "\x00` + long[1:32] + `"... held by 2, ` +
			`2 is in the goroutine of 3, 3 waits for key "xx" in a range protected by 1, ` +
			`1 waits for key "m" held by 4`
		if got.Error() != text {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	})
}

// The priority is waited for like a key, and an error that did not say so would send people looking for one.
func TestDeadlockError_namesThePriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		prioritize(t, &table, o[0]).want(t, nil)
		acquire(t, &table, o[1], "k").want(t, nil)
		c := prioritize(t, &table, o[1])
		own := acquire(t, &table, o[0], "k")
		c.want(t, ErrDeadlock)
		own.wantWaiting(t)
		text := `deadlock: transaction 2 waits for the priority of 1, 1 waits for key "k" held by 2`
		if c.err.Error() != text {
			t.Errorf("got  %s\nwant %s", c.err, text)
		}
	})
}

// An owner may close the circle at the lock, at the range or at the priority. The owner with priority never gives
// way.
func TestDeadlock_neverFailsTheOwnerWithPriority(t *testing.T) {
	for _, c := range []struct {
		name string
		last func(t *testing.T, table *Table, first, other *Owner) (own, others *call)
	}{
		{"priority closes the circle at a lock", func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
			others = acquire(t, table, other, "first")
			return acquire(t, table, first, "other"), others
		}},
		{"the other closes it at a lock", func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
			own = acquire(t, table, first, "other")
			return own, acquire(t, table, other, "first")
		}},
		{"priority closes it, the other waits for a range",
			func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
				table.Protect(first, span.Span{})
				others = acquire(t, table, other, "free")
				return acquire(t, table, first, "other"), others
			}},
		{"the other closes it at a range", func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
			table.Protect(first, span.Span{})
			own = acquire(t, table, first, "other")
			return own, acquire(t, table, other, "free")
		}},
		{"priority closes it, the other waits for a range around its lock",
			func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
				table.Protect(first, span.Span{})
				others = acquire(t, table, other, "other")
				return acquire(t, table, first, "other"), others
			}},
		{"the other closes it at a range around its lock",
			func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
				table.Protect(first, span.Span{})
				own = acquire(t, table, first, "other")
				return own, acquire(t, table, other, "other")
			}},
		{"priority closes it, the other waits for priority",
			func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
				others = prioritize(t, table, other)
				return acquire(t, table, first, "other"), others
			}},
		{"the other closes it at the priority", func(t *testing.T, table *Table, first, other *Owner) (own, others *call) {
			own = acquire(t, table, first, "other")
			return own, prioritize(t, table, other)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var table Table
				o := owners(2)
				prioritize(t, &table, o[0]).want(t, nil)
				acquire(t, &table, o[0], "first").want(t, nil)
				acquire(t, &table, o[1], "other").want(t, nil)
				own, others := c.last(t, &table, o[0], o[1])
				synctest.Wait()
				others.want(t, ErrDeadlock)
				own.wantWaiting(t)
				table.Release(o[1])
				synctest.Wait()
				own.want(t, nil)
				table.Release(o[0])
				wantEmpty(t, &table)
			})
		})
	}
}

// The circle may go through transactions that hold up only each other. Then the one in the way of priority gives
// way.
func TestDeadlock_failsWhomPriorityWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(3)
		prioritize(t, &table, o[0]).want(t, nil)
		for i, k := range []string{"0", "1", "2"} {
			acquire(t, &table, o[i], k).want(t, nil)
		}
		first, second := acquire(t, &table, o[1], "2"), acquire(t, &table, o[2], "0")
		own := acquire(t, &table, o[0], "1")
		first.want(t, ErrDeadlock)
		second.wantWaiting(t)
		table.Release(o[1])
		synctest.Wait()
		own.want(t, nil)
		table.Release(o[0])
		synctest.Wait()
		second.want(t, nil)
		table.Release(o[2])
		wantEmpty(t, &table)
	})
}

// A line is no circle: a wrong alarm would make transactions fail that had only to wait.
func TestAcquire_waitsBehindOthersWithoutAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(5)
		acquire(t, &table, o[0], "a").want(t, nil)
		acquire(t, &table, o[1], "b").want(t, nil)
		calls := []*call{acquire(t, &table, o[1], "a"), acquire(t, &table, o[2], "a"), acquire(t, &table, o[3], "b"),
			acquire(t, &table, o[4], "b")}
		for _, c := range calls {
			c.wantWaiting(t)
		}
		for i, c := range calls {
			table.Release(o[i])
			synctest.Wait()
			c.want(t, nil)
		}
		table.Release(o[4])
		wantEmpty(t, &table)
	})
}

// A waiter that gave up holds up nobody: whoever comes after must not be told of a circle that has gone.
func TestAcquire_seesNoCircleThroughAWaitThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		acquire(t, &table, o[0], "0").want(t, nil)
		acquire(t, &table, o[1], "1").want(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		gone := start(func() error { return table.Acquire(ctx, o[0], []byte("1")) })
		cancel()
		synctest.Wait()
		gone.want(t, context.Canceled)
		waiter := acquire(t, &table, o[1], "0")
		waiter.wantWaiting(t)
		table.Release(o[0])
		synctest.Wait()
		waiter.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}

// A transaction inside another one would wait for that, and so for itself, without any circle of locks.
func TestAcquire_refusesToWaitForItsOwnGoroutine(t *testing.T) {
	for _, c := range []struct {
		name string
		wait func(t *testing.T, table *Table, outer, inner, other *Owner) *call
	}{
		{"lock", func(t *testing.T, table *Table, outer, inner, other *Owner) *call {
			acquire(t, table, outer, "k").want(t, nil)
			return acquire(t, table, inner, "k")
		}},
		{"range", func(t *testing.T, table *Table, outer, inner, other *Owner) *call {
			prioritize(t, table, outer).want(t, nil)
			table.Protect(outer, span.Span{})
			return acquire(t, table, inner, "k")
		}},
		{"priority", func(t *testing.T, table *Table, outer, inner, other *Owner) *call {
			prioritize(t, table, outer).want(t, nil)
			return prioritize(t, table, inner)
		}},
		{"chain", func(t *testing.T, table *Table, outer, inner, other *Owner) *call {
			acquire(t, table, outer, "k").want(t, nil)
			acquire(t, table, other, "l").want(t, nil)
			acquire(t, table, other, "k").wantWaiting(t)
			return acquire(t, table, inner, "l")
		}},
		{"chain, with priority", func(t *testing.T, table *Table, outer, inner, other *Owner) *call {
			prioritize(t, table, inner).want(t, nil)
			acquire(t, table, outer, "k").want(t, nil)
			acquire(t, table, other, "l").want(t, nil)
			acquire(t, table, other, "k").wantWaiting(t)
			return acquire(t, table, inner, "l")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var table Table
				outer, inner, other := NewOwner(7), NewOwner(7), NewOwner(8)
				c.wait(t, &table, outer, inner, other).want(t, ErrNested)
				table.Release(inner)
				table.Release(outer)
				synctest.Wait()
				table.Release(other)
				wantEmpty(t, &table)
			})
		})
	}
}

// While an inner transaction waits its outer one is stuck too: a circle through it is one, and beginning the inner one
// again would close it again.
func TestAcquire_findsTheCircleThroughAnOuterTransaction(t *testing.T) {
	for _, priority := range []bool{false, true} {
		t.Run(fmt.Sprintf("priority=%v", priority), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var table Table
				outer, inner, other := NewOwner(7), NewOwner(7), NewOwner(0)
				acquire(t, &table, outer, "outer").want(t, nil)
				if priority {
					prioritize(t, &table, other).want(t, nil)
				}
				acquire(t, &table, other, "other").want(t, nil)
				nested := acquire(t, &table, inner, "other")
				nested.wantWaiting(t)
				last := acquire(t, &table, other, "outer")
				if priority {
					nested.want(t, ErrNested)
					last.wantWaiting(t)
					table.Release(outer)
					synctest.Wait()
					last.want(t, nil)
					table.Release(other)
				} else {
					last.want(t, ErrDeadlock)
					table.Release(other)
					synctest.Wait()
					nested.want(t, nil)
					table.Release(inner)
					table.Release(outer)
				}
				wantEmpty(t, &table)
			})
		})
	}
}

// Transactions of unknown goroutines must not be taken for nested ones.
func TestAcquire_knowsNothingOfGoroutineZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(2)
		acquire(t, &table, o[0], "k").want(t, nil)
		waiter := acquire(t, &table, o[1], "k")
		waiter.wantWaiting(t)
		table.Release(o[0])
		synctest.Wait()
		waiter.want(t, nil)
		table.Release(o[1])
		wantEmpty(t, &table)
	})
}
