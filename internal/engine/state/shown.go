package state

import (
	"lightningdb/internal/tree"
	"lightningdb/metrics"
)

// MemtablesOf is what m says of memtables.
func MemtablesOf(m tree.Metrics) metrics.Memtables {
	return metrics.Memtables{
		Active: m.Active, Frozen: m.Frozen, Entries: m.MemtableRows, Bytes: m.MemtableUsed, HeldBytes: m.MemtableHeld,
	}
}

// Log is what m says of the log.
func (m *Metrics) Log() metrics.Log {
	return metrics.Log{
		Segments: m.LogSegments, Bytes: m.LogBytes, Appends: m.Appends, Syncs: m.Syncs, BytesWritten: m.AppendBytes,
	}
}

// Transactions is what m says of transactions.
func (m *Metrics) Transactions() metrics.Transactions {
	return metrics.Transactions{
		Conflicts: m.Conflicts, LockWaits: m.LockWaits, Deadlocks: m.Deadlocks, Timeouts: m.LockTimeouts, Large: m.Ingests,
		Waiting: m.Locks.Waiters, OldestLock: m.Locks.Oldest,
	}
}
