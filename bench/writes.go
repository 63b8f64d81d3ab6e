package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// writeKind is new rows written for the time of a row of the table.
type writeKind struct {
	name       string
	goroutines int
	size       int // entries of a commit
	sync       bool
	sequential bool
	latency    bool // reported, too
}

var writeKinds = []writeKind{
	{name: "durable1", goroutines: 1, size: 1, sync: true, latency: true},
	{name: "durable_batch", goroutines: 1, size: loadBatch, sync: true},
	{name: "durable64", goroutines: 64, size: 1, sync: true, latency: true},
	{name: "kernel1", goroutines: 1, size: 1},
	{name: "kernel2", goroutines: 2, size: 1},
	{name: "sequential", goroutines: 1, size: 100, sequential: true},
}

// writes measures commits of new rows, of all kinds or of those named only.
func (r *run) writes(names ...string) error {
	for at, w := range writeKinds {
		if len(names) > 0 && !slices.Contains(names, w.name) {
			continue
		}
		o := r.unsynced(w.goroutines)
		o.sync = w.sync
		err := r.open(o)
		if errors.Is(err, errUnsupported) {
			continue
		}
		if err == nil {
			err = r.write(w, rowsOf(w, at))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// rowsOf is where the rows of a kind of write begin: each has a range of its own.
func rowsOf(w writeKind, at int) uint64 {
	if w.sequential {
		return sequentialRows
	}
	return uint64(at+1) << 32
}

// writerRows is how many rows one goroutine may write.
const writerRows = 1 << 24

func (r *run) write(w writeKind, first uint64) error {
	counts := make([]int, w.goroutines)
	latencies := make([]histogram, w.goroutines)
	took, err := r.timed(w.name, func() error {
		return parallel(w.goroutines, func(g int) error {
			var err error
			counts[g], err = r.writeFor(w, first+uint64(g)*writerRows, &latencies[g])
			return err
		})
	})
	if err != nil {
		return err
	}
	total := 0
	for g, n := range counts {
		total += n
		from := first + uint64(g)*writerRows
		r.present.add(rowRange{from: from, to: from + uint64(n)})
		if g > 0 {
			latencies[0].add(&latencies[g])
		}
	}
	r.Values[w.name] = float64(total) / took.Seconds()
	if w.latency {
		r.latencies(w.name, &latencies[0])
	}
	return r.calm()
}

// writeFor commits rows from row first on until the time is up, and returns how many. The latency of a commit includes
// the making of its rows.
func (r *run) writeFor(w writeKind, first uint64, latencies *histogram) (n int, err error) {
	b := newBatch(w.size)
	begin := time.Now()
	deadline := begin.Add(r.Each)
	for ; begin.Before(deadline) && n+w.size <= writerRows; n += w.size {
		b.fill(r.data, first+uint64(n), w.size)
		if err := r.engine.Write(b.keys, b.values); err != nil {
			return n, err
		}
		end := time.Now()
		latencies.record(end.Sub(begin))
		begin = end
	}
	return n, nil
}

// latencies notes what the report has of a histogram, in microseconds.
func (r *run) latencies(name string, h *histogram) {
	for _, p := range percentiles {
		r.Values[name+p.suffix] = float64(h.quantile(p.share)) / 1e3
	}
}
