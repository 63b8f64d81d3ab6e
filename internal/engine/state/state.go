// Package state is what an engine tells of itself: what Open found, and its figures of one moment. Only Reporter
// has a state.
package state

import (
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree"
	"lightningdb/metrics"
)

// Metrics is the state of the engine at one moment.
type Metrics struct {
	tree.Metrics
	Levels          []metrics.Level
	Durable         key.SeqNum // everything up to here survives a power cut
	LogSegments     int
	LogBytes        int64 // bytes in all of them
	Commits         uint64
	Operations      uint64
	Appends         uint64 // group writes to the log
	AppendBytes     uint64 // bytes of batches in them
	Conflicts       uint64 // commits refused because of what they had read
	LockWaits       uint64 // times that a transaction or a commit found a key locked
	Deadlocks       uint64 // of them, those that would not have ended
	LockTimeouts    uint64 // of them, those that took too long
	Locks           lock.State
	Ingests         uint64 // commits of tables, past the log
	Flush           metrics.Work
	Compaction      metrics.Work
	Waiting         bool // a compaction, for the end of a burst of writes
	MemoryLimit     int64
	Syncs           uint64
	CommitTimes     latency.Counts // how long commits took: see stats.Timer
	SyncTimes       latency.Counts // how long commits waited for syncs: see wal.Log.Waits
	FlushTimes      latency.Counts
	CompactionTimes latency.Counts
	Stall           metrics.Stall
	DiskBytes       int64 // of all files of the database
	FreeBytes       int64 // of the file system; 0 if it does not tell
	Events          event.Counts
	Backups         event.Backups
	Disk            metrics.Disk
	Scrub           metrics.Scrub
	Obsolete        int   // files that wait for their removal
	Failure         error // why writes stopped or background work is held up, or ErrClosed; nil if nothing of that
}

// Counted returns what s has counted, up to now.
func Counted(s *stats.Stats, now clock.Instant) Metrics {
	return Metrics{
		Commits:         s.Commits.Load(),
		Operations:      s.Operations.Load(),
		Appends:         s.Appends.Load(),
		AppendBytes:     s.LogBytes.Load(),
		Conflicts:       s.Conflicts.Load(),
		LockWaits:       s.LockWaits.Load(),
		Deadlocks:       s.Deadlocks.Load(),
		LockTimeouts:    s.LockTimeouts.Load(),
		Ingests:         s.Ingests.Load(),
		Flush:           s.Flush.Work(),
		Compaction:      s.Compaction.Work(),
		Waiting:         s.CompactionWaits.Load(),
		Stall:           s.Stall(now),
		CommitTimes:     s.CommitLatencies(),
		FlushTimes:      s.Flush.Times(),
		CompactionTimes: s.Compaction.Times(),
	}
}

// Report is what Open found and did.
type Report struct {
	Created      bool          // there was no database; there is one now
	Segments     int           // log segments replayed
	Records      int64         // commits replayed
	Operations   int64         // operations in them
	LogBytes     int64         // bytes of log read
	TornBytes    int64         // bytes of a write that was under way at the crash, dropped
	LastSequence uint64        // of the newest commit
	FilesRemoved []string      // files that nothing named
	Duration     time.Duration // of the whole Open
}

// EventOf is r as it is told of.
func EventOf(r *Report) event.Opened {
	return event.Opened{Created: r.Created, Records: r.Records, LogBytes: r.LogBytes, TornBytes: r.TornBytes,
		FilesRemoved: len(r.FilesRemoved), Sequence: r.LastSequence, Duration: r.Duration}
}
