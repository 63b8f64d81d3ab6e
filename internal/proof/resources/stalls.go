package resources

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/latency"
	"lightningdb/internal/proof/noise"
	"lightningdb/metrics"
)

// stallsBound is the bound of how long a write waits. The load is twice what the database takes by itself.
var stallsBound = Bound{
	Name:   "stalls",
	Says:   "at twice the load that it takes: no second without a write, no write over 500 ms, deadlines kept",
	Option: "deadline of a context",
	Metric: "Stall",
	Takes:  3 * time.Minute,

	measure: measureStalls,
}

// Sizes of the load at scale 1.
const (
	stallsMemoryLimit = 64 << 20
	stallsBytes       = 1 << 30 // of data before the load begins
	stallsSustained   = 30 * time.Second
	stallsDriven      = time.Minute
	stallsLeast       = 100 // bytes of a value
	stallsMost        = 400
	stallsWriters     = 8 // each of them puts, and as many others have deadlines
)

// What is promised.
const (
	longestGap    = time.Second
	longestWrite  = 500 * time.Millisecond
	writeDeadline = 100 * time.Millisecond
	lateness      = 100 * time.Millisecond
)

func measureStalls(r *run) error {
	bytes := r.bytes(stallsBytes, 2*stallsMemoryLimit)
	if err := r.needSpace(4 * bytes); err != nil {
		return err
	}
	p, err := r.start(spec{Role: "stalls", Dir: r.path("stalls"), MemoryLimit: stallsMemoryLimit, Bytes: bytes,
		For: r.time(stallsDriven, 6*time.Second)}, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	m, err := p.until("driven")
	if err != nil {
		return err
	}
	n := m.Numbers
	asTime := func(name string) time.Duration { return time.Duration(n[name]) }
	r.show("sustained load", fmt.Sprintf("%d writes/s", n["sustained"]))
	r.show("offered, taken", fmt.Sprintf("%d, %d writes/s", 2*n["sustained"], n["taken"]))
	for _, kind := range []string{"put", "deadline"} {
		r.show(kind+": p50, p99, p99.9", fmt.Sprintf("%s, %s, %s", timeText(asTime(kind+" p50")),
			timeText(asTime(kind+" p99")), timeText(asTime(kind+" p99.9"))))
	}
	r.judgeTime("longest time without a write", asTime("gap"), longestGap)
	r.judgeTime("longest put", asTime("put longest"), longestWrite)
	r.judgeTime(fmt.Sprintf("longest write with a deadline of %v", writeDeadline), asTime("deadline longest"),
		writeDeadline+lateness)
	r.show("refused at their deadline", fmt.Sprint(n["refused"]))
	r.check("refused, and there afterwards", fmt.Sprint(n["refused and there"]), "0", n["refused and there"] == 0)
	r.check("acknowledged, and not there", fmt.Sprint(n["lost"]), "0", n["lost"] == 0)
	r.show("stalls by the metrics", fmt.Sprintf("%d of %s in all", n["stalls"], timeText(asTime("stalled"))))
	r.note(m.Notes...)
	return p.end()
}

// drive is the child of this bound.
func drive(c *child) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := c.fill(db, 0, c.Bytes, stallsLeast, stallsMost)
	if err != nil {
		return err
	}
	sustained, err := c.sustain(db, keys)
	if err != nil {
		return err
	}
	d := &driven{child: c, db: db, keys: keys, before: db.Metrics().Stall}
	if err := d.run(2 * sustained); err != nil {
		return err
	}
	numbers, err := d.numbers()
	if err != nil {
		return err
	}
	numbers["sustained"] = int64(sustained)
	if err := c.stop(message{Phase: "driven", Numbers: numbers, Notes: d.timeline}); err != nil {
		return err
	}
	return db.Close()
}

