package report

import (
	"cmp"

	"lightningdb/internal/system/latency"
	"lightningdb/metrics"
)

// buckets is those of the latencies that a writer tells others with all their buckets.
type buckets struct{ Commit, Sync, Get latency.Packed }

// take moves the buckets of l here, and drops those of the others, for which there is no room; what they sum up stays.
func (b *buckets) take(l *metrics.Latencies) {
	b.Commit.Take((*latency.Summary)(&l.Commit))
	b.Sync.Take((*latency.Summary)(&l.Sync))
	b.Get.Take((*latency.Summary)(&l.Get))
	l.Scan.Buckets, l.Flush.Buckets, l.Compaction.Buckets = nil, nil, nil
}

// give sets the buckets of l, and what is told by them.
func (b *buckets) give(l *metrics.Latencies) error {
	return cmp.Or(
		b.Commit.Give((*latency.Summary)(&l.Commit)),
		b.Sync.Give((*latency.Summary)(&l.Sync)),
		b.Get.Give((*latency.Summary)(&l.Get)),
	)
}

// latencyOf sums c up.
func latencyOf(c latency.Counts) metrics.Latency { return metrics.Latency(latency.Summarize(c)) }
