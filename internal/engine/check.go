package engine

import (
	"bytes"
	"errors"
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/tree/merge"
)

// ErrConflict refuses a commit: something that the transaction read was written by a commit after its snapshot.
var ErrConflict = errors.New("another commit changed what the transaction read; run it again")

// blockedError refuses a commit that writes a key which another transaction has locked.
type blockedError struct{ key []byte }

func (e *blockedError) Error() string { return fmt.Sprintf("another transaction has locked %q", e.key) }

// Check implements commit.Env. The tree itself tells what was written since the snapshot; nothing else is kept for it.
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
	return w.refuse(w.unchangedIn(r.Snapshot, r.Reads))
}

// refuse counts a commit that err refuses.
func (e *Engine) refuse(err error) error {
	if errors.Is(err, ErrConflict) {
		e.stats.conflicts.Add(1)
	}
	return err
}

// unchangedIn is unchanged since s, for as long as s held what the answer rests on.
func (e *Engine) unchangedIn(s commit.Snapshot, reads *txn.Reads) error {
	if err := e.unchanged(reads, s.Seq()); err != nil {
		return err
	}
	return s.Check()
}

// unchanged returns ErrConflict if any of reads has a version newer than since, at or below the visible sequence number
// at the time of the call. While a snapshot is held at since, every such version or a newer one of its key is in the
// tree: a job may drop a tombstone that hides nothing only if no reader stands below it.
func (e *Engine) unchanged(reads *txn.Reads, since key.SeqNum) error {
	if key.SeqNum(e.visible.Load()) == since || reads.Empty() {
		return nil
	}
	v := e.acquireView()
	if v == nil {
		return ErrClosed
	}
	defer e.unref(v)
	for k := range reads.Keys() {
		if changed, err := e.keyChanged(v, k, since); changed || err != nil {
			return conflictOr(err)
		}
	}
	for _, s := range reads.Spans() {
		if changed, err := e.spanChanged(v, s, since); changed || err != nil {
			return conflictOr(err)
		}
	}
	return nil
}

func conflictOr(err error) error {
	if err != nil {
		return fmt.Errorf("check for conflicts: %w", err)
	}
	return ErrConflict
}

// keyChanged reports whether the tree of v has a version of k that is newer than since.
func (e *Engine) keyChanged(v *view, k txn.ReadKey, since key.SeqNum) (bool, error) {
	for _, m := range v.mems {
		if newest := m.Find(k.User, k.Hash, key.MaxSeqNum); newest.Exists() {
			return newest.Trailer().Seq() > since, nil // runs are newest first
		}
	}
	for i := range v.runs {
		t := v.runs[i].find(k.User)
		if t == nil || t.meta.LargestSeq <= since {
			continue
		}
		if changed, err := e.tableHas(t, keySpan(k.User), since, anyVersion); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}

// keySpan is the span that holds user alone.
func keySpan(user []byte) txn.Span { return txn.Span{Lo: user, Hi: append(bytes.Clone(user), 0)} }

// spanChanged reports whether the tree of v has a version in s that is newer than since, and not a tombstone where there was
// nothing to remove, as far as that is known.
func (e *Engine) spanChanged(v *view, s txn.Span, since key.SeqNum) (bool, error) {
	for lo, hi := range e.gaps.Outside(s.Lo, s.Hi, since) {
		changed, err := e.spanHas(v, txn.Span{Lo: lo, Hi: hi}, since, anyVersion)
		if changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}

func anyVersion(key.Trailer) bool { return true }

// spanHas reports whether the tree of v has a version in s that is newer than since and of those wanted.
func (e *Engine) spanHas(v *view, s txn.Span, since key.SeqNum, wanted func(key.Trailer) bool) (bool, error) {
	for _, m := range v.mems {
		if m.Count() == 0 {
			continue
		}
		if has, err := e.runHas(m.NewIterator(), s, since, wanted); has || err != nil {
			return has, err
		}
	}
	for _, r := range v.runs {
		for _, t := range r.within(s.Lo, s.Hi) {
			if t.meta.LargestSeq <= since {
				continue
			}
			if has, err := e.tableHas(t, s, since, wanted); has || err != nil {
				return has, err
			}
		}
	}
	return false, nil
}

func (e *Engine) tableHas(t *tableRef, s txn.Span, since key.SeqNum, wanted func(key.Trailer) bool) (bool, error) {
	var it tableIterator
	if err := it.reset(e, t); err != nil {
		return false, err
	}
	return e.runHas(&it, s, since, wanted)
}

// runHas reports whether the run has a version in s that is newer than since and of those wanted. It closes the run.
func (e *Engine) runHas(run merge.Iterator, s txn.Span, since key.SeqNum, wanted func(key.Trailer) bool) (
	has bool, err error) {
	looked := int64(0)
	defer func() {
		e.stats.checked.Add(looked)
		err = join.Errors(err, run.Close())
	}()
	for ok := run.SeekGE(key.SeekTo(s.Lo, key.MaxSeqNum)); ok; ok = run.Next() {
		looked++
		k := run.Key()
		if s.Hi != nil && bytes.Compare(k.User, s.Hi) >= 0 {
			return false, nil
		}
		if k.Trailer.Seq() > since && wanted(k.Trailer) {
			return true, nil
		}
	}
	return false, run.Err()
}
