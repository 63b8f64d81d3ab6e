package lightningdb

import (
	"fmt"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/transaction"
)

// Snapshot is the database at one moment. It stays readable, unchanged, until Close. Its methods may be called from any
// number of goroutines.
type Snapshot struct {
	held *engine.Snapshot
	forgets
}

// Snapshot returns a snapshot of everything committed so far. Close it when done: until then the versions it sees stay
// on disk.
func (db *DB) Snapshot() *Snapshot { return newSnapshot(db.engine) }

// newSnapshot returns a snapshot in one piece of memory with what it holds.
func newSnapshot(h transaction.Holder) *Snapshot {
	s := new(struct {
		public Snapshot
		memory engine.Snapshot
	})
	h.Hold(&s.memory, origin.Snapshot)
	s.public.held = &s.memory
	return &s.public
}

// Close ends the snapshot with its cursors and loops, and what they hold is given back. Further calls do nothing and
// return nil.
func (s *Snapshot) Close() error {
	s.held.Close()
	return nil
}

// At returns a snapshot of the database as it was right after the commit with sequence number seq: one that
// Batch.Sequence, Snapshot.Sequence, Tx.Sequence or Metrics.Sequence has told (in between two of them lie the single
// operations of a commit). Options.Retain says how far back; without it only the newest state, and those that other
// snapshots hold, are sure to be there. Close it when done.
//
// ErrSnapshotExpired says that the state is no longer kept, ErrFutureSequence that nothing has been committed there
// yet.
func (db *DB) At(seq uint64) (*Snapshot, error) {
	held, err := db.engine.SnapshotAt(key.SeqNum(seq))
	if err != nil {
		return nil, fmt.Errorf("snapshot of the past: %w", err)
	}
	return &Snapshot{held: held}, nil
}

// Sequence is the number of the newest commit that the snapshot sees.
func (s *Snapshot) Sequence() uint64 { return uint64(s.held.Seq()) }

// Get returns a copy of the value of key, or ErrNotFound.
func (s *Snapshot) Get(key []byte) ([]byte, error) { return transaction.NotNil(s.GetAppend(nil, key)) }

// GetAppend appends the value of key to dst and returns the result; see DB.GetAppend.
func (s *Snapshot) GetAppend(dst, key []byte) ([]byte, error) {
	return transaction.Held{Snapshot: s.held}.Get(dst, key)
}

// Has reports whether key has a value; see DB.Has.
func (s *Snapshot) Has(key []byte) (bool, error) { return transaction.Held{Snapshot: s.held}.Has(key) }

// Range returns the entries with lo <= key < hi. A nil bound is open.
func (s *Snapshot) Range(lo, hi []byte) *Range {
	return newRange(s, space.Space{}, span.Span{Lo: lo, Hi: hi})
}

// Prefix returns the entries whose keys begin with p.
func (s *Snapshot) Prefix(p []byte) *Range { return newRange(s, space.Space{}, span.Prefix(p)) }

// openIterator implements source.
func (s *Snapshot) openIterator(bounds span.Span) (iterator, error) {
	return transaction.Held{Snapshot: s.held}.Open(bounds)
}
