package latency

import (
	"cmp"
	"time"
)

// Summary sums up calls of one kind. The figures are those of the buckets into which the calls were sorted: a quantile
// may be up to 12.5 % too high, and the mean 6.25 % off. All of them are 0 if there was no call.
type Summary struct {
	Count          uint64 // calls; an estimate where one that was measured counts for several
	Mean           time.Duration
	P50, P99, P999 time.Duration // what half of the calls did not exceed, 99 %, 99.9 %
	Max            time.Duration // since Open exact, of the calls that were measured
	Buckets        []Bucket      // those with calls in them, the fastest first
}

// Summarize is the summary of c.
func Summarize(c Counts) Summary {
	return Summary{
		Count: c.Number(), Mean: c.Mean(), P50: c.Quantile(500), P99: c.Quantile(990), P999: c.Quantile(999), Max: c.Max,
		Buckets: c.Buckets,
	}
}

// Since is the summary of what s has counted after earlier, which is of the same histogram; see Counts.Since.
func Since(s, earlier Summary) Summary { return Summarize(s.counts().Since(earlier.counts())) }

// counts is what s was made of.
func (s Summary) counts() Counts { return Counts{Buckets: s.Buckets, Max: s.Max} }

// Metrics tells how long calls took that succeeded, since Open or between two moments: see Since.
type Metrics struct {
	// Commit is from the call of Put, Write, Commit and their like to its return, with all that they waited for: room,
	// locks, other commits and the sync. Of a transaction it is the commit of what it wrote, not its function. At Sync
	// durability each commit is measured. At Process one in 16 is, by chance, and counts for 16; those that waited for
	// room or a lock are all measured, from then on, so that the slowest are among them.
	Commit Summary
	// Sync is each sync of the log that commits, or Close, waited for; one sync may carry many commits. Those in the
	// background are not measured.
	Sync Summary
	// Get is Get, GetAppend, Has and their like, of the database, snapshots and transactions, as far as they read the
	// database and not what the transaction wrote. One in 256 is measured, and counts for 256.
	Get Summary
	// Scan is the steps of cursors and loops to entries that are not at hand, of which up to 64 are taken at once. One in
	// 16 is measured, and counts for 16.
	Scan Summary
	// Flush and Compaction are each flush and each compaction that has succeeded.
	Flush, Compaction Summary
}

// Since returns the latencies of the calls after those that earlier, metrics of the same Open, has counted. The maximum
// is a quantile like the others, unless it is that of all calls since Open.
func (m Metrics) Since(earlier Metrics) Metrics {
	return Metrics{
		Commit: Since(m.Commit, earlier.Commit),
		Sync:   Since(m.Sync, earlier.Sync),
		Get:    Since(m.Get, earlier.Get),
		Scan:   Since(m.Scan, earlier.Scan),

		Flush:      Since(m.Flush, earlier.Flush),
		Compaction: Since(m.Compaction, earlier.Compaction),
	}
}

// PackedMetrics is the buckets of those Metrics that a writer tells others with all their buckets.
type PackedMetrics struct{ Commit, Sync, Get Packed }

// Take moves the buckets of m here, and drops those of the others, for which there is no room; what they sum up stays.
func (p *PackedMetrics) Take(m *Metrics) {
	p.Commit.Take(&m.Commit)
	p.Sync.Take(&m.Sync)
	p.Get.Take(&m.Get)
	m.Scan.Buckets, m.Flush.Buckets, m.Compaction.Buckets = nil, nil, nil
}

// Give sets the buckets of m, and what is told by them.
func (p *PackedMetrics) Give(m *Metrics) error {
	return cmp.Or(p.Commit.Give(&m.Commit), p.Sync.Give(&m.Sync), p.Get.Give(&m.Get))
}

// Packed is the buckets of a Summary, as AppendBuckets writes them.
type Packed []byte

// Take moves the buckets of s here.
func (p *Packed) Take(s *Summary) { *p, s.Buckets = AppendBuckets(nil, s.Buckets), nil }

// Give sets the buckets of s, and what is told by them.
func (p Packed) Give(s *Summary) error {
	buckets, err := ParseBuckets(p)
	*s = Summarize(Counts{Buckets: buckets, Max: s.Max})
	return err
}
