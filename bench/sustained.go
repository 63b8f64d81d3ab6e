package main

import (
	"fmt"
	"slices"
	"time"
)

// sustained measures one goroutine that overwrites random rows for a long time, one by one, with all that this causes
// in the background: the rate and the latency of each second. At the end every row must have its last value.
func (r *run) sustained() error {
	if err := steps(r.load, r.calm, func() error { return r.open(r.unsynced(1)) }); err != nil {
		return err
	}
	delete(r.Values, "load") // table has it
	versions := make([]uint32, r.Rows)
	seconds, err := r.overwrite(versions)
	if err != nil {
		return err
	}
	r.reportSeconds(seconds)
	return steps(r.memory("rss_sustained"), r.calm, func() error {
		return r.checkVersions(func(i uint64) bool { return versions[rowOf(i)] == uint32(i>>versionShift) })
	}, r.close)
}

// overwrite returns the latencies of the writes that ended in each second. versions counts the writes of each row.
func (r *run) overwrite(versions []uint32) ([]histogram, error) {
	seconds := make([]histogram, int(r.Sustained/time.Second)+1)
	pair, row := newBatch(1), below(r.Rows)
	_, err := r.timed("sustained", func() error {
		start := time.Now()
		for begin := start; ; {
			i := row()
			versions[i]++
			pair.set(r.data, 0, i|uint64(versions[i])<<versionShift)
			if err := r.engine.Write(pair.keys, pair.values); err != nil {
				return err
			}
			end := time.Now()
			if end.Sub(start) >= r.Sustained {
				return nil
			}
			seconds[end.Sub(start)/time.Second].record(end.Sub(begin))
			begin = end
		}
	})
	return seconds[:max(1, int(r.Sustained/time.Second))], err
}

func (r *run) reportSeconds(seconds []histogram) {
	var all histogram
	var rates, slowest []float64
	for i := range seconds {
		all.add(&seconds[i])
		rates = append(rates, float64(seconds[i].count))
		slowest = append(slowest, float64(seconds[i].quantile(0.999))/1e3)
	}
	r.Series["rate"], r.Series["p999"] = rates, slowest
	r.Values["sustained"] = float64(all.count) / min(r.Sustained.Seconds(), float64(len(seconds)))
	r.Values["sustained_worst"] = slices.Min(rates)
	r.Values["sustained_max"] = float64(all.largest) / 1e6
	r.latencies("sustained", &all)
	still := 0
	for _, n := range rates {
		if n == 0 {
			still++
		}
	}
	if still > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("sustained writes: %d seconds without any write", still))
	}
}
