package watch

import (
	"fmt"
	"math"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/units"
	"lightningdb/metrics"
)

// labelled is a line with its name in front.
func labelled(label, text string) string { return fmt.Sprintf("%-12s %s", label, text) }

// Lines are what a writer has told of itself, for stats.
func Lines(s lightningdb.WriterStatus) []string {
	m := &s.Metrics
	lines := []string{
		labelled("open since", fmt.Sprintf("%s, for %s", s.Opened.Format(time.DateTime), age(s.At.Sub(s.Opened)))),
		labelled("commits", fmt.Sprintf("%s with %s; the last is %s, durable up to %s", units.Count(m.Commits),
			units.Plural(m.Operations, "operation"), units.Count(m.Sequence), units.Count(m.DurableSequence))),
	}
	lines = append(lines, latencyLines(m)...)
	lines = append(lines,
		stallLine(m, nil),
		labelled("flush", work(m.Flush, false)),
		labelled("compaction", work(m.Compaction, m.CompactionWaits)),
		memoryLine(m),
		cacheLine(m, nil),
		memtableLine(m),
		logLine(m),
		transactionLine(m, nil),
		readerLine(m),
	)
	lines = append(lines, valueLines(m)...)
	lines = append(lines, limitLines(m)...)
	lines = append(lines, scrubLines(m)...)
	lines = append(lines, archiveLines(m)...)
	for _, r := range m.Readers {
		lines = append(lines, labelled("", reader(r)))
	}
	return lines
}

// Age says how long ago the writer has told what it has.
func Age(s lightningdb.WriterStatus, now time.Time) string { return age(now.Sub(s.At)) + " ago" }

// age writes a duration that people compare with their patience: "0.4 s", "12.3 s", "3h12m4s".
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.Round(time.Second).String()
}

// each writes a rate.
func each(rate float64) string {
	if rate > 0 && rate < 9.95 {
		return fmt.Sprintf("%.1f/s", rate)
	}
	return units.Count(int64(math.Round(rate))) + "/s"
}

// stallLine has rates if they are known, as transactionLine and cacheLine have.
func stallLine(m *lightningdb.Metrics, r *Rates) string {
	var parts []string
	if r != nil {
		parts = append(parts, fmt.Sprintf("%.1f%% of the time, %s", 100*r.Stalled, each(r.Stalls)))
	}
	if m.Stall.Count == 0 {
		parts = append(parts, "none so far")
	} else {
		parts = append(parts, fmt.Sprintf("latest: %s; %s so far, %s", m.Stall.Cause, units.Count(m.Stall.Count),
			units.Duration(m.Stall.Duration)))
	}
	return labelled("stalls", strings.Join(parts, "; "))
}

// latencyLines are how long calls took since Open: a line for each kind, and one if there was none.
func latencyLines(m *lightningdb.Metrics) (lines []string) {
	label := "latency"
	for _, k := range kindsOf(&m.Latency) {
		if k.Count > 0 {
			d := units.Duration
			lines = append(lines, labelled(label, fmt.Sprintf("%-6s  p50 %s, p99 %s, p99.9 %s, max %s", k.name, d(k.P50),
				d(k.P99), d(k.P999), d(k.Max))))
			label = ""
		}
	}
	if lines == nil {
		lines = []string{labelled(label, nothingTimed)}
	}
	return lines
}

// quantileLine is latencies in one line; 80 columns have room for commits and syncs, and for most of the reads. since
// says since when, if not since the report before.
func quantileLine(l metrics.Latencies, since string) string {
	var parts []string
	for _, k := range kindsOf(&l) {
		if k.Count > 0 {
			parts = append(parts, fmt.Sprintf("%s %s/%s/%s", k.name, brief(k.P50), brief(k.P99), brief(k.Max)))
		}
	}
	if parts == nil {
		return labelled("p50/p99/max", nothingTimed)
	}
	return labelled("p50/p99/max", strings.Join(parts, " ")+since)
}

const nothingTimed = "no calls were timed"

// kind is the latency of one kind of calls.
type kind struct {
	name string
	metrics.Latency
}

func kindsOf(l *metrics.Latencies) []kind {
	return []kind{{"commit", l.Commit}, {"sync", l.Sync}, {"get", l.Get}}
}

// brief writes a latency in at most five characters, if it is below a minute: "85ns", "7.4µs", "120ms", "2m3s".
func brief(d time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"ns", 1}, {"µs", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}} {
		switch n := float64(d) / float64(unit.size); {
		case n < 9.95 && unit.size > 1:
			return fmt.Sprintf("%.1f%s", n, unit.name)
		case n < 999.5 && unit.size < time.Second || n < 59.5:
			return fmt.Sprintf("%.0f%s", n, unit.name)
		}
	}
	return d.Round(time.Second).String()
}

// work says how far a flush or compaction is, and how many there were before it.
func work(w metrics.Work, waits bool) string {
	if w.Running > 0 && w.Total > 0 {
		return fmt.Sprintf("%s %3.0f%% of %s; %s done before", picture.Gauge(w.Done, w.Total),
			100*min(1, float64(w.Done)/float64(w.Total)), units.Bytes(w.Total), units.Count(w.Count))
	}
	state := "idle"
	switch {
	case w.Running > 0:
		state = "running"
	case waits:
		state = "due when the burst of writes ends"
	}
	if w.Count == 0 {
		return state + "; none done"
	}
	return fmt.Sprintf("%s; %s done, %s written in %s", state, units.Count(w.Count), units.Bytes(w.BytesWritten),
		units.Duration(w.Duration))
}

func usage(used, limit int64) string {
	return fmt.Sprintf("%9s of %9s %s", units.Bytes(used), units.Bytes(limit), picture.Gauge(used, limit))
}

