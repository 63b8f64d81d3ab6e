// Package conflict decides whether a commit rests on something that another has changed. It owns nothing: the read set
// is its transaction's, the locks are the engine's, and what is newer the tree knows.
package conflict

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/tables"
)

// ErrConflict refuses a commit: something that the transaction read has ended, or a commit after its snapshot wrote it.
var ErrConflict = errors.New("another commit changed what the transaction read; run it again")

// BlockedError refuses a commit that writes a key which another transaction has locked.
type BlockedError struct{ Key []byte }

func (e *BlockedError) Error() string { return fmt.Sprintf("another transaction has locked %q", e.Key) }

// Check is what commits are held against.
type Check struct {
	Locks     *lock.Table
	Tree      *tree.Tree
	Conflicts *atomic.Uint64 // counts what ErrConflict has refused
}

// Commit returns the error that refuses r: a *BlockedError, or ErrConflict. before are the commits of its group that
// come before it.
func (c Check) Commit(r *commit.Request, before []*commit.Request) error {
	if c.Locks.Any() {
		if k, blocked := c.blocked(r); blocked {
			return &BlockedError{bytes.Clone(k)}
		}
	}
	if r.Reads == nil {
		return nil
	}
	for _, b := range before {
		if writes(b.Batch, r.Reads) {
			return c.counted(ErrConflict)
		}
	}
	return c.hold(c.Reads(r.ReadPoint, r.Reads), r.Reads)
}

// hold lets the time of the database stand still for a commit that rests on reads, of which some may end, and that
// nothing refuses any more: err is nil. It is ErrConflict if some have ended. See readers.Time.
func (c Check) hold(err error, reads *txn.Reads) error {
	if end := reads.Ends.End(); err == nil && end != 0 && !c.Tree.Time().Hold(end) {
		return c.counted(ErrConflict)
	}
	return err
}

// Spill returns the error that refuses a commit of s by o, which rests on what was read at a state, as Commit does. The
// locks are looked up in the spill, not the spill in the locks.
func (c Check) Spill(s *tables.Spill, o *lock.Owner, at commit.ReadPoint, reads *txn.Reads) error {
	it := s.NewIterator()
	defer it.Close()
	for _, held := range c.Locks.HeldByOthers(o) {
		if k, meet := s.Deleted().Meet(span.Set{held}); meet {
			return &BlockedError{bytes.Clone(k)}
		}
		if it.SeekGE(key.SeekTo(held.Lo, key.MaxSeqNum)) && held.Contains(it.Key().User) {
			return &BlockedError{bytes.Clone(it.Key().User)}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return c.hold(c.Reads(at, reads), reads)
}

// blocked returns the first key of those that r writes, or of a range that it deletes, that another owner has locked.
func (c Check) blocked(r *commit.Request) (key []byte, blocked bool) {
	if key, blocked = c.Locks.Blocked(r.Owner, r.Batch.Keys()); blocked || r.Batch.Ranges() == 0 {
		return key, blocked
	}
	return c.Locks.BlockedIn(r.Owner, deletedBy(r.Batch))
}

// deletedBy is the ranges that b deletes.
func deletedBy(b *batch.Batch) span.Set {
	if b.Ranges() == 0 {
		return nil
	}
	var deleted []span.Span
	for op := range b.Ops() {
		if op.Kind == key.KindRangeDelete {
			deleted = append(deleted, op.Span())
		}
	}
	return span.Union(deleted)
}

// writes reports whether b changes any of reads.
func writes(b *batch.Batch, reads *txn.Reads) bool {
	for op := range b.Ops() {
		if reads.Has(op.Key) {
			return true
		}
	}
	return reads.Meets(deletedBy(b))
}

// Reads is Unchanged for a commit, which counts if it is refused.
func (c Check) Reads(s commit.ReadPoint, reads *txn.Reads) error {
	return c.counted(c.Unchanged(s, reads))
}

// counted counts a commit that err refuses.
func (c Check) counted(err error) error {
	if errors.Is(err, ErrConflict) {
		c.Conflicts.Add(1)
	}
	return err
}

// Unchanged returns ErrConflict if any of reads has a version newer than s, or lies in a range that was deleted since,
// at or below the visible sequence number at the time of the call; the answer counts only while s holds what it rests
// on.
func (c Check) Unchanged(s commit.ReadPoint, reads *txn.Reads) error {
	if c.Tree.Visible() != s.Seq() && !reads.Empty() {
		changed, err := c.changed(reads, s)
		if err != nil {
			return fmt.Errorf("check for conflicts: %w", err)
		}
		if changed {
			return ErrConflict
		}
	}
	return s.Check()
}

// SameAt is Unchanged, but for ErrConflict if any of reads has ended at now.
func (c Check) SameAt(now key.Time, s commit.ReadPoint, reads *txn.Reads) error {
	if reads.Ends.Passed(now) {
		return ErrConflict
	}
	return c.Unchanged(s, reads)
}

func (c Check) changed(reads *txn.Reads, s commit.ReadPoint) (bool, error) {
	v := c.Tree.Acquire()
	if v == nil {
		return false, calls.ErrClosed
	}
	defer c.Tree.Release(v)
	if reads.Meets(v.Cover(tree.Latest).DeletedSince(s.Seq())) {
		return true, nil
	}
	for k := range reads.Keys() {
		if changed, err := c.Tree.KeyChanged(v, k.User, k.Hash, s.Seq()); changed || err != nil {
			return changed, err
		}
	}
	for _, r := range reads.Spans() {
		if changed, err := c.Tree.SpanChanged(v, r, s.Seq(), reads.Claimed()); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}
