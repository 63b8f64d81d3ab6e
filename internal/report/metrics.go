package report

import (
	"lightningdb/internal/engine"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/format/status"
	"lightningdb/metrics"
)

// Of is what an open database tells of its engine and its archiver.
func Of(m engine.Metrics, a metrics.Archive) metrics.Metrics {
	out := OfTree(m.Metrics, m.Levels)
	out.Archive = a
	out.DurableSequence = uint64(m.Durable)
	out.Commits, out.Operations = m.Commits, m.Operations
	out.DiskBytes = m.DiskBytes
	out.Disk = m.Disk
	out.Scrub = m.Scrub
	out.MemoryLimit = m.MemoryLimit
	out.Transactions, out.Log = m.Transactions(), m.Log()
	out.Latency.Commit, out.Latency.Sync = latencyOf(m.CommitTimes), latencyOf(m.SyncTimes)
	out.Latency.Flush, out.Latency.Compaction = latencyOf(m.FlushTimes), latencyOf(m.CompactionTimes)
	out.FreeBytes, out.Events, out.Backups = m.FreeBytes, m.Events, m.Backups
	out.Flush, out.Compaction = m.Flush, m.Compaction
	out.CompactionWaits = m.Waiting
	out.Stall = m.Stall
	out.ObsoleteFiles += m.Obsolete
	out.BackgroundError = status.Failure(m.Failure)
	if m.AppendBytes > 0 {
		written := float64(m.AppendBytes) + float64(m.Flush.BytesWritten) + float64(m.Compaction.BytesWritten)
		out.WriteAmplification = written / float64(m.AppendBytes)
	}
	return out
}

// OfTree is the part of the metrics that a follower has too.
func OfTree(m engine.TreeMetrics, levels []metrics.Level) metrics.Metrics {
	cacheBytes := int64(m.Cache.FramesInUse)*int64(m.Cache.FrameSize) + m.Cache.PrivateBytes
	out := metrics.Metrics{
		Sequence:       uint64(m.Visible),
		OldestSequence: uint64(m.OldestSeq),
		OldestReadable: uint64(m.Horizon),
		Snapshots:      int(m.Snapshots),
		Iterators:      int(m.Iterators),
		OldestReader:   m.OldestAge,
		MemoryUsed:     m.MemtableHeld + cacheBytes + m.RowBytes + m.OpenBytes + m.BufferBytes + m.WriteBytes,
		Memtable:       state.MemtablesOf(m),
		Cache: metrics.Cache{
			UsedBytes: cacheBytes, LimitBytes: int64(m.Cache.Frames) * int64(m.Cache.FrameSize), RowBytes: m.RowBytes,
			Misses: uint64(m.Cache.Misses), Evictions: uint64(m.Cache.Evictions),
			ReadBytes: m.ReadBytes,
		},
		TablesOpen: m.OpenTables, RangeTombstones: m.Ranges,
		Latency:       metrics.Latencies{Get: latencyOf(m.Gets), Scan: latencyOf(m.Scans)},
		ObsoleteFiles: m.Pinned.Count,
		PinnedFiles:   m.Pinned.Count,
		PinnedBytes:   m.Pinned.Bytes,
	}
	if m.Version != nil {
		out.Values.Files, out.Values.Bytes, out.Values.Garbage = engine.ValueFiles(m.Version)
	}
	for _, r := range m.Readers {
		out.Readers = append(out.Readers, metrics.Reader{
			Kind: string(r.Origin.Kind), Age: r.Age, Sequence: uint64(r.Seq), Opened: r.Origin.At, Stack: r.Origin.Stack(),
		})
	}
	out.Levels = levels
	for _, l := range levels {
		if l.Bytes > 0 {
			out.LiveBytes = l.Bytes + l.Values
		}
	}
	return out
}
