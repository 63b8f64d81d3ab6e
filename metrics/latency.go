package metrics

import (
	"time"

	"lightningdb/internal/system/latency"
)

// Latencies tells how long calls took that succeeded, since Open or between two moments: see Since.
type Latencies struct {
	// Commit is from the call of Put, Write, Commit and their like to its return, with all that they waited for: room,
	// locks, other commits and the sync. Of a transaction it is the commit of what it wrote, not its function. At Sync
	// durability each commit is measured. At Process one in 16 is, by chance, and counts for 16; those that waited for
	// room or a lock are all measured, from then on, so that the slowest are among them.
	Commit Latency
	// Sync is each sync of the log that commits, or Close, waited for, and the one that ends a segment before a flush; one
	// sync may carry many commits. Those in the background are not measured.
	Sync Latency
	// Get is Get, GetAppend, Has and their like, of the database, snapshots and transactions, as far as they read the
	// database and not what the transaction wrote. One in 256 is measured, and counts for 256.
	Get Latency
	// Scan is the steps of cursors and loops to entries that are not at hand, of which up to 64 are taken at once. One in
	// 16 is measured, and counts for 16.
	Scan Latency
	// Flush and Compaction are each flush and each compaction that has succeeded.
	Flush, Compaction Latency
}

// Since returns the latencies of the calls after those that earlier, of the same Open, has counted. The maximum is a
// quantile like the others, unless it is that of all calls since Open. It changes neither l nor earlier.
func (l Latencies) Since(earlier Latencies) Latencies {
	return Latencies{
		Commit: l.Commit.since(earlier.Commit),
		Sync:   l.Sync.since(earlier.Sync),
		Get:    l.Get.since(earlier.Get),
		Scan:   l.Scan.since(earlier.Scan),

		Flush:      l.Flush.since(earlier.Flush),
		Compaction: l.Compaction.since(earlier.Compaction),
	}
}

// Latency sums up calls of one kind. The figures are those of the buckets into which the calls were sorted: a quantile
// may be up to 12.5 % too high, and the mean 6.25 % off. All of them are 0 if there was no call.
type Latency struct {
	Count          uint64 // calls; an estimate where one that was measured counts for several
	Mean           time.Duration
	P50, P99, P999 time.Duration   // what half of the calls did not exceed, 99 %, 99.9 %
	Max            time.Duration   // since Open exact, of the calls that were measured
	Buckets        []LatencyBucket // those with calls in them, the fastest first
}

func (l Latency) since(earlier Latency) Latency {
	return Latency(latency.Since(latency.Summary(l), latency.Summary(earlier)))
}

// LatencyBucket is the Count (uint64) of calls that took up to UpTo (time.Duration), longer than the bucket before.
type LatencyBucket = latency.Bucket
