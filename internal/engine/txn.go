package engine

import (
	"lightningdb/internal/key"
	"lightningdb/internal/txn"
)

// Txn is what a transaction's commit rests on: a snapshot, and what was read of it. It belongs to one goroutine at a
// time, and must be closed.
type Txn struct {
	Reads txn.Reads

	engine   *Engine
	snapshot *Snapshot
}

// Begin starts a transaction on the newest published state.
func (e *Engine) Begin() *Txn { return &Txn{engine: e, snapshot: e.Snapshot()} }

// Snapshot is what the transaction reads.
func (t *Txn) Snapshot() *Snapshot { return t.snapshot }

// Seq is the sequence number that the transaction reads at.
func (t *Txn) Seq() key.SeqNum { return t.snapshot.seq }

// Close lets go of the snapshot. Further calls do nothing.
func (t *Txn) Close() { t.snapshot.Close() }
