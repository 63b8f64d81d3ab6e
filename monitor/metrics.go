package monitor

import (
	"errors"
	"math/bits"
	"net/http"
	"time"

	"lightningdb"
	"lightningdb/metrics"
)

// These are short, because every line of the tables below has one.
const (
	counter = Counter
	gauge   = Gauge
)

// figure is a metric of one sample.
type figure struct {
	name  string // without lightning_ and _total
	kind  Kind
	help  string
	value func(m *metrics.Metrics) float64
}

// is is 1 for true, as gauges tell it.
func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// figures are the metrics of one sample, in the order of lightningdb.Metrics. A name is never changed or removed.
var figures = []figure{
	{"open", gauge, "1 while the database is open, 0 once it is closed.",
		func(m *metrics.Metrics) float64 { return is(!errors.Is(m.BackgroundError, lightningdb.ErrClosed)) }},
	{"background_error", gauge, "1 if writes have stopped, or background work is held up, or the database is closed.",
		func(m *metrics.Metrics) float64 { return is(m.BackgroundError != nil) }},

	{"sequence", gauge, "Sequence number of the newest commit.",
		func(m *metrics.Metrics) float64 { return float64(m.Sequence) }},
	{"durable_sequence", gauge, "Every commit up to this one is known to survive a power cut.",
		func(m *metrics.Metrics) float64 { return float64(m.DurableSequence) }},
	{"oldest_sequence", gauge, "Oldest state that a reader keeps.",
		func(m *metrics.Metrics) float64 { return float64(m.OldestSequence) }},
	{"oldest_readable_sequence", gauge, "This state and every later one can be read.",
		func(m *metrics.Metrics) float64 { return float64(m.OldestReadable) }},
	{"snapshots", gauge, "Open snapshots and transactions.",
		func(m *metrics.Metrics) float64 { return float64(m.Snapshots) }},
	{"iterators", gauge, "Open cursors and loops.",
		func(m *metrics.Metrics) float64 { return float64(m.Iterators) }},
	{"oldest_reader_seconds", gauge, "Age of the oldest open snapshot, transaction, cursor or loop.",
		func(m *metrics.Metrics) float64 { return m.OldestReader.Seconds() }},
	{"commits", counter, "Commits.",
		func(m *metrics.Metrics) float64 { return float64(m.Commits) }},
	{"operations", counter, "Operations in commits.",
		func(m *metrics.Metrics) float64 { return float64(m.Operations) }},

	{"value_files", gauge, "Files with large values.",
		func(m *metrics.Metrics) float64 { return float64(m.Values.Files) }},
	{"value_bytes", gauge, "Size of the value files.",
		func(m *metrics.Metrics) float64 { return float64(m.Values.Bytes) }},
	{"value_garbage_bytes", gauge, "Bytes of value files that wait to be reclaimed.",
		func(m *metrics.Metrics) float64 { return float64(m.Values.Garbage) }},
	{"range_tombstones", gauge, "What deletes of ranges have left, and what hides something yet, or may.",
		func(m *metrics.Metrics) float64 { return float64(m.RangeTombstones) }},
	{"disk_bytes", gauge, "Size of all files of the database.",
		func(m *metrics.Metrics) float64 { return float64(m.DiskBytes) }},
	{"free_disk_bytes", gauge, "Free space of the file system, for this program; 0 if it does not tell.",
		func(m *metrics.Metrics) float64 { return float64(m.FreeBytes) }},
	{"live_bytes", gauge, "Size of the last level: about what the data takes once compacted.",
		func(m *metrics.Metrics) float64 { return float64(m.LiveBytes) }},
	{"disk_limit_bytes", gauge, "Options.DiskLimit; 0 for none.",
		func(m *metrics.Metrics) float64 { return float64(m.Disk.Limit) }},
	{"disk_reserve_bytes", gauge, "Size of the reserve under the disk limit; 0 while it is spent.",
		func(m *metrics.Metrics) float64 { return float64(m.Disk.Reserve) }},
	{"disk_refusing", gauge, "1 while writes that add anything are refused or wait for space.",
		func(m *metrics.Metrics) float64 { return is(m.Disk.Refusing != "") }},
	{"disk_refused", counter, "Writes that were refused for lack of space, on the disk or under its limit.",
		func(m *metrics.Metrics) float64 { return float64(m.Disk.Refused) }},
	{"scrub_passes", counter, "Passes of the scrub that came to their end.",
		func(m *metrics.Metrics) float64 { return float64(m.Scrub.Passes) }},
	{"scrub_done_bytes", gauge, "Bytes that the present or last pass of the scrub has read.",
		func(m *metrics.Metrics) float64 { return float64(m.Scrub.Done) }},
	{"scrub_size_bytes", gauge, "Bytes that the present or last pass of the scrub reads in all.",
		func(m *metrics.Metrics) float64 { return float64(m.Scrub.Total) }},
	{"scrub_damaged_tables", gauge, "Tables in which the scrub has found damage.",
		func(m *metrics.Metrics) float64 { return float64(m.Scrub.Damaged) }},
	{"archive_lag_seconds", gauge, "For how long the oldest durable commit that is not archived has waited.",
		func(m *metrics.Metrics) float64 { return m.Archive.Lag.Seconds() }},
	{"archive_lag_commits", gauge, "Operations of commits that are not archived.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.LagOperations) }},
	{"archive_held_bytes", gauge, "Log that only the archive needs.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.HeldBytes) }},
	{"archive_sequence", gauge, "Newest sequence number that is archived, with everything before it.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.Sequence) }},
	{"archive_pieces", counter, "Pieces that were archived.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.Pieces) }},
	{"archive_bytes", counter, "Bytes of pieces that were archived.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.Bytes) }},
	{"archive_failures", counter, "Attempts to archive that failed; each is made again.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.Failures) }},
	{"archive_gaps", counter, "How often the log did not lead on, and the archive began anew with a base.",
		func(m *metrics.Metrics) float64 { return float64(m.Archive.Gaps) }},

	{"memory_used_bytes", gauge, "Memory of memtables, caches, open tables, buffers and large transactions.",
		func(m *metrics.Metrics) float64 { return float64(m.MemoryUsed) }},
	{"memory_limit_bytes", gauge, "Options.MemoryLimit.",
		func(m *metrics.Metrics) float64 { return float64(m.MemoryLimit) }},
	{"memtables_active", gauge, "Memtables that are written to.",
		func(m *metrics.Metrics) float64 { return float64(m.Memtable.Active) }},
	{"memtables_frozen", gauge, "Memtables that wait to be flushed.",
		func(m *metrics.Metrics) float64 { return float64(m.Memtable.Frozen) }},
	{"memtable_entries", gauge, "Entries in memtables.",
		func(m *metrics.Metrics) float64 { return float64(m.Memtable.Entries) }},
	{"memtable_bytes", gauge, "Bytes written to memtables.",
		func(m *metrics.Metrics) float64 { return float64(m.Memtable.Bytes) }},
	{"memtable_held_bytes", gauge, "Memory that memtables take, spare ones included.",
		func(m *metrics.Metrics) float64 { return float64(m.Memtable.HeldBytes) }},
	{"cache_used_bytes", gauge, "Memory of cached pages.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.UsedBytes) }},
	{"cache_limit_bytes", gauge, "Memory that cached pages may take at present.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.LimitBytes) }},
	{"row_cache_bytes", gauge, "Memory of cached rows.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.RowBytes) }},
	{"cache_misses", counter, "Pages that were not in the cache.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.Misses) }},
	{"cache_evictions", counter, "Pages that had to leave the cache.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.Evictions) }},
	{"cache_read_bytes", counter, "Bytes of tables read because they were not in the cache.",
		func(m *metrics.Metrics) float64 { return float64(m.Cache.ReadBytes) }},
	{"tables_open", gauge, "Open tables.",
		func(m *metrics.Metrics) float64 { return float64(m.TablesOpen) }},

	{"conflicts", counter, "Commits refused with ErrConflict.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.Conflicts) }},
	{"lock_waits", counter, "Times that a transaction or write found a key locked, and waited.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.LockWaits) }},
	{"deadlocks", counter, "Waits for a lock refused with ErrDeadlock.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.Deadlocks) }},
	{"lock_timeouts", counter, "Waits for a lock ended with ErrLockTimeout.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.Timeouts) }},
	{"large_transactions", counter, "Commits that did not fit into memory.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.Large) }},
	{"lock_waiters", gauge, "Transactions and writes that wait for a lock.",
		func(m *metrics.Metrics) float64 { return float64(m.Transactions.Waiting) }},
	{"oldest_lock_seconds", gauge, "For how long the lock that is held longest has been held.",
		func(m *metrics.Metrics) float64 { return m.Transactions.OldestLock.Seconds() }},

	{"log_segments", gauge, "Segments of the write-ahead log.",
		func(m *metrics.Metrics) float64 { return float64(m.Log.Segments) }},
	{"log_bytes", gauge, "Size of the segments in use.",
		func(m *metrics.Metrics) float64 { return float64(m.Log.Bytes) }},
	{"log_appends", counter, "Writes to the log; one may carry many commits.",
		func(m *metrics.Metrics) float64 { return float64(m.Log.Appends) }},
	{"log_syncs", counter, "Times that commits or the interval asked for a sync.",
		func(m *metrics.Metrics) float64 { return float64(m.Log.Syncs) }},
	{"log_written_bytes", counter, "Bytes of batches written to the log.",
		func(m *metrics.Metrics) float64 { return float64(m.Log.BytesWritten) }},

	{"events", counter, "Events that the listener and the logger were told of.",
		func(m *metrics.Metrics) float64 { return float64(m.Events.Told) }},
	{"events_dropped", counter, "Events that were dropped because too many waited.",
		func(m *metrics.Metrics) float64 { return float64(m.Events.Dropped) }},
	{"slow_operations", counter, "Operations that took longer than Options.Events.SlowOperation.",
		func(m *metrics.Metrics) float64 { return float64(m.Events.Slow) }},
	{"damaged_files", counter, "Files in which damage was found since the database was opened.",
		func(m *metrics.Metrics) float64 { return float64(m.Events.Damaged) }},
	{"backups", counter, "Backups that were completed.",
		func(m *metrics.Metrics) float64 { return float64(m.Backups.Count) }},
	{"backup_failures", counter, "Backups that were not completed.",
		func(m *metrics.Metrics) float64 { return float64(m.Backups.Failed) }},
	{"last_backup_timestamp_seconds", gauge, "When the last backup was completed, as Unix time; 0 if none was since Open.",
		func(m *metrics.Metrics) float64 {
			if m.Backups.Last.IsZero() {
				return 0
			}
			return float64(m.Backups.Last.UnixMilli()) / 1000
		}},
	{"last_backup_seconds", gauge, "How long the last backup took.",
		func(m *metrics.Metrics) float64 { return m.Backups.LastTook.Seconds() }},
	{"last_backup_bytes", gauge, "Bytes that the last backup has written.",
		func(m *metrics.Metrics) float64 { return float64(m.Backups.LastBytes) }},
	{"last_backup_sequence", gauge, "Sequence number of the newest commit in the last backup.",
		func(m *metrics.Metrics) float64 { return float64(m.Backups.LastCommit) }},

	{"compaction_waits", gauge, "1 while a compaction is due once a burst of writes is over.",
		func(m *metrics.Metrics) float64 { return is(m.CompactionWaits) }},
	{"stalls", counter, "Waits of single commits for flushes and compactions.",
		func(m *metrics.Metrics) float64 { return float64(m.Stall.Count) }},
	{"stall_seconds", counter, "Time in which at least one commit waited.",
		func(m *metrics.Metrics) float64 { return m.Stall.Duration.Seconds() }},
	{"write_amplification_ratio", gauge, "Bytes written to log and tables for each byte of commits.",
		func(m *metrics.Metrics) float64 { return m.WriteAmplification }},
	{"obsolete_files", gauge, "Files that are no part of the newest state.",
		func(m *metrics.Metrics) float64 { return float64(m.ObsoleteFiles) }},
	{"pinned_files", gauge, "Obsolete files that readers hold.",
		func(m *metrics.Metrics) float64 { return float64(m.PinnedFiles) }},
	{"pinned_bytes", gauge, "Size of the obsolete files that readers hold.",
		func(m *metrics.Metrics) float64 { return float64(m.PinnedBytes) }},
}

// works are the metrics of flushes and of compactions.
var works = []struct {
	name, noun string
	of         func(m *metrics.Metrics) metrics.Work
}{
	{"flush", "flushes", func(m *metrics.Metrics) metrics.Work { return m.Flush }},
	{"compaction", "compactions", func(m *metrics.Metrics) metrics.Work { return m.Compaction }},
}

// workFigures are the metrics of one of them; the names begin with its name.
var workFigures = []struct {
	name  string
	kind  Kind
	help  string
	value func(w metrics.Work) float64
}{
	{"runs", counter, "Number of", func(w metrics.Work) float64 { return float64(w.Count) }},
	{"read_bytes", counter, "Bytes of tables read by",
		func(w metrics.Work) float64 { return float64(w.BytesRead) }},
	{"written_bytes", counter, "Bytes of tables written by",
		func(w metrics.Work) float64 { return float64(w.BytesWritten) }},
	{"seconds", counter, "Time of", func(w metrics.Work) float64 { return w.Duration.Seconds() }},
	{"running", gauge, "Present number of", func(w metrics.Work) float64 { return float64(w.Running) }},
	{"done_bytes", gauge, "Bytes of keys and values done by running",
		func(w metrics.Work) float64 { return float64(w.Done) }},
	{"size_bytes", gauge, "Bytes of keys and values to be done in all, about, by running",
		func(w metrics.Work) float64 { return float64(w.Total) }},
}

// levelFigures are the metrics with a sample for each level.
var levelFigures = []struct {
	name, help string
	value      func(l metrics.Level) float64
}{
	{"level_tables", "Tables of the level.", func(l metrics.Level) float64 { return float64(l.Tables) }},
	{"level_bytes", "Size of the level's tables.", func(l metrics.Level) float64 { return float64(l.Bytes) }},
	{"level_value_bytes", "Bytes of value files that the level's tables refer to.",
		func(l metrics.Level) float64 { return float64(l.Values) }},
	{"level_entries", "Entries of the level.", func(l metrics.Level) float64 { return float64(l.Entries) }},
	{"level_tombstones", "Tombstones of the level.",
		func(l metrics.Level) float64 { return float64(l.Tombstones) }},
	{"level_target_bytes", "Size above which the level is compacted; 0 if it is not in use.",
		func(l metrics.Level) float64 { return float64(l.Target) }},
	{"level_score_ratio", "How urgent the level's compaction is; from 1 on it is due.",
		func(l metrics.Level) float64 { return l.Score }},
}

// latencies are the histograms.
var latencies = []struct {
	name, help string
	of         func(m *metrics.Metrics) metrics.Latency
}{
	{"commit_latency_seconds", "How long commits took that succeeded.",
		func(m *metrics.Metrics) metrics.Latency { return m.Latency.Commit }},
	{"sync_latency_seconds", "How long syncs of the log took that commits waited for.",
		func(m *metrics.Metrics) metrics.Latency { return m.Latency.Sync }},
	{"get_latency_seconds", "How long reads of one key took; one in 256 is measured, and counts for 256.",
		func(m *metrics.Metrics) metrics.Latency { return m.Latency.Get }},
	{"scan_step_latency_seconds", "How long steps of cursors and loops took to entries that are not at hand; one in 16 " +
		"is measured, and counts for 16.", func(m *metrics.Metrics) metrics.Latency { return m.Latency.Scan }},
	{"flush_latency_seconds", "How long flushes took that succeeded.",
		func(m *metrics.Metrics) metrics.Latency { return m.Latency.Flush }},
	{"compaction_latency_seconds", "How long compactions took that succeeded.",
		func(m *metrics.Metrics) metrics.Latency { return m.Latency.Compaction }},
}

// showMetrics answers /metrics.
func (m *Monitor) showMetrics(w http.ResponseWriter, r *http.Request) {
	e := &exposition{open: prefersOpen(r.Header.Get("Accept"))}
	families, err := m.Families(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	for i := range families {
		e.family(&families[i])
	}
	contentType := textType
	if e.open {
		contentType = openType
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Vary", "Accept")
	w.Write(e.end()) // whoever has gone does not want it
}

// allLevels is levels, and empty ones for those that earlier answers had.
func (m *Monitor) allLevels(levels []metrics.Level) []metrics.Level {
	for {
		had := m.levels.Load()
		if int64(len(levels)) <= had || m.levels.CompareAndSwap(had, int64(len(levels))) {
			break
		}
	}
	all := append([]metrics.Level(nil), levels...)
	for n := len(all); int64(n) < m.levels.Load(); n++ {
		all = append(all, metrics.Level{Level: n})
	}
	return all
}

// The bounds of the histograms, as powers of two, in nanoseconds. The database's buckets end there, so none has to be
// divided.
const (
	firstBound = 8
	lastBound  = 34
)

// middleOf is the middle, in seconds, of the bucket that ends with upTo. From 16 ns on a power of two is divided into
// eight buckets; below, each nanosecond has its own.
func middleOf(upTo time.Duration) float64 {
	width := time.Duration(1) << max(bits.Len64(uint64(upTo))-4, 0)
	return float64(upTo-(width-1)/2) / 1e9
}
