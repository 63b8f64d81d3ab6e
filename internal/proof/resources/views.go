package resources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/latency"
	"lightningdb/internal/proof/noise"
)

// viewsBound is the bound of how long a View takes that is one of a thousand.
var viewsBound = Bound{
	Name:   "views",
	Says:   "1,000 goroutines of View in a server, during writes: 99.9 % of them under 1 ms",
	Metric: "Snapshots",
	Takes:  90 * time.Second,

	measure: measureViews,
}

// The load at scale 1.
const (
	viewsGoroutines = 1000
	viewsGets       = 4
	viewsLoad       = 20 * time.Second
	viewsBytes      = 32 << 20 // fits into the cache
	viewsLongest    = time.Millisecond
)

// The bound is that of a server: its goroutines do something else between two Views, and it has data of its own on its
// heap. Without a pause a thousand goroutines are always ready to run, and what is measured is when the scheduler of Go
// gives one that it has interrupted its next turn. With a heap of nearly nothing the garbage collector runs ten times a
// second, whoever allocates meanwhile may have to wait for it, and each View allocates once. Both are shown, too. So is
// what the scheduler alone takes: the same goroutines, doing as much without a database.
const (
	viewsThink = 10 * time.Millisecond
	viewsHeap  = 64 << 20
)

func measureViews(r *run) error {
	if err := r.needSpace(8 * viewsBytes); err != nil {
		return err
	}
	for i, load := range []struct {
		role  string
		think time.Duration
		heap  int
	}{
		{"views", 0, 0},
		{"views", viewsThink, 0},
		{"views", viewsThink, viewsHeap},
		{"turns", viewsThink, 0},
	} {
		s := spec{Role: load.role, Dir: r.path(fmt.Sprint("views ", i)), Bytes: viewsBytes, Count: viewsGoroutines,
			Think: load.think, Heap: load.heap, For: r.time(viewsLoad, 2*time.Second)}
		if err := r.viewsOf(s); err != nil {
			return err
		}
	}
	return nil
}

// viewsOf judges the Views of many goroutines in a server, and shows the others.
func (r *run) viewsOf(s spec) error {
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	m, err := p.until("viewed")
	if err != nil {
		return err
	}
	n := m.Numbers
	asTime := func(name string) string { return timeText(time.Duration(n[name])) }
	what := map[string]string{"views": "Views", "turns": "no database"}[s.Role]
	at := fmt.Sprintf("%s, %v between two, heap %d MiB: ", what, s.Think, s.Heap>>20)
	r.show(at+"turns, writes", fmt.Sprintf("%d/s, %d/s", n["views"], n["writes"]))
	r.show(at+"p50, p99", asTime("p50")+", "+asTime("p99"))
	if s.Heap > 0 {
		r.judgeTime(at+"p99.9", time.Duration(n["p99.9"]), viewsLongest)
	} else {
		r.show(at+"p99.9", asTime("p99.9"))
	}
	r.show(at+"longest", asTime("longest"))
	return p.end()
}

// viewWhileWriting has many goroutines begin a View, get a few keys and end it, while another one writes. None of them
// allocates anything by itself.
func viewWhileWriting(c *child) error {
	return c.takeTurns(func(db *lightningdb.DB, keys uint64, rng *rand.Rand) func() error {
		var k, value []byte
		read := func(tx *lightningdb.Tx) (err error) {
			for range viewsGets {
				n := rng.Uint64N(keys)
				k = noise.Key(k[:0], n)
				if value, err = tx.GetAppend(value[:0], k); err != nil {
					return err
				}
				if err := noise.Check(n, value); err != nil {
					return err
				}
			}
			return nil
		}
		return func() error { return db.View(context.Background(), read) }
	})
}

// turnWhileWriting has as many goroutines do nothing with the database for about as long as a View takes.
func turnWhileWriting(c *child) error {
	return c.takeTurns(func(*lightningdb.DB, uint64, *rand.Rand) func() error {
		return func() error {
			for start := time.Now(); time.Since(start) < viewsTurn; {
			}
			return nil
		}
	})
}

// viewsTurn is about how long a View takes that nothing interrupts.
const viewsTurn = 4 * time.Microsecond

// takeTurns runs what turn returns for each goroutine, again and again, while another goroutine writes.
func (c *child) takeTurns(turn func(db *lightningdb.DB, keys uint64, rng *rand.Rand) func() error) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := c.fill(db, 0, c.Bytes, 100, 400)
	if err != nil {
		return err
	}
	heap := make([]byte, c.Heap)
	defer runtime.KeepAlive(heap)
	var writes atomic.Int64
	var views latency.Histogram
	var mu sync.Mutex // guards views
	w := crew.New(c.For)
	for range c.Count {
		w.Go(func(rng *rand.Rand) {
			own, err := c.measureTurns(w.Context(), turn(db, keys, rng))
			if err != nil {
				w.End(err)
			}
			mu.Lock()
			defer mu.Unlock()
			views.Merge(own)
		})
	}
	var k, value []byte
	w.Repeat(func(rng *rand.Rand) error {
		n := rng.Uint64N(keys)
		k, value = noise.Key(k[:0], n), c.noise.Value(value[:0], n, rng.Uint64(), 100, 400)
		writes.Add(1)
		return db.Put(k, value)
	})
	c.watch(w, fmt.Sprintf("%s, %v between two", c.Role, c.Think), &writes, 0)
	if err := w.Wait(); err != nil {
		return err
	}
	seconds := c.For.Seconds()
	numbers := map[string]int64{
		"views": int64(float64(views.Count()) / seconds), "writes": int64(float64(writes.Load()) / seconds),
		"p50": int64(views.Quantile(500)), "p99": int64(views.Quantile(990)), "p99.9": int64(views.Quantile(999)),
		"longest": int64(views.Longest()),
	}
	if err := c.stop(message{Phase: "viewed", Numbers: numbers}); err != nil {
		return err
	}
	return db.Close()
}

// measureTurns is one goroutine. What is measured is from the beginning of a turn to its end, interruptions by the
// scheduler included.
func (c *child) measureTurns(ctx context.Context, turn func() error) (*latency.Histogram, error) {
	h := new(latency.Histogram)
	for ctx.Err() == nil {
		start := time.Now()
		err := turn()
		h.Add(time.Since(start))
		if err != nil {
			return h, err
		}
		if c.Think > 0 {
			time.Sleep(c.Think)
		}
	}
	return h, nil
}
