package engine

import (
	"bytes"
	"errors"
	"fmt"

	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/txn"
)

// ErrConflict refuses a commit: something that the transaction read was written by a commit after its snapshot.
var ErrConflict = errors.New("another commit changed what the transaction read; run it again")

// blockedError refuses a commit that writes a key which another transaction has locked.
type blockedError struct{ key []byte }

func (e *blockedError) Error() string { return fmt.Sprintf("another transaction has locked %q", e.key) }

// Check implements commit.Env.
func (w writer) Check(r *commit.Request, before []*commit.Request) error {
	if w.locks.Any() {
		if k, blocked := w.locks.Blocked(r.Owner, r.Batch.Keys()); blocked {
			return &blockedError{bytes.Clone(k)}
		}
	}
	if r.Reads == nil {
		return nil
	}
	for _, b := range before {
		for op := range b.Batch.Ops() {
			if r.Reads.Has(op.Key) {
				return w.refuse(ErrConflict)
			}
		}
	}
	return w.refuse(w.unchangedIn(r.ReadPoint, r.Reads))
}

// refuse counts a commit that err refuses.
func (e *Engine) refuse(err error) error {
	if errors.Is(err, ErrConflict) {
		e.stats.Conflicts.Add(1)
	}
	return err
}

// unchangedIn returns ErrConflict if any of reads has a version newer than s, at or below the visible sequence number
// at the time of the call; the answer counts only while s holds what it rests on.
func (e *Engine) unchangedIn(s commit.ReadPoint, reads *txn.Reads) error {
	if e.tree.Visible() != s.Seq() && !reads.Empty() {
		changed, err := e.changed(reads, s)
		if err != nil {
			return fmt.Errorf("check for conflicts: %w", err)
		}
		if changed {
			return ErrConflict
		}
	}
	return s.Check()
}

func (e *Engine) changed(reads *txn.Reads, s commit.ReadPoint) (bool, error) {
	v := e.tree.Acquire()
	if v == nil {
		return false, ErrClosed
	}
	defer e.tree.Release(v)
	for k := range reads.Keys() {
		if changed, err := e.tree.KeyChanged(v, k.User, k.Hash, s.Seq()); changed || err != nil {
			return changed, err
		}
	}
	for _, r := range reads.Spans() {
		if changed, err := e.tree.SpanChanged(v, r, s.Seq()); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}
