package resources

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/latency"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
	"lightningdb/metrics"
)

// scrubBound is the bound of what a scrub takes from a program at work.
var scrubBound = Bound{
	Name:   "scrub",
	Says:   "a scrub reads no more than its rate; how long writes take meanwhile is shown",
	Option: "ScrubRate",
	Metric: "Scrub",
	Takes:  90 * time.Second,

	measure: measureScrub,
}

// The load at scale 1. It is light, so that hardly anything but the scrub reads; the data are more than the scrub reads
// meanwhile, so that its pass does not end.
const (
	scrubRate    = 8 << 20 // bytes a second
	scrubBytes   = 512 << 20
	scrubLoad    = 30 * time.Second
	scrubWriters = 2
	scrubPause   = time.Millisecond // from one put of a writer to the next
	scrubLeast   = 100              // bytes of a value
	scrubMost    = 400
)

// scrubPiece is the most bytes that a scrub reads at once: so much it may be ahead of its rate at any moment.
const scrubPiece = 1 << 20

func measureScrub(r *run) error {
	s := spec{Role: "scrub", Dir: r.path("scrub"), ScrubRate: scrubRate, Bytes: r.bytes(scrubBytes, 64<<20),
		For: r.time(scrubLoad, 3*time.Second)}
	if err := r.needSpace(4 * s.Bytes); err != nil {
		return err
	}
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.until("scrubbing"); err != nil {
		return err
	}
	start, before := time.Now(), probe.Of(p.pid).Read
	m, err := p.next("loaded")
	if err != nil {
		return err
	}
	read, took := probe.Of(p.pid).Read-before-m.Numbers["read by others"], time.Since(start)
	r.show("rate", fmt.Sprintf("%.1f of %.1f MiB/s", float64(read)/took.Seconds()/(1<<20), float64(scrubRate)/(1<<20)))
	judge(r, "read in "+timeText(took)+" of load", read, int64(scrubRate*took.Seconds())+scrubPiece, sizeText)
	r.check("read by the scrub", sizeText(read), "> 0", read > 0)
	for _, load := range []string{"without a scrub", "with it"} {
		asTime := func(name string) string { return timeText(time.Duration(m.Numbers[load+name])) }
		r.show("put "+load+": p50, p99, longest", asTime(" p50")+", "+asTime(" p99")+", "+asTime(" longest"))
	}
	return p.end()
}

// scrubUnderLoad is the child of this bound: the same load on a database without a scrub, and with one.
func scrubUnderLoad(c *child) error {
	numbers := map[string]int64{}
	o := c.options()
	o.ScrubRate = 0
	db, err := lightningdb.Open(c.Dir, o)
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := c.fill(db, 0, c.Bytes, scrubLeast, scrubMost)
	if err != nil {
		return err
	}
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		return err
	}
	if err := c.putInTurns(db, keys, "without a scrub", numbers); err != nil {
		return err
	}
	if err := errors.Join(db.Compact(context.Background(), nil, nil), db.Close()); err != nil {
		return err
	}
	scrubbed, err := c.open()
	if err != nil {
		return err
	}
	defer scrubbed.Close()
	before := scrubbed.Metrics().Cache.ReadBytes
	if err := c.stop(message{Phase: "scrubbing"}); err != nil {
		return err
	}
	if err := c.putInTurns(scrubbed, keys, "with it", numbers); err != nil {
		return err
	}
	compaction, err := endOfCompactions(scrubbed)
	if err != nil {
		return err
	}
	// Puts read nothing. But every ten seconds a database that is written to looks up a thousand of the keys in its
	// memtable, to find how much of its tables they hide: 7 MiB of leaves, which the scrub has nothing to do with.
	numbers["read by others"] = compaction.BytesRead + int64(scrubbed.Metrics().Cache.ReadBytes-before)
	if err := c.stop(message{Phase: "loaded", Numbers: numbers}); err != nil {
		return err
	}
	return scrubbed.Close()
}

// endOfCompactions waits until none is in progress: one that is has read what no metric counts yet, and that would be
// taken for the scrub's.
func endOfCompactions(db *lightningdb.DB) (metrics.Work, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if m := db.Metrics().Compaction; m.Running == 0 {
			return m, nil
		}
	}
	return metrics.Work{}, errors.New("a compaction takes more than a minute")
}

// putInTurns has writers put keys at random, each one in every scrubPause, for the time of the spec, and adds how long
// that took to numbers.
func (c *child) putInTurns(db *lightningdb.DB, keys uint64, load string, numbers map[string]int64) error {
	var puts latency.Histogram
	var mu sync.Mutex // guards puts
	w := crew.New(c.For)
	for range scrubWriters {
		w.Go(func(rng *rand.Rand) {
			var own latency.Histogram
			var k, v []byte
			for due := time.Now(); w.Context().Err() == nil; due = due.Add(scrubPause) {
				time.Sleep(time.Until(due))
				n := rng.Uint64N(keys)
				k, v = noise.Key(k[:0], n), c.noise.Value(v[:0], n, rng.Uint64(), scrubLeast, scrubMost)
				begun := time.Now()
				if err := db.Put(k, v); err != nil {
					w.End(err)
					return
				}
				own.Add(time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			puts.Merge(&own)
		})
	}
	c.watch(w, "puts "+load, new(atomic.Int64), 0)
	if err := w.Wait(); err != nil {
		return err
	}
	numbers[load+" p50"], numbers[load+" p99"] = int64(puts.Quantile(500)), int64(puts.Quantile(990))
	numbers[load+" longest"] = int64(puts.Longest())
	return nil
}
