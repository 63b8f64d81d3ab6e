package metrics

import "lightningdb/internal/system/latency"

type (
	// Latencies tells how long calls took that succeeded. Each of its fields is a Latency: Commit of Put, Write,
	// Commit and their like, from call to return; Sync of each sync of the log that commits, or Close, waited for, and of
	// each segment that a flush has ended; Get of reads of single keys, as far as they read the database; Scan of the
	// steps of cursors and loops; Flush and Compaction of each. They are since Open, and those of m.Since(earlier) since
	// the Latencies earlier.
	Latencies = latency.Metrics

	// Latency sums up calls of one kind: their Count (uint64), an estimate where one that was measured counts for
	// several; Mean, Max and P50, P99 and P999, which half of them, 99 % and 99.9 % did not exceed (time.Duration); and
	// Buckets ([]LatencyBucket), the fastest first. Max is exact, a quantile up to 12.5 % too high, Mean up to 6.25 % off.
	// All of it is 0 if there was no call.
	Latency = latency.Summary

	// LatencyBucket is the Count (uint64) of calls that took up to UpTo (time.Duration), longer than the bucket before.
	LatencyBucket = latency.Bucket
)
