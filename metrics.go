package lightningdb

import (
	"time"

	"lightningdb/event"
	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/engine/disk"
	"lightningdb/internal/engine/scrub"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/latency"
)

// Metrics is the state of a database at one moment, and what it did since Open.
type Metrics struct {
	Sequence        uint64 // of the newest commit
	DurableSequence uint64 // every commit up to this one is known to survive a power cut
	OldestSequence  uint64 // the oldest state that a reader keeps; Sequence if there is no reader
	OldestReadable  uint64 // DB.At finds this state and every later one
	Snapshots       int    // open snapshots and transactions
	Iterators       int    // open cursors and loops

	OldestReader time.Duration   // age of the oldest open snapshot, transaction, cursor or loop, up to a second too low
	Readers      []ReaderMetrics // the oldest few of them, the oldest first; with Options.TraceReaders only

	Commits    uint64 // since Open
	Operations uint64 // in them

	Levels          []LevelMetrics
	Values          ValueMetrics
	DiskBytes       int64 // of all files of the database, also those that are kept for readers or to be used again
	LiveBytes       int64 // bytes of the last level: about what the data takes once compacted
	RangeTombstones int   // that deletes of ranges have left, and that hide something yet, or may
	FreeBytes       int64 // that the file system has for this program; 0 if it does not tell, as for a closed database
	Disk            DiskMetrics
	Scrub           ScrubMetrics
	Archive         ArchiveMetrics

	MemoryUsed  int64 // bytes of memtables, cached pages and rows, open tables, buffers, and large transactions
	MemoryLimit int64
	Memtable    MemtableMetrics
	Cache       CacheMetrics
	TablesOpen  int

	Transactions TransactionMetrics

	Log        LogMetrics
	Flush      WorkMetrics
	Compaction WorkMetrics

	Latency LatencyMetrics
	Events  event.Counts
	Backups event.Backups

	CompactionWaits bool // a compaction is due when a burst of writes is over

	Stall StallMetrics

	// WriteAmplification is bytes written to log and tables for each byte written by commits; 0 before the first.
	WriteAmplification float64
	// ObsoleteFiles are no part of the newest state: they wait until no reader needs them, or until they are removed.
	ObsoleteFiles int
	// PinnedFiles are those of them that readers hold, and PinnedBytes their size: they go soon after the cursors and
	// loops that stand still are moved, or closed. What else readers keep is in the levels: see OldestSequence and
	// OldestReader.
	PinnedFiles int
	PinnedBytes int64
	// BackgroundError is why writes stopped or background work is held up, and ErrClosed once the database is closed;
	// nil if nothing of that is so. It is ErrReadOnly, too, if writes have stopped until the database is opened again. In
	// JSON it is its text.
	BackgroundError error
}

// ValueMetrics describes the value files: see Options.ValueThreshold.
type ValueMetrics struct {
	Files   int
	Bytes   int64
	Garbage int64 // bytes of them that are no part of the newest state of the tables, and wait to be reclaimed
}

// CacheMetrics describes the page cache, and the rows that are read over and over.
type CacheMetrics struct {
	UsedBytes, LimitBytes int64  // pages; the limit rises when memtables do not need the memory
	RowBytes              int64  // rows
	Misses, Evictions     uint64 // pages, since Open
	ReadBytes             uint64 // since Open: of tables what was not there, of value files all
}

// ReaderMetrics describes an open snapshot, transaction, cursor or loop.
type ReaderMetrics struct {
	Kind     string        // snapshot, transaction, or cursor, which may also be a loop
	Age      time.Duration // since it was opened, or since GetForUpdate has moved the transaction to a newer state
	Sequence uint64        // of the state that it keeps
	Opened   time.Time     // by the wall clock; a transaction's beginning
	Stack    string        // who opened it, the innermost caller first: a line each of function, file and line number
}