// sustain returns how many puts a second the database takes from writers that do nothing else, in random order: what
// flush and compaction keep up with, since writers wait for them. It takes as long as the load that follows, and the
// first half is not counted.
func (c *child) sustain(db *lightningdb.DB, keys uint64) (perSecond float64, err error) {
	d := c.For / 2
	var done atomic.Int64
	w := crew.New(2 * d)
	for range stallsWriters {
		var k, v []byte
		w.Repeat(func(rng *rand.Rand) error {
			n := rng.Uint64N(keys)
			k, v = noise.Key(k[:0], n), c.noise.Value(v[:0], n, rng.Uint64(), stallsLeast, stallsMost)
			defer done.Add(1)
			return db.Put(k, v)
		})
	}
	start := time.Now()
	for step := range 20 {
		time.Sleep(d / 10)
		if step == 9 {
			start = time.Now()
			done.Store(0)
		}
		c.tell("sustained load", int64(step+1), 20)
	}
	perSecond = float64(done.Load()) / time.Since(start).Seconds()
	return perSecond, w.Wait()
}

// driven is a database that is offered more than it takes.
type driven struct {
	*child
	db       *lightningdb.DB
	keys     uint64 // those there are; writers with deadlines have keys of their own above
	before   metrics.Stall
	timeline []string

	written atomic.Int64 // acknowledged
	last    atomic.Int64 // when the last write was, in nanoseconds since start
	gap     atomic.Int64 // the longest between two of them
	worst   atomic.Int64 // the longest wait in the present line of the timeline
	start   time.Time
	took    time.Duration

	mu                sync.Mutex
	puts, deadlines   latency.Histogram
	refused, accepted []uint64
}

// refusedKept bounds how many keys of each writer with deadlines are looked for at the end.
const refusedKept = 100_000

// run offers a number of writes a second for the time of the spec. Each writer has a schedule, and when it is late it
// writes at once, so that a stall is made up for as quickly as the database lets it.
func (d *driven) run(perSecond float64) error {
	every := time.Duration(float64(2*stallsWriters*time.Second) / perSecond)
	w := crew.New(d.For)
	d.start = time.Now()
	for n := range stallsWriters {
		d.paced(w, every, &d.puts, d.put)
		first := d.keys + uint64(n+1)<<32
		d.paced(w, every, &d.deadlines, d.putByDeadline(first))
	}
	w.Repeat(func(*rand.Rand) error { return d.observe(w) })
	err := w.Wait()
	d.took = time.Since(d.start)
	d.noteGap(d.took)
	return err
}

