// Package watch shows what the writer of a database tells about itself: as lines of text for stats, as JSON, and as the
// picture that top draws again and again. It computes rates from two reports, and knows neither terminals nor files.
package watch

import (
	"slices"
	"time"

	"lightningdb"
	"lightningdb/metrics"
)

const (
	minute = time.Minute // of which a Watch remembers the rates

	// quiet is how long after its last report a writer may still have done something: it tells within a second, and its
	// report may have waited for a picture. What has told nothing for longer has done nothing.
	quiet = 2500 * time.Millisecond
)

// Watch is what is known about the writers of one database. It belongs to one goroutine.
type Watch struct {
	Path string

	// URL is where the writer was asked over HTTP; empty if its directory was looked at.
	URL string

	// Ended is why the writer seems to be gone, or why it gives no answer; empty if it is there.
	Ended string

	told bool                     // last is a report
	last lightningdb.WriterStatus // the newest report

	between Rates             // the last two reports; zero if there is one only
	took    metrics.Latencies // by the calls between them
	past    []past            // of the last minute, oldest first
}

// Rates are what happened each second between two reports. The zero value is that of rates nobody knows.
type Rates struct {
	Period time.Duration // between the reports

	Commits, Operations, LogBytes, Syncs float64
	Misses                               float64 // of the page cache
	Conflicts, LockWaits                 float64
	Stalls                               float64
	Stalled                              float64 // the share of the time that writers waited, 0 to 1
}

// past is the rate of commits between two reports.
type past struct {
	from, to time.Time
	commits  float64
}

// Take adds what the writer has told last, which may be known already. A writer that has come in place of another one
// counts from its Open on.
func (w *Watch) Take(s lightningdb.WriterStatus) {
	if w.told && s.At.Equal(w.last.At) && s.Pid == w.last.Pid {
		return
	}
	before := w.last
	if w.told && !(s.Opened.Equal(before.Opened) && s.Pid == before.Pid) {
		before = lightningdb.WriterStatus{At: s.Opened}
	}
	if w.told {
		w.between, w.took = ratesOf(before, s), s.Metrics.Latency.Since(before.Metrics.Latency)
		w.past = append(w.past, past{before.At, s.At, w.between.Commits})
		w.past = slices.DeleteFunc(w.past, func(p past) bool { return s.At.Sub(p.to) > minute })
	}
	w.told, w.last, w.Ended = true, s, ""
}

// Pid is the process id of the writer, and whether it has told anything.
func (w *Watch) Pid() (pid int, told bool) { return w.last.Pid, w.told }

// Quiet reports whether the writer does nothing, or is gone.
func (w *Watch) Quiet(now time.Time) bool { return now.Sub(w.last.At) > quiet }

// rates are those of the moment: of a writer that is quiet, nothing happens.
func (w *Watch) rates(now time.Time) Rates {
	if w.Quiet(now) {
		return Rates{Period: now.Sub(w.last.At)}
	}
	return w.between
}

// latency is that of the moment. Nobody knows it before there are two reports, nor while the writer is quiet: that it
// reads meanwhile, it does not tell.
func (w *Watch) latency(now time.Time) (took metrics.Latencies, known bool) {
	return w.took, w.between.Period > 0 && !w.Quiet(now)
}

// ratesOf are the rates between two reports of a writer. Where a clock was set back, nobody knows them.
func ratesOf(from, to lightningdb.WriterStatus) Rates {
	period := to.At.Sub(from.At)
	if period <= 0 {
		return Rates{}
	}
	a, b := &from.Metrics, &to.Metrics
	rate := func(from, to uint64) float64 {
		if to <= from {
			return 0
		}
		return float64(to-from) / period.Seconds()
	}
	stalled := b.Stall.Duration - a.Stall.Duration
	return Rates{
		Period:  period,
		Commits: rate(a.Commits, b.Commits), Operations: rate(a.Operations, b.Operations),
		LogBytes: rate(a.Log.BytesWritten, b.Log.BytesWritten), Syncs: rate(a.Log.Syncs, b.Log.Syncs),
		Misses:    rate(a.Cache.Misses, b.Cache.Misses),
		Conflicts: rate(a.Transactions.Conflicts, b.Transactions.Conflicts),
		LockWaits: rate(a.Transactions.LockWaits, b.Transactions.LockWaits),
		Stalls:    rate(a.Stall.Count, b.Stall.Count),
		Stalled:   max(0, min(1, stalled.Seconds()/period.Seconds())),
	}
}

// history is the rate of commits in each of n parts of the last minute, oldest first; -1 where nobody knows it. It ends
// with the last report, as long as the next one may still come.
func (w *Watch) history(now time.Time, n int) []float64 {
	end := w.last.At
	if w.Quiet(now) {
		end = now
	}
	rates := make([]float64, n)
	for i := range rates {
		at := end.Add(-minute * time.Duration(2*(n-i)-1) / time.Duration(2*n)) // the middle of the part
		rates[i] = -1
		if w.told && at.After(w.last.At) {
			rates[i] = 0
		}
		for _, p := range w.past {
			if at.After(p.from) && !at.After(p.to) {
				rates[i] = p.commits
			}
		}
	}
	return rates
}