type (
	// MemtableMetrics describes what has not been flushed: how many memtables are Active and Frozen (int), the Entries
	// (int) in them, the Bytes (int64) written to them, and HeldBytes, the memory that they take, spare ones included.
	MemtableMetrics = state.Memtables

	// LogMetrics describes the write-ahead log: its Segments (int) and the Bytes (int64) in all of them; and since Open
	// (uint64) the Appends, each a write of one commit or many, the Syncs that commits or the interval have asked for, and
	// BytesWritten: batches, without the framing of records.
	LogMetrics = state.Log

	// TransactionMetrics counts, since Open, what became of transactions apart from their commits (uint64): the Conflicts,
	// commits refused with ErrConflict, which Update runs again; LockWaits, when one, or a write, found a key locked and
	// waited; of these the Deadlocks, refused with ErrDeadlock, and the Timeouts, ended with ErrLockTimeout; and Large
	// commits, which did not fit into memory. Waiting (int) is how many wait for a lock at present, and OldestLock
	// (time.Duration) for how long the lock that is held longest has been held. Many conflicts mean that the same keys are
	// read and written all the time: GetForUpdate, or Add and its like, spare the repetitions.
	TransactionMetrics = state.Transactions

	// LevelMetrics describes one Level (int) of the tree: its Tables (int); Bytes, and Values, those of value files that
	// its tables refer to; Entries and Tombstones; Target, the bytes above which it is compacted, 0 if it is not in use;
	// Score, how urgent its compaction is: from 1 on it is due, in a burst of writes from 2 on. Level 0 receives flushes,
	// the last level holds most of the data.
	LevelMetrics = engine.LevelState

	// StallMetrics sums up how writers waited for flushes and compactions since Open, also for the space that these return
	// under Options.DiskLimit: Count waits of single commits (uint64), Duration in which at least one commit waited, and
	// the Cause of the latest (string).
	StallMetrics = stats.Stall

	// WorkMetrics sums up flushes or compactions since Open: their Count (uint64); BytesRead and BytesWritten (int64) of
	// tables, a flush reads none; Duration; how many are Running; and how many bytes of keys and values that one has read,
	// Done, and will read in all, about, Total (int64): 0 if none is.
	WorkMetrics = stats.Work

	// DiskMetrics describes what Options.DiskLimit makes of the disk: the Limit, and the Reserve (bytes of the file
	// RESERVE; 0 while it is spent); why writes that add anything are refused, or wait, at present (Refusing, "" if they
	// are not), and how many were, or met a full disk (Refused, uint64). Without that option it is zero, but for Refused.
	DiskMetrics = disk.State

	// ScrubMetrics describes what Options.ScrubRate has read since Open: Passes (uint64) that came to their end; bytes of
	// tables of the present pass, Done, as far as it has read, of Total, or of the last one (int64); in how many something
	// was wrong, Damaged (uint64); Found ([]ScrubDamage). All of it is zero without that option.
	ScrubMetrics = scrub.State

	// ScrubDamage is damage that a scrub has found: the File, the Damage, which is the text of the *CorruptionError or of
	// the error of the medium, and At (time.Time), when. Metrics has that of the first four tables; DB.Verify finds all.
	ScrubDamage = scrub.Found

	// ArchiveMetrics describes what Options.Archive has done since Open: Sequence (uint64) is the newest commit that is
	// archived; Lag (time.Duration) for how long the oldest one that is not has waited, LagOperations (uint64) how many
	// operations such commits have; Pieces, Bytes, Failures and Gaps (uint64) count what was put, and went wrong; LastGap
	// has when the last gap was found of each cause: Lost, Transaction and Fork (time.Time), zero for none; HeldBytes of
	// log are kept for it; Branch is the id of what it goes on with, LastError why it cannot at present.
	ArchiveMetrics = archive.Metrics

	// LatencyMetrics tells how long calls took that succeeded. Each of its fields is a Latency: Commit of Put, Write,
	// Commit and their like, from call to return; Sync of each sync of the log that commits, or Close, waited for, and of
	// each segment that a flush has ended; Get of reads of single keys, as far as they read the database; Scan of the
	// steps of cursors and loops; Flush and Compaction of each. They are since Open, and those of m.Since(earlier) since
	// the LatencyMetrics earlier.
	LatencyMetrics = latency.Metrics

	// Latency sums up calls of one kind: their Count (uint64), an estimate where one that was measured counts for
	// several; Mean, Max and P50, P99 and P999, which half of them, 99 % and 99.9 % did not exceed (time.Duration); and
	// Buckets ([]LatencyBucket), the fastest first. Max is exact, a quantile up to 12.5 % too high, Mean up to 6.25 % off.
	// All of it is 0 if there was no call.
	Latency = latency.Summary

	// LatencyBucket is the Count (uint64) of calls that took up to UpTo (time.Duration), longer than the bucket before.
	LatencyBucket = latency.Bucket
)

