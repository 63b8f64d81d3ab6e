// Package metrics is what DB.Metrics and Follower.Metrics tell of a database: figures of one moment, and sums since
// Open. It holds nothing but data; package monitor shows it to people and to Prometheus. What is told without a unit is
// a number of things. A Metrics does not change any more.
package metrics

import (
	"time"

	"lightningdb/event"
)

// Metrics is the state of a database at one moment, and what it did since Open.
type Metrics struct {
	Sequence        uint64 // of the newest commit
	DurableSequence uint64 // every commit up to this one is known to survive a power cut
	OldestSequence  uint64 // the oldest state that a reader keeps; Sequence if there is no reader
	OldestReadable  uint64 // DB.At finds this state and every later one
	Snapshots       int    // open snapshots and transactions
	Iterators       int    // open cursors and loops

	OldestReader time.Duration // age of the oldest open snapshot, transaction, cursor or loop, up to a second too low
	Readers      []Reader      // the oldest few of them, the oldest first; with Options.TraceReaders only

	Commits    uint64 // since Open
	Operations uint64 // in them

	Levels          []Level
	Values          Values
	DiskBytes       int64 // of all files of the database, also those that are kept for readers or to be used again
	LiveBytes       int64 // bytes of the last level: about what the data takes once compacted
	RangeTombstones int   // that deletes of ranges have left, and that hide something yet, or may
	FreeBytes       int64 // that the file system has for this program; 0 if it does not tell, as for a closed database
	Disk            Disk
	Scrub           Scrub
	Archive         Archive

	MemoryUsed  int64 // bytes of memtables, cached pages and rows, open tables, buffers, and large transactions
	MemoryLimit int64
	Memtable    Memtables
	Cache       Cache
	TablesOpen  int

	Transactions Transactions

	Log        Log
	Flush      Work
	Compaction Work

	Latency Latencies
	Events  event.Counts
	Backups event.Backups

	CompactionWaits bool // a compaction is due when a burst of writes is over

	Stall Stall

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

// Values describes the value files: see Options.ValueThreshold.
type Values struct {
	Files   int
	Bytes   int64
	Garbage int64 // bytes of them that are no part of the newest state of the tables, and wait to be reclaimed
}

// Cache describes the page cache, and the rows that are read over and over.
type Cache struct {
	UsedBytes, LimitBytes int64  // pages; the limit rises when memtables do not need the memory
	RowBytes              int64  // rows
	Misses, Evictions     uint64 // pages, since Open
	ReadBytes             uint64 // since Open: of tables what was not there, of value files all
}

// Reader describes an open snapshot, transaction, cursor or loop.
type Reader struct {
	Kind     string        // snapshot, transaction, or cursor, which may also be a loop
	Age      time.Duration // since it was opened, or since GetForUpdate has moved the transaction to a newer state
	Sequence uint64        // of the state that it keeps
	Opened   time.Time     // by the wall clock; a transaction's beginning
	Stack    string        // who opened it, the innermost caller first: a line each of function, file and line number
}
