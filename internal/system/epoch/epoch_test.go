package epoch

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the stress test; 0 draws one")

// A free under an open guard would hand a reader's memory to someone else: wrong data without any error.
func TestRetire_waitsForGuardsEnteredBefore(t *testing.T) {
	d := NewDomain()
	guards := []Guard{d.Enter()}
	freed := 0
	for i := range 5 {
		d.Retire(func() { freed++ })
		d.Collect()
		if freed != 0 {
			t.Fatalf("freed %d objects in round %d while the guard entered before is open", freed, i)
		}
		guards = append(guards, d.Enter()) // entered after the first Retire, whatever the epoch is by now
	}
	if m := d.Metrics(); m.Pending != 5 {
		t.Errorf("pending %d, want 5", m.Pending)
	}
	for _, g := range guards {
		g.Exit()
	}
	d.Collect()
	if freed != 5 || d.Metrics().Pending != 0 {
		t.Errorf("freed %d, pending %d after the last guard exited, want 5 and 0", freed, d.Metrics().Pending)
	}
}

// If readers that come later held frees up, a busy database would never reuse memory.
func TestRetire_doesNotWaitForGuardsEnteredLater(t *testing.T) {
	d := NewDomain()
	freed := make([]bool, 20)
	open := d.Enter()
	for i := range freed {
		d.Retire(func() { freed[i] = true })
		next := d.Enter() // there is a guard open at every moment
		open.Exit()
		open = next
		d.Collect()
	}
	for i := range len(freed) - 3 {
		if !freed[i] {
			t.Errorf("object %d is not freed although all guards open at its Retire have exited", i)
		}
	}
	open.Exit()
}

// A reader that loaded the epoch long ago and counts itself on a stale parity must be waited for all the same.
func TestRetire_waitsForLateReader(t *testing.T) {
	for lag := range uint64(4) {
		d := NewDomain()
		for d.epoch.Load() < 8 {
			d.Retire(func() {})
		}
		late := Guard{count: &d.shards[0].guards[(8-lag)&1]}
		late.count.Add(1)
		freed := false
		d.Retire(func() { freed = true })
		for range 4 {
			d.Collect()
		}
		if freed {
			t.Errorf("freed under a guard that counted itself %d epochs late", lag)
		}
		late.Exit()
		d.Collect()
		if !freed {
			t.Errorf("not freed after the guard that was %d epochs late exited", lag)
		}
	}
}

// A writer that unmaps in a free function what an earlier one still uses relies on the order.
func TestRetire_freesInOrder(t *testing.T) {
	d := NewDomain()
	var got, want []int
	g := d.Enter()
	for i := range 100 {
		if i%7 == 0 {
			g.Exit()
			g = d.Enter()
		}
		d.Retire(func() {
			got = append(got, i)
			if i%10 == 0 {
				d.Retire(func() {}) // allowed inside a free function
			}
		})
		want = append(want, i)
	}
	g.Exit()
	d.Drain()
	if !slices.Equal(got, want) {
		t.Errorf("freed in order %v", got)
	}
}

// A Drain that came back early would let Close unmap memory that a reader is in.
func TestDrain_waitsForGuardAndFreesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDomain()
		g := d.Enter()
		freed, drained := 0, false
		for range 10 {
			d.Retire(func() { freed++ })
		}
		go func() {
			d.Drain()
			drained = true
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if freed != 0 || drained {
			t.Fatalf("freed %d, drained %v while the guard is open", freed, drained)
		}
		g.Exit()
		time.Sleep(time.Second)
		synctest.Wait()
		if freed != 10 || !drained {
			t.Errorf("freed %d, drained %v after the guard exited", freed, drained)
		}
	})
}

// object is what readers and writers of the stress test share; a freed one is poisoned by a plain write, which the
// race detector reports if a reader is there at the time.
type object struct{ state int }

const poison = -1

// Under load every interleaving of Enter, advance and free gets its turn; a reader that meets poison would have been
// a read of recycled memory.
func TestDomain_readersNeverMeetFreedObjects(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	d := NewDomain()
	var slots [4]atomic.Pointer[object]
	for i := range slots {
		slots[i].Store(&object{state: i})
	}
	var readers, writers sync.WaitGroup
	var stop atomic.Bool
	for n := range uint64(4) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(seed, n))
			for !stop.Load() {
				readAll(t, d, slots[:], r)
			}
		})
	}
	for n := range uint64(2) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(seed, 4+n))
			for range 5000 {
				i := r.IntN(len(slots))
				old := slots[i].Swap(&object{state: i})
				d.Retire(func() { old.state = poison })
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	d.Drain()
	if m := d.Metrics(); m.Pending != 0 || m.Epoch < 3 {
		t.Errorf("after Drain: %+v, want nothing pending and an epoch that moved", m)
	}
}

// readAll holds each object across a reschedule and looks twice.
func readAll(t *testing.T, d *Domain, slots []atomic.Pointer[object], r *rand.Rand) {
	for i := range slots {
		g := d.Enter()
		o := slots[i].Load()
		before := o.state
		if r.IntN(4) == 0 {
			runtime.Gosched()
		}
		if before != i || o.state != i {
			t.Errorf("object %d reads %d, then %d inside a guard", i, before, o.state)
		}
		g.Exit()
	}
}

// Every read of the database enters a guard: an allocation here would be one for each Get.
func TestEnter_allocatesNothing(t *testing.T) {
	d := NewDomain()
	if n := testing.AllocsPerRun(1000, func() { d.Enter().Exit() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Readers that share a shard share a cache line, and two cores would then slow each other tenfold.
func TestEnter_spreadsGoroutinesOverShards(t *testing.T) {
	d := NewDomain()
	const goroutines = 64
	var inside, out sync.WaitGroup
	release := make(chan struct{})
	inside.Add(goroutines)
	for range goroutines {
		out.Go(func() {
			g := d.Enter()
			inside.Done()
			<-release
			g.Exit()
		})
	}
	inside.Wait()
	used, most := 0, int64(0)
	for i := range d.shards {
		if n := int64(uint32(d.shards[i].guards[0].Load())); n > 0 {
			used, most = used+1, max(most, n)
		}
	}
	close(release)
	out.Wait()
	if used < len(d.shards)/4 || most > goroutines/4 {
		t.Errorf("%d goroutines use %d of %d shards, up to %d on one", goroutines, used, len(d.shards), most)
	}
}

func BenchmarkEnterExit(b *testing.B) {
	d := NewDomain()
	for b.Loop() {
		d.Enter().Exit()
	}
}

func BenchmarkEnterExitParallel(b *testing.B) {
	d := NewDomain()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d.Enter().Exit()
		}
	})
}

func BenchmarkRetire(b *testing.B) {
	d := NewDomain()
	b.ReportAllocs()
	for b.Loop() {
		d.Retire(func() {})
	}
}