// Metrics returns the metrics of this moment. It asks the file system for the size of each file, which takes a
// microsecond or a few for each. Those of a closed database say with BackgroundError that it is, and tell what it did,
// and nothing of what it had.
func (db *DB) Metrics() Metrics { return metricsOf(db.engine.Metrics(), db.archiver.Metrics()) }

func metricsOf(m engine.Metrics, a ArchiveMetrics) Metrics {
	out := treeMetrics(m.Metrics, m.Levels)
	out.Archive = a
	out.DurableSequence = uint64(m.Durable)
	out.Commits, out.Operations = m.Commits, m.Operations
	out.DiskBytes = m.DiskBytes
	out.Disk = m.Disk
	out.Scrub = m.Scrub
	out.MemoryLimit = m.MemoryLimit
	out.Transactions, out.Log = m.Transactions(), m.Log()
	out.Latency.Commit, out.Latency.Sync = latency.Summarize(m.CommitTimes), latency.Summarize(m.SyncTimes)
	out.Latency.Flush, out.Latency.Compaction = latency.Summarize(m.FlushTimes), latency.Summarize(m.CompactionTimes)
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

// treeMetrics is the part of the metrics that a follower has too.
func treeMetrics(m engine.TreeMetrics, levels []engine.LevelState) Metrics {
	cacheBytes := int64(m.Cache.FramesInUse)*int64(m.Cache.FrameSize) + m.Cache.PrivateBytes
	out := Metrics{
		Sequence:       uint64(m.Visible),
		OldestSequence: uint64(m.OldestSeq),
		OldestReadable: uint64(m.Horizon),
		Snapshots:      int(m.Snapshots),
		Iterators:      int(m.Iterators),
		OldestReader:   m.OldestAge,
		MemoryUsed:     m.MemtableHeld + cacheBytes + m.RowBytes + m.OpenBytes + m.BufferBytes + m.WriteBytes,
		Memtable:       state.MemtablesOf(m),
		Cache: CacheMetrics{
			UsedBytes: cacheBytes, LimitBytes: int64(m.Cache.Frames) * int64(m.Cache.FrameSize), RowBytes: m.RowBytes,
			Misses: uint64(m.Cache.Misses), Evictions: uint64(m.Cache.Evictions), ReadBytes: m.ReadBytes,
		},
		TablesOpen: m.OpenTables, RangeTombstones: m.Ranges,
		Latency:       LatencyMetrics{Get: latency.Summarize(m.Gets), Scan: latency.Summarize(m.Scans)},
		ObsoleteFiles: m.Pinned.Count,
		PinnedFiles:   m.Pinned.Count, PinnedBytes: m.Pinned.Bytes,
	}
	if m.Version != nil {
		out.Values.Files, out.Values.Bytes, out.Values.Garbage = engine.ValueFiles(m.Version)
	}
	for _, r := range m.Readers {
		out.Readers = append(out.Readers, ReaderMetrics{
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
