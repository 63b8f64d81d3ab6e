// Package timing measures how long reads of single keys take: some of them for a histogram, and, if somebody wants to
// know of slow ones, all that the row cache does not answer.
package timing

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
)

// PerTimed is the number of reads of which one is timed: a look at the clock takes as long as the fastest read.
const PerTimed = 256

// Read is a slow read.
type Read struct {
	Key      []byte // borrowed for the call
	Took     time.Duration
	InFiles  time.Duration // of that
	Reads    int           // of files
	Finished clock.Instant
	Err      error
}

// Options configures Gets. The zero value measures some reads and tells nobody.
type Options struct {
	Slow time.Duration // from when on a read is told of; 0 for never
	Tell func(Read)

	// Trace calls a read within a span. nil: nobody wants to know of each read.
	Trace func(read func() error) error
}

// Gets measures reads. Its methods are safe for concurrent use.
type Gets struct {
	clock clock.Monotonic
	slow  time.Duration
	tell  func(Read)
	times *latency.Histogram // apart from what every read loads
	meter *Meter             // nil unless slow reads are told of
	trace func(read func() error) error

	apart  atomic.Bool // see Apart
	closed atomic.Bool
}

// New returns Gets that have measured nothing.
func New(c clock.Monotonic, o Options) *Gets {
	g := &Gets{clock: c, slow: o.Slow, tell: o.Tell, times: new(latency.Histogram), trace: o.Trace}
	g.apart.Store(o.Trace != nil)
	if g.slow > 0 {
		g.meter = new(Meter)
	}
	return g
}

// Meter is what counts the reads of files; nil if nobody wants to know.
func (g *Gets) Meter() *Meter { return g.meter }

// Apart reports whether reads cannot go the short way: they are traced, or the tree is closed. It is one question for
// both, because the fastest read takes thirty nanoseconds, and each question one of them.
func (g *Gets) Apart() bool { return g.apart.Load() }

// Close says that the tree is closed.
func (g *Gets) Close() {
	g.closed.Store(true) // first: Traced looks at it after Apart
	g.apart.Store(true)
}

// Traced calls a read that is Apart within its span. Of a tree that is closed it calls none, and returns ErrClosed:
// Close, which waits for guards, need not wait for those that come late.
func (g *Gets) Traced(read func() error) error {
	if g.closed.Load() {
		return calls.ErrClosed
	}
	return g.trace(read)
}

// Counts returns how long reads took.
func (g *Gets) Counts() latency.Counts { return g.times.Counts() }

// Begin begins a read, and returns when that was if it is one of those that are timed.
func (g *Gets) Begin(tick uint32) (start clock.Instant) {
	if isTimed(tick) {
		start = g.clock.Now()
	}
	return start
}

// isTimed chooses one tick in PerTimed. The multiplier is not that by which the row cache samples, so that no read is
// timed because it was also counted there.
func isTimed(tick uint32) bool { return tick*0x85ebca6b <= (1<<32-1)/PerTimed }

// Hit ends a read that the row cache has answered. What every read calls, Hit, Search and End, is short enough to be
// inlined, and goes on elsewhere if there is something to do.
func (g *Gets) Hit(start clock.Instant) {
	if start != 0 {
		g.hit(start)
	}
}

func (g *Gets) hit(start clock.Instant) { g.times.Add(g.clock.Now().Since(start), PerTimed) }

// Search is a read that the row cache has not answered.
type Search struct {
	start   clock.Instant // 0: it is not measured
	counted bool          // for the histogram
}

// Search goes on with a read that began at start.
func (g *Gets) Search(start clock.Instant) (s Search) {
	if start != 0 || g.slow > 0 {
		s = g.search(start)
	}
	return s
}

func (g *Gets) search(start clock.Instant) Search {
	s := Search{start, start != 0}
	if g.slow > 0 {
		if !s.counted {
			s.start = g.clock.Now()
		}
		g.meter.begin()
	}
	return s
}

// End ends a search for key.
func (g *Gets) End(s Search, key []byte, err error) {
	if s.start != 0 {
		g.end(s, key, err)
	}
}

func (g *Gets) end(s Search, key []byte, err error) {
	now := g.clock.Now()
	took := now.Since(s.start)
	if s.counted && err == nil {
		g.times.Add(took, PerTimed)
	}
	if g.slow > 0 && took >= g.slow {
		reads, inFiles := g.meter.end()
		g.tell(Read{Key: key, Took: took, InFiles: inFiles, Reads: reads, Finished: now, Err: err})
	}
}
