package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/format/span"
)

// newTable is a table with a clock.
func newTable() *Table {
	start := time.Now()
	return &Table{Now: func() time.Duration { return time.Since(start) }}
}

// limited is an owner whose calls wait only for a limited time.
func limited(d time.Duration) *Owner {
	o := NewOwner(0)
	o.Limit = d
	return o
}

// Whoever waits for a lock that was forgotten would wait for ever, or be sent to the wrong transaction.
func TestAcquire_waitsForItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, o := newTable(), owners(2)
		prioritize(t, table, o[0]).want(t, nil)
		time.Sleep(time.Second)
		table.Protect(o[0], span.Span{Lo: []byte("p")})
		acquire(t, table, o[1], "k").want(t, nil)
		for _, c := range []struct {
			key  string
			want TimeoutError
		}{
			{"k", TimeoutError{Key: []byte("k"), Age: 5 * time.Second, Waited: 5 * time.Second, Holder: "transaction 2"}},
			{"q", TimeoutError{Key: []byte("q"), Age: 11 * time.Second, Waited: 5 * time.Second, Holder: "transaction 1"}},
		} {
			var took time.Duration
			call := start(func() error {
				began := time.Now()
				err := table.Acquire(t.Context(), limited(5*time.Second), []byte(c.key))
				took = time.Since(began)
				return err
			})
			next := acquire(t, table, limited(time.Hour), c.key)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			var got *TimeoutError
			if !errors.As(call.err, &got) || took != 5*time.Second || got.Error() != c.want.Error() || string(got.Key) != c.key {
				t.Errorf("key %s: %v, want %v", c.key, call.err, &c.want)
			}
			next.wantWaiting(t)
		}
		if s := table.State(); s.Waiters != 2 || s.Oldest != 11*time.Second {
			t.Errorf("%+v", s)
		}
		table.Release(o[0])
		table.Release(o[1])
		synctest.Wait()
		if s := table.State(); s.Waiters != 0 || s.Oldest != 0 {
			t.Errorf("two locks were handed over just now: %+v", s)
		}
	})
}

// Under contention many stand in line for the priority: whoever is far behind must not fail as long as the line
// moves, and must not wait for an owner that has been forgotten.
func TestPrioritize_waitsWhilePriorityPassesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, first := newTable(), NewOwner(0)
		prioritize(t, table, first).want(t, nil)
		const each, limit = 6 * time.Second, 10 * time.Second
		var line []*Owner
		var calls []*call
		for range 5 {
			line = append(line, limited(limit))
			calls = append(calls, prioritize(t, table, line[len(line)-1]))
		}
		for i, o := range append([]*Owner{first}, line[:4]...) {
			time.Sleep(each)
			table.Release(o)
			synctest.Wait()
			calls[i].want(t, nil)
		}
		late := prioritize(t, table, limited(limit))
		time.Sleep(limit)
		synctest.Wait()
		late.want(t, ErrTimeout) // the last one was forgotten
		table.Release(line[4])
		wantEmpty(t, table)
	})
}

// An owner whose context has ended would keep others waiting, get more locks, or leave one behind when it waits.
func TestCancel_endsAnOwnerWhateverItDoes(t *testing.T) {
	errGone := errors.New("gone")
	synctest.Test(t, func(t *testing.T) {
		table, o := newTable(), owners(4)
		prioritize(t, table, o[0]).want(t, nil)
		table.Protect(o[0], span.Span{Lo: []byte("p")})
		acquire(t, table, o[0], "a").want(t, nil)
		acquire(t, table, o[1], "b").want(t, nil)
		own := acquire(t, table, o[0], "b")
		others := []*call{acquire(t, table, o[2], "a"), prioritize(t, table, o[3])}
		table.Cancel(o[0], errGone)
		synctest.Wait()
		own.want(t, errGone)
		for _, c := range others {
			c.want(t, nil)
		}
		acquire(t, table, o[0], "free").want(t, errGone)
		prioritize(t, table, o[0]).want(t, errGone)
		if table.TryAcquire(o[0], []byte("free")) {
			t.Error("an owner that has ended has got a lock")
		}
		if err := table.Protect(o[0], span.Span{}); err != errGone {
			t.Errorf("Protect: %v", err)
		}
		for _, o := range o {
			table.Release(o)
		}
		wantEmpty(t, table)
	})
}

// The end of a context meets every step of every call; a lock that is left behind then is never free again.
func TestCancel_duringEveryCall(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	table := newTable()
	var workers sync.WaitGroup
	for n := range uint64(8) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, n))
			for range 1000 {
				endInBetween(table, r, NewOwner(0))
			}
		})
	}
	workers.Wait()
	wantEmpty(t, table)
}

// endInBetween takes locks until somebody else ends it, or it ends itself.
func endInBetween(table *Table, r *rand.Rand, o *Owner) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Limit = time.Duration(1 + r.IntN(100_000))
	if r.IntN(2) == 0 {
		stop := context.AfterFunc(ctx, func() { table.Cancel(o, ctx.Err()) })
		defer stop()
	}
	if r.IntN(2) == 0 {
		yields := r.IntN(20)
		go func() {
			for range yields {
				runtime.Gosched()
			}
			cancel()
		}()
	}
	defer table.Release(o)
	if r.IntN(4) == 0 && table.Prioritize(ctx, o) == nil {
		table.Protect(o, span.Span{Lo: []byte("k1"), Hi: []byte("k3")})
	}
	for range 1 + r.IntN(5) {
		if table.Acquire(ctx, o, fmt.Append(nil, "k", r.IntN(6))) != nil {
			return
		}
		runtime.Gosched()
	}
}
