package state

import (
	"time"

	"lightningdb/internal/tree"
)

// Memtables describes what has not been flushed.
type Memtables struct {
	Active, Frozen int   // memtables
	Entries        int   // in them
	Bytes          int64 // written to them
	HeldBytes      int64 // memory they take, spare ones included
}

// MemtablesOf is what m says of memtables.
func MemtablesOf(m tree.Metrics) Memtables {
	return Memtables{
		Active: m.Active, Frozen: m.Frozen, Entries: m.MemtableRows, Bytes: m.MemtableUsed, HeldBytes: m.MemtableHeld,
	}
}

// Log describes the write-ahead log.
type Log struct {
	Segments     int
	Bytes        int64  // in all of them
	Appends      uint64 // writes since Open; one may carry many commits
	Syncs        uint64 // since Open: how often commits or the interval asked for a sync
	BytesWritten uint64 // since Open: batches, without the framing of records
}

// Log is what m says of the log.
func (m *Metrics) Log() Log {
	return Log{
		Segments: m.LogSegments, Bytes: m.LogBytes, Appends: m.Appends, Syncs: m.Syncs, BytesWritten: m.AppendBytes,
	}
}

// Transactions counts, since Open, what became of transactions apart from their commits.
type Transactions struct {
	Conflicts uint64 // commits refused with ErrConflict; Update runs them again
	LockWaits uint64 // times that a transaction or a write found a key locked, and waited
	Deadlocks uint64 // of them, those refused with ErrDeadlock
	Timeouts  uint64 // of them, those ended with ErrLockTimeout
	Large     uint64 // commits that did not fit into memory

	Waiting    int           // transactions and writes that wait for a lock at present
	OldestLock time.Duration // for how long the lock that is held longest has been held; 0 if none is
}

// Transactions is what m says of transactions.
func (m *Metrics) Transactions() Transactions {
	return Transactions{
		Conflicts: m.Conflicts, LockWaits: m.LockWaits, Deadlocks: m.Deadlocks, Timeouts: m.LockTimeouts, Large: m.Ingests,
		Waiting: m.Locks.Waiters, OldestLock: m.Locks.Oldest,
	}
}