func memoryLine(m *lightningdb.Metrics) string {
	return labelled("memory", usage(m.MemoryUsed, m.MemoryLimit)+" "+units.Plural(m.TablesOpen, "open table"))
}

func cacheLine(m *lightningdb.Metrics, r *Rates) string {
	misses := "misses: " + units.Count(m.Cache.Misses)
	if r != nil {
		misses = each(r.Misses) + " misses"
	}
	return labelled("page cache", usage(m.Cache.UsedBytes, m.Cache.LimitBytes)+" "+misses)
}

func memtableLine(m *lightningdb.Metrics) string {
	return labelled("memtables", fmt.Sprintf("%d active, %d frozen: %s in %s, holding %s", m.Memtable.Active,
		m.Memtable.Frozen, units.Bytes(m.Memtable.Bytes), units.Plural(m.Memtable.Entries, "entry"),
		units.Bytes(m.Memtable.HeldBytes)))
}

func logLine(m *lightningdb.Metrics) string {
	return labelled("log", fmt.Sprintf("%s, %s; %s written for each byte committed", units.Plural(m.Log.Segments,
		"segment"), units.Bytes(m.Log.Bytes), amplification(m)))
}

func amplification(m *lightningdb.Metrics) string {
	if m.WriteAmplification == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.1f", m.WriteAmplification)
}

func transactionLine(m *lightningdb.Metrics, r *Rates) string {
	t := &m.Transactions
	text := fmt.Sprintf("%s, %s, %s, %s", units.Plural(t.Conflicts, "conflict"), units.Plural(t.LockWaits, "lock wait"),
		units.Plural(t.Deadlocks, "deadlock"), units.Plural(t.Timeouts, "timeout"))
	if r != nil {
		text = fmt.Sprintf("%s conflicts, %s lock waits", each(r.Conflicts), each(r.LockWaits))
	}
	text += fmt.Sprintf("; %d waiting", t.Waiting)
	if t.OldestLock > 0 {
		text += fmt.Sprintf(", the oldest lock %s", age(t.OldestLock))
	}
	return labelled("transactions", text)
}

func readerLine(m *lightningdb.Metrics) string {
	if m.Snapshots+m.Iterators == 0 {
		return labelled("readers", "none")
	}
	text := fmt.Sprintf("%s, %s; the oldest %s", units.Plural(m.Snapshots, "snapshot"),
		units.Plural(m.Iterators, "cursor"), age(m.OldestReader))
	if m.PinnedFiles > 0 {
		text += fmt.Sprintf("; holding %s (%s)", units.Bytes(m.PinnedBytes), units.Plural(m.PinnedFiles, "file"))
	}
	return labelled("readers", text)
}

// reader is one of those that are known because they are traced.
func reader(r metrics.Reader) string {
	who, _, _ := strings.Cut(r.Stack, "\n")
	return strings.TrimSpace(fmt.Sprintf("%-11s %8s  commit %s  %s", r.Kind, age(r.Age), units.Count(r.Sequence), who))
}

func diskLine(m *lightningdb.Metrics) string {
	return labelled("disk", fmt.Sprintf("%s, about %s of them live; %s", units.Bytes(m.DiskBytes),
		units.Bytes(m.LiveBytes), units.Plural(m.ObsoleteFiles, "obsolete file")))
}

// valueLines are what value files hold; none without any.
func valueLines(m *lightningdb.Metrics) []string {
	if m.Values.Files == 0 {
		return nil
	}
	return []string{labelled("value files", picture.Values(*m))}
}

// limitLines are what a disk limit makes of the disk; none without one.
func limitLines(m *lightningdb.Metrics) []string {
	d := &m.Disk
	if d.Limit == 0 {
		return nil
	}
	text := usage(m.DiskBytes, d.Limit) + " "
	switch {
	case d.Refusing != "":
		text += "only deletes: " + d.Refusing
	case d.Reserve == 0:
		text += "the reserve is spent"
	default:
		text += "reserve " + units.Bytes(d.Reserve)
	}
	if d.Refused > 0 {
		text += fmt.Sprintf("; %s refused", units.Count(d.Refused))
	}
	return []string{labelled("disk limit", text)}
}

// archiveLines are how far the archive is, and why it does not go on; none without one.
func archiveLines(m *lightningdb.Metrics) []string {
	a := &m.Archive
	if *a == (metrics.Archive{}) {
		return nil
	}
	text := fmt.Sprintf("up to %s, %s behind with %s; %s in %s", units.Count(a.Sequence), age(a.Lag),
		units.Plural(a.LagOperations, "operation"), units.Bytes(int64(a.Bytes)), units.Plural(a.Pieces, "piece"))
	if a.Failures > 0 {
		text += "; " + units.Plural(a.Failures, "failure")
	}
	if a.Gaps > 0 {
		text += "; " + units.Plural(a.Gaps, "GAP")
	}
	lines := []string{labelled("archive", text)}
	if a.LastError != "" {
		lines = append(lines, labelled("", "FAILS: "+strings.Join(strings.Fields(a.LastError), " ")))
	}
	return lines
}

// scrubLines are what a scrub does and has found; none without one.
func scrubLines(m *lightningdb.Metrics) []string {
	s := &m.Scrub
	if s.Total == 0 && s.Passes == 0 {
		return nil
	}
	text := usage(s.Done, s.Total) + " " + units.Plural(s.Passes, "full round")
	if s.Damaged == 0 {
		return []string{labelled("scrub", text+", no damage")}
	}
	lines := []string{labelled("scrub", text+", DAMAGE in "+units.Plural(s.Damaged, "table"))}
	for _, f := range s.Found {
		lines = append(lines, labelled("", f.Damage))
	}
	return lines
}
