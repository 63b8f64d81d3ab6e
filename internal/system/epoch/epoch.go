// Package epoch says when memory that readers may still be looking at can be used again. Readers take no lock: they
// enter a Guard, follow atomic pointers, and exit. A writer first makes an object unreachable, then retires it. The
// object's free function runs once every guard that was open at that moment has exited.
//
// The package owns the counting of readers and the queue of retired objects. It does not own the objects and starts
// no goroutine: free functions run in whichever goroutine calls Retire, Collect or Drain. Everything is safe for
// concurrent use.
//
//	g := d.Enter()
//	use(shared.Load())
//	g.Exit()
//
//	old := shared.Swap(next)               // unreachable for guards entered from now on
//	d.Retire(func() { recycle(old) })      // runs when those entered before have exited
package epoch

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/system/goroutine"
)

const (
	// cacheLineBytes keeps apart what different cores write: two cache lines, because processors fetch lines in
	// pairs.
	cacheLineBytes = 128

	// The number of shards is a power of two, at least 4 for each core, within these limits: few enough that a scan
	// of all of them takes about a microsecond, and enough for two readers seldom to share one.
	minShards = 32
	maxShards = 512
)

// shard counts the guards of the goroutines that hash to it, separately for each parity of the epoch they loaded.
// The lower half of a counter is the number of guards that are open on it. It is never negative, because a guard
// leaves the very counter that it entered. The upper half is how many were ever entered there, for Tick.
type shard struct {
	guards [2]atomic.Uint64
	_      [cacheLineBytes - 16]byte
}

const (
	enterDelta = 1<<32 + 1
	exitDelta  = ^uint64(0) // -1
)

// Domain is a set of readers and the objects retired from their view. Make it with NewDomain.
//
// # Why nothing is freed too early
//
// A guard counts itself in guards[e&1] of its shard, where e is the epoch it loaded. The epoch goes from e to e+1
// only after a scan saw guards[(e+1)&1] of every shard at zero. Retire notes the epoch r, and what was retired at r
// is freed when the epoch is r+2. Retire's note and each scan with its advance are made under one mutex, so:
//
//	(1) the scans that led from r to r+1 and from r+1 to r+2 both began after Retire noted r;
//	(2) one of them looked at parity (r+1)&1 and the other at r&1: together at every counter of every shard.
//
// Take a guard that could reach the object. Its count was added before the object was made unreachable: all steps are
// sequentially consistent atomics, so a guard counted later finds the object gone. The count was therefore added
// before Retire, and by (1) before both scans. Were the guard still open, the counter it sits on would be at least
// one when, by (2), a scan saw it at zero. So the guard has exited.
//
// Nowhere does this ask which epoch the guard loaded. A late reader, which loads e, is delayed, and counts itself
// when the epoch has moved on, sits on a counter of stale parity; the argument holds on either. Without the shared
// mutex it would not: a scan that was under way while Retire noted r could have passed the late reader's shard
// before the reader counted itself, and the counter it sits on would not be looked at again before r+2.
//
// # Why freeing is not put off for ever
//
// Parities are for progress only. Guards entered at epoch e add to parity e&1 while the scan waits for the other, so
// a steady stream of short guards never holds the epoch up; only a guard that stays open does.
type Domain struct {
	epoch  atomic.Uint64 // loaded by every Enter; stored only under mu
	shards []shard
	shift  uint // 64 - log2(len(shards))

	_ [cacheLineBytes]byte // the fields below are written by Retire, which must not slow Enter

	mu      sync.Mutex
	limbo   [3][]func() // limbo[r%3]: retired at epoch r, for the current epoch and the one before
	due     []func()    // may be called, oldest first
	spare   []func()    // an empty slice that takes the place of due
	running bool        // a goroutine is calling free functions, and will call those that become due meanwhile
	retired uint64      // the number of calls of Retire
	ripe    uint64      // how many of these have moved from limbo to due
	freed   uint64      // for how many of these the free function has returned; freed <= ripe <= retired
}

// Guard keeps whatever was reachable when it was entered from being freed. It belongs to the caller of Enter, is
// passed by value, and is exited exactly once, by any goroutine.
type Guard struct {
	count *atomic.Uint64
	tick  uint32
}

