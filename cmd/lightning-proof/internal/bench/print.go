package bench

import (
	"fmt"
	"math"
	"time"

	"lightningdb/cmd/internal/units"
	"lightningdb/internal/proof/latency"
)

// Report is what was measured.
type Report struct {
	Seed        uint64   `json:"seed"`
	Rows        int      `json:"rows"`
	KeySize     int      `json:"key_size"`
	ValueSize   int      `json:"value_size"`
	Time        float64  `json:"time_seconds"`           // of each workload
	MemoryLimit int64    `json:"memory_limit,omitempty"` // absent: the default of the database
	Processors  int      `json:"processors"`
	Workloads   []Result `json:"workloads"`
}

// Result is the outcome of one workload. Latencies are in microseconds, those of fast operations of a sample of them.
type Result struct {
	Name        string  `json:"name"`
	Unit        string  `json:"unit"` // what is counted
	Workers     int     `json:"workers"`
	Count       int64   `json:"count"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"per_second"`
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	P999        float64 `json:"p999_us"`
	Max         float64 `json:"max_us"`
	WorstSecond int64   `json:"worst_second,omitempty"` // the lowest count of a second of sustained work
	DiskBytes   int64   `json:"disk_bytes,omitempty"`   // of tables and log, when background work is done
}

// opening writes what is measured, and the head of the table.
func (r *run) opening() {
	fmt.Fprintln(r.Out, r.Bold(fmt.Sprintf("Bench: %s of %d + %d bytes, %s, seed %d, in %s", units.Plural(r.Rows, "row"),
		r.KeySize, r.ValueSize, units.Plural(r.report.Processors, "processor"), r.Seed, r.dir)))
	fmt.Fprintf(r.Out, "\n   %-14s %13s %10s %10s %10s\n", "workload", "each second", "p50", "p99", "p99.9")
}

// tell adds a line to the table, and the result to the report. Errors of the table's reader are not looked at: the
// verdict is in the exit code.
func (r *run) tell(s *session) error {
	var all latency.Histogram
	result := Result{Name: s.name, Unit: s.noun, Workers: len(s.workers), Seconds: s.took.Seconds()}
	for _, w := range s.workers {
		all.Merge(&w.latency)
		result.Count += w.done.Load()
	}
	if s.took > 0 { // by a coarse clock it may not be
		result.PerSecond = float64(result.Count) / result.Seconds
	}
	note := s.note(&result)
	var quantiles [4]time.Duration
	for i, perMille := range [...]int64{500, 990, 999, 1000} {
		quantiles[i] = all.Quantile(perMille)
	}
	result.P50, result.P99 = micros(quantiles[0]), micros(quantiles[1])
	result.P999, result.Max = micros(quantiles[2]), micros(quantiles[3])
	fmt.Fprintf(r.Out, "   %-14s %13s %10s %10s %10s  %s%s\n", s.name, units.Count(int64(result.PerSecond)),
		units.Duration(quantiles[0]), units.Duration(quantiles[1]), units.Duration(quantiles[2]), s.noun, note)
	r.report.Workloads = append(r.report.Workloads, result)
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// note fills in what only some workloads have, and says it.
func (s *session) note(result *Result) string {
	switch {
	case len(s.workers[0].seconds) > 0:
		result.WorstSecond = s.worstSecond()
		return ", in the worst second " + units.Count(result.WorstSecond)
	case s.limit > 0 && s.mix[0] != opReopen && s.name != checkName:
		result.DiskBytes = s.db.Metrics().DiskBytes
		return ", " + units.Bytes(result.DiskBytes) + " on disk"
	}
	return ""
}

// worstSecond is the lowest count of a whole second.
func (s *session) worstSecond() int64 {
	worst := int64(math.MaxInt64)
	for second := range s.workers[0].seconds {
		count := int64(0)
		for _, w := range s.workers {
			count += w.seconds[second]
		}
		worst = min(worst, count)
	}
	return worst
}