// paced has a goroutine of w write every so often, and counts how long it waited.
func (d *driven) paced(w *crew.Crew, every time.Duration, into *latency.Histogram, write func(rng *rand.Rand) error) {
	w.Go(func(rng *rand.Rand) {
		var own latency.Histogram
		for due := d.start; w.Context().Err() == nil; due = due.Add(every) {
			if early := time.Until(due); early > 0 {
				time.Sleep(early)
			}
			begun := time.Now()
			err := write(rng)
			own.Add(time.Since(begun))
			raise(&d.worst, int64(time.Since(begun)))
			if err == nil {
				d.written.Add(1)
				d.noteGap(time.Since(d.start))
			} else if !errors.Is(err, context.DeadlineExceeded) {
				w.End(err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		into.Merge(&own)
	})
}

// raise makes highest the larger of itself and n.
func raise(highest *atomic.Int64, n int64) {
	for was := highest.Load(); n > was && !highest.CompareAndSwap(was, n); {
		was = highest.Load()
	}
}

// noteGap says that something was written now, so long after the start.
func (d *driven) noteGap(now time.Duration) { raise(&d.gap, int64(now)-d.last.Swap(int64(now))) }

// put overwrites some key.
func (d *driven) put(rng *rand.Rand) error {
	n := rng.Uint64N(d.keys)
	return d.db.Put(noise.Key(nil, n), d.noise.Value(nil, n, rng.Uint64(), stallsLeast, stallsMost))
}

// putByDeadline returns a function that puts keys from first on, each once, within the deadline.
func (d *driven) putByDeadline(first uint64) func(rng *rand.Rand) error {
	next, refused, accepted := first, 0, 0
	return func(rng *rand.Rand) error {
		n := next
		next++
		ctx, cancel := context.WithTimeout(context.Background(), writeDeadline)
		defer cancel()
		err := d.db.UpdateWith(ctx, lightningdb.TxOptions{Durability: lightningdb.Process}, func(tx *lightningdb.Tx) error {
			return tx.Put(noise.Key(nil, n), d.noise.Value(nil, n, 0, stallsLeast, stallsMost))
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded) && refused < refusedKept:
			refused++
			d.remember(&d.refused, n)
		case err == nil && rng.IntN(100) == 0 && accepted < refusedKept:
			accepted++
			d.remember(&d.accepted, n)
		}
		return err
	}
}

func (d *driven) remember(keys *[]uint64, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*keys = append(*keys, n)
}

// observe writes a line of the timeline every quarter of a second: what was written, how long the longest write took
// that ended in it, and what the database did.
func (d *driven) observe(w *crew.Crew) error {
	const interval = 250 * time.Millisecond
	before, m := d.written.Load(), d.db.Metrics()
	d.worst.Store(0)
	select {
	case <-w.Context().Done():
		return nil
	case <-time.After(interval):
	}
	after := d.db.Metrics()
	var line strings.Builder
	fmt.Fprintf(&line, "%6.2f s %6d writes, longest %-8s", time.Since(d.start).Seconds(), d.written.Load()-before,
		timeText(time.Duration(d.worst.Load())))
	fmt.Fprintf(&line, " stalls %d of %s", after.Stall.Count-m.Stall.Count,
		timeText(after.Stall.Duration-m.Stall.Duration))
	if after.Stall.Count > m.Stall.Count {
		fmt.Fprintf(&line, " (%s)", after.Stall.Cause)
	}
	fmt.Fprintf(&line, "; frozen %d, level 0 %d tables; flush %s, compaction %s", after.Memtable.Frozen,
		after.Levels[0].Tables, workText(m.Flush, after.Flush), workText(m.Compaction, after.Compaction))
	d.timeline = append(d.timeline, line.String())
	d.tell("twice that", int64(time.Since(d.start)/time.Second), int64(d.For/time.Second))
	return nil
}

// workText says what a kind of background work did between two moments.
func workText(before, after metrics.Work) string {
	text := fmt.Sprintf("%d ended, %s written in %s", after.Count-before.Count,
		sizeText(after.BytesWritten-before.BytesWritten), timeText(after.Duration-before.Duration))
	if after.Running > 0 {
		text += fmt.Sprintf(", now %d %% of %s", 100*after.Done/max(after.Total, 1), sizeText(after.Total))
	}
	return text
}

// numbers are what the parent judges. It looks for what was refused.
func (d *driven) numbers() (map[string]int64, error) {
	stall := d.db.Metrics().Stall
	numbers := map[string]int64{
		"taken": int64(float64(d.written.Load()) / d.took.Seconds()), "gap": d.gap.Load(),
		"refused": int64(len(d.refused)), "stalls": int64(stall.Count - d.before.Count),
		"stalled": int64(stall.Duration - d.before.Duration),
	}
	for kind, h := range map[string]*latency.Histogram{"put": &d.puts, "deadline": &d.deadlines} {
		numbers[kind+" p50"] = int64(h.Quantile(500))
		numbers[kind+" p99"] = int64(h.Quantile(990))
		numbers[kind+" p99.9"] = int64(h.Quantile(999))
		numbers[kind+" longest"] = int64(h.Longest())
	}
	for _, n := range d.refused {
		there, err := d.db.Has(noise.Key(nil, n))
		if err != nil {
			return nil, err
		}
		if there {
			numbers["refused and there"]++
		}
	}
	for _, n := range d.accepted {
		v, err := d.db.Get(noise.Key(nil, n))
		if errors.Is(err, lightningdb.ErrNotFound) {
			numbers["lost"]++
			continue
		}
		if err = errors.Join(err, noise.Check(n, v)); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}
