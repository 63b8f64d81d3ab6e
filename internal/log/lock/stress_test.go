package lock

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/span"
)

var seed = flag.Uint64("seed", 0, "seed of the stress test; 0 takes the time")

// stress is a table and an oracle that knows who holds each key.
type stress struct {
	*testing.T
	table     Table
	holders   [12]atomic.Pointer[Owner]
	priority  atomic.Pointer[Owner]
	deadlocks atomic.Int64
	canceled  atomic.Int64
}

// Real schedules find what single steps cannot: a handover at the moment when a context ends, a wake-up that is
// lost. A hang is reported by the time limit of the test.
func TestTable_survivesStress(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	s := &stress{T: t}
	var workers sync.WaitGroup
	for n := range uint64(16) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(*seed, n))
			for range 400 {
				s.transaction(r, NewOwner(uintptr(n+1)))
			}
		})
	}
	workers.Wait()
	wantEmpty(t, &s.table)
	t.Logf("%d deadlocks, %d ended contexts", s.deadlocks.Load(), s.canceled.Load())
	if s.deadlocks.Load() == 0 || s.canceled.Load() == 0 {
		t.Error("nothing was put to the test")
	}
}

// transaction takes some locks, one of them again, and releases them all.
func (s *stress) transaction(r *rand.Rand, o *Owner) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.IntN(4) == 0 {
		go cancel()
	}
	var mine []int
	defer func() {
		s.vacate(o, mine)
		s.table.Release(o)
		s.table.Release(o)
	}()
	if r.IntN(8) == 0 && !s.prioritize(ctx, o, r) {
		return
	}
	for range 1 + r.IntN(5) {
		i := r.IntN(len(s.holders))
		if !s.ended(s.table.Acquire(ctx, o, key(i)), o) {
			return
		}
		if before := s.holders[i].Swap(o); before != nil && before != o {
			s.Errorf("two owners have key %d", i)
		} else if before == nil {
			mine = append(mine, i)
		}
		runtime.Gosched() // with the locks: on few cores transactions would run one after the other
	}
}

// prioritize makes o the owner with priority, and lets it protect a range. It reports whether o is to go on.
func (s *stress) prioritize(ctx context.Context, o *Owner, r *rand.Rand) bool {
	if !s.ended(s.table.Prioritize(ctx, o), o) {
		return false
	}
	if !s.priority.CompareAndSwap(nil, o) {
		s.Error("two owners have priority")
	}
	lo := r.IntN(len(s.holders))
	s.table.Protect(o, span.Span{Lo: key(lo), Hi: key(lo + 1 + r.IntN(4))})
	return true
}

// vacate tells the oracle that o is about to release.
func (s *stress) vacate(o *Owner, mine []int) {
	s.priority.CompareAndSwap(o, nil)
	for _, i := range mine {
		if !s.holders[i].CompareAndSwap(o, nil) {
			s.Errorf("another owner came to have key %d before its release", i)
		}
	}
}

// ended checks the outcome of a call and reports whether it succeeded.
func (s *stress) ended(err error, o *Owner) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrDeadlock):
		s.deadlocks.Add(1)
		if s.priority.Load() == o {
			s.Errorf("the owner with priority is told of a %v", err)
		}
	case err == context.Canceled:
		s.canceled.Add(1)
	default:
		s.Error(err)
	}
	return false
}

// key is the i-th key, in order.
func key(i int) []byte { return fmt.Appendf(nil, "%02d", i) }