// Metrics describes a domain at one moment.
type Metrics struct {
	Epoch   uint64 // how often the domain has advanced
	Pending uint64 // objects that are retired and not freed yet
}

// NewDomain returns a domain without readers. The number of its shards depends on the present GOMAXPROCS.
func NewDomain() *Domain {
	want := min(max(4*runtime.GOMAXPROCS(0), minShards), maxShards)
	log := bits.Len(uint(want - 1))
	return &Domain{shards: make([]shard, 1<<log), shift: uint(64 - log)}
}

// Enter opens a guard. It never waits, allocates nothing, and writes only to a cache line that other cores rarely
// use. Guards nest. A guard may be held during one read of a file; a longer one does no harm but delays frees.
func (d *Domain) Enter() Guard {
	count := &d.shards[goroutine.StackHash()>>d.shift].guards[d.epoch.Load()&1]
	return Guard{count: count, tick: uint32(count.Add(enterDelta) >> 32)}
}

// Tick is a number that grows from guard to guard of one goroutine, by one as long as no other goroutine shares its
// counter. It serves as a die that costs nothing to roll.
func (g Guard) Tick() uint32 { return g.tick }

// Exit closes the guard: bytes obtained under it are no longer valid.
func (g Guard) Exit() { g.count.Add(exitDelta) }

// Retire calls free once every guard that is open now has exited. The caller has already made the object unreachable
// by an atomic store. Free functions run one at a time, in the order of Retire. Retire does not wait for readers,
// but it may run functions that have become due, its own among them.
//
// A free function may call Retire, but not Drain. It must be short, because it may run inside the guard of an
// unrelated reader, whom it delays.
func (d *Domain) Retire(free func()) {
	d.mu.Lock()
	list := &d.limbo[d.epoch.Load()%3]
	*list = append(*list, free)
	d.retired++
	d.mu.Unlock()
	d.Collect()
}

// Collect calls the free functions that are due. If another goroutine is busy with that, it leaves the work to it.
func (d *Domain) Collect() {
	d.mu.Lock()
	d.advanceLocked()
	if !d.running {
		d.running = true
		for len(d.due) > 0 {
			d.freeDueLocked()
		}
		d.running = false
	}
	d.mu.Unlock()
}

// freeDueLocked calls the functions that are due. It releases the mutex meanwhile.
func (d *Domain) freeDueLocked() {
	batch := d.due
	d.due = d.spare
	d.mu.Unlock()
	for _, free := range batch {
		free()
	}
	clear(batch)
	d.mu.Lock()
	d.spare = batch[:0]
	d.freed += uint64(len(batch))
}

// advanceLocked moves the epoch by at most the two steps that make everything in limbo due.
func (d *Domain) advanceLocked() {
	for range 2 {
		e := d.epoch.Load()
		if d.ripe == d.retired || !d.quietLocked((e+1)&1) {
			return
		}
		d.epoch.Store(e + 1)
		list := &d.limbo[(e+2)%3] // the epoch is e+1 now; what was retired at e-1 is due, and (e+2)%3 == (e-1)%3
		d.due = append(d.due, *list...)
		d.ripe += uint64(len(*list))
		clear(*list)
		*list = (*list)[:0]
	}
}

// quietLocked reports whether it has seen every counter of the parity at zero.
func (d *Domain) quietLocked(parity uint64) bool {
	for i := range d.shards {
		if uint32(d.shards[i].guards[parity].Load()) != 0 {
			return false
		}
	}
	return true
}

// Drain returns when everything that was retired before the call has been freed. It waits for the guards that are
// open, so it must not be called inside one. Readers do not announce their exit, so Drain looks again at intervals
// of at most a millisecond.
func (d *Domain) Drain() {
	d.mu.Lock()
	target := d.retired
	d.mu.Unlock()
	for pause := time.Microsecond; ; pause = min(2*pause, time.Millisecond) {
		d.Collect()
		d.mu.Lock()
		done := d.freed >= target
		d.mu.Unlock()
		if done {
			return
		}
		time.Sleep(pause)
	}
}

// Metrics returns the state of the domain.
func (d *Domain) Metrics() Metrics {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Metrics{Epoch: d.epoch.Load(), Pending: d.retired - d.freed}
}
