package lock

import (
	"context"
	"testing"
	"testing/synctest"

	"lightningdb/internal/format/span"
)

// Two owners with priority could deadlock with no one left to give way.
func TestPrioritize_servesOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(4)
		prioritize(t, &table, o[0]).want(t, nil)
		prioritize(t, &table, o[0]).want(t, nil) // it has it already
		first := prioritize(t, &table, o[1])
		ctx, cancel := context.WithCancel(t.Context())
		second := start(func() error { return table.Prioritize(ctx, o[2]) })
		third := prioritize(t, &table, o[3])
		cancel()
		synctest.Wait()
		second.want(t, context.Canceled)
		first.wantWaiting(t)
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

// A transaction that keeps losing would lose once more if others could write what it has read.
func TestProtect_keepsOthersOutUntilRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(3)
		prioritize(t, &table, o[0]).want(t, nil)
		table.Protect(o[0], span.Span{Lo: []byte("b"), Hi: []byte("d")})
		table.Protect(o[0], span.Span{Lo: []byte("x")})
		acquire(t, &table, o[1], "a").want(t, nil)
		acquire(t, &table, o[1], "d").want(t, nil)
		acquire(t, &table, o[0], "c").want(t, nil)
		free, held := acquire(t, &table, o[1], "b"), acquire(t, &table, o[2], "c")
		free.wantWaiting(t)
		held.wantWaiting(t)
		if !blocked(&table, o[1], "y") || blocked(&table, o[0], "y") {
			t.Error("the range beyond x is blocked for the wrong owner")
		}
		table.Release(o[0])
		synctest.Wait()
		free.want(t, nil)
		held.want(t, nil)
		table.Release(o[1])
		table.Release(o[2])
		wantEmpty(t, &table)
	})
}

// If an owner got its own lock back although it cannot commit there, it would try for ever without waiting.
func TestAcquire_waitsForTheRangeAroundItsOwnLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(3)
		acquire(t, &table, o[1], "k").want(t, nil)
		behind := acquire(t, &table, o[2], "k")
		prioritize(t, &table, o[0]).want(t, nil)
		table.Protect(o[0], span.Span{})
		if !blocked(&table, o[1], "k") || !blocked(&table, o[0], "k") {
			t.Error("a commit passes a range or a lock of another owner")
		}
		again := acquire(t, &table, o[1], "k")
		again.wantWaiting(t)
		table.Release(o[0])
		synctest.Wait()
		again.want(t, nil)
		behind.wantWaiting(t)
		table.Release(o[1])
		synctest.Wait()
		behind.want(t, nil)
		table.Release(o[2])
		wantEmpty(t, &table)
	})
}

// Behind those that wait for its own range, an owner would wait for itself: a deadlock that nobody made.
func TestAcquire_goesAheadOfThoseThatItsRangeKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table Table
		o := owners(4)
		acquire(t, &table, o[1], "held").want(t, nil)
		prioritize(t, &table, o[0]).want(t, nil)
		table.Protect(o[0], span.Span{})
		free, line := acquire(t, &table, o[2], "free"), acquire(t, &table, o[3], "held")
		acquire(t, &table, o[0], "free").want(t, nil)
		ahead := acquire(t, &table, o[0], "held")
		ahead.wantWaiting(t)
		table.Release(o[1])
		synctest.Wait()
		ahead.want(t, nil)
		free.wantWaiting(t)
		line.wantWaiting(t)
		table.Release(o[0])
		synctest.Wait()
		free.want(t, nil)
		line.want(t, nil)
		table.Release(o[2])
		table.Release(o[3])
		wantEmpty(t, &table)
	})
}

// A range of an owner without priority has nobody who would give way to it.
func TestProtect_needsPriority(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("protected a range without priority")
		}
	}()
	new(Table).Protect(NewOwner(0), span.Span{})
}
