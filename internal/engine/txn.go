package engine

import (
	"context"
	"errors"

	"lightningdb/event"
	"lightningdb/internal/engine/conflict"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/origin"
)

// Txn is what a transaction's commit rests on: a snapshot, what was read of it, and locks. It belongs to one
// goroutine at a time, and must be closed.
//
// Locks are a promise that the check of the commit will pass; the check itself never relies on them. After a lock was
// granted, the transaction must see what the last holder committed. So its snapshot may move forward, if
// everything it has read so far is unchanged: then it is as if it had read all of it later.
type Txn struct {
	Reads *txn.Reads // the owner's

	engine   *Engine
	snapshot *Snapshot
	first    Snapshot // memory for the snapshot that it begins with
	owner    lock.Owner
	locked   bool        // it may hold locks
	keep     func() bool // keeps the locks from going when the context ends; false: they have gone. nil: they stay
}

// Begin makes t, which must be new, a transaction on the newest published state. g is the goroutine that runs it, 0
// if that is not always the same one. It notes in reads, which is empty, what it reads.
func (e *Engine) Begin(t *Txn, reads *txn.Reads, g goroutine.ID) {
	reads.In(&e.reads)
	t.Reads, t.engine, t.owner = reads, e, *lock.NewOwner(uintptr(g))
	e.tree.Hold(&t.first, origin.Transaction)
	t.snapshot, t.owner.Origin = &t.first, t.first.Origin
	t.first.NoteEnds(&reads.Ends)
}

// mayLock prepares for a call that may wait for locks. From then on the end of ctx releases all locks at once,
// whatever the transaction is doing, and whether or not anybody will ever end it.
func (t *Txn) mayLock(ctx context.Context) {
	t.owner.Limit = t.engine.opts.LockTimeout
	if !t.locked && ctx.Done() != nil {
		t.keep = context.AfterFunc(ctx, func() { t.engine.locks.Cancel(&t.owner, ctx.Err()) })
	}
	t.locked = true
}

// keepLocks has the locks stay until t is closed, for a commit, which ends soon. It fails if ctx has ended.
func (t *Txn) keepLocks(ctx context.Context) error {
	if t.keep != nil && !t.keep() {
		return ctx.Err()
	}
	t.keep, t.owner.Limit = nil, t.engine.opts.LockTimeout
	return nil
}

// Snapshot is what the transaction reads.
func (t *Txn) Snapshot() *Snapshot { return t.snapshot }

// Seq is the sequence number that the transaction reads at.
func (t *Txn) Seq() key.SeqNum { return t.snapshot.Seq() }

// Commit is Engine.Commit, but for ErrConflict if anything in t.Reads was written since t's snapshot. It waits for
// locks until ctx ends.
func (t *Txn) Commit(ctx context.Context, b *batch.Batch, sync bool) (key.SeqNum, error) {
	timer := t.engine.stats.BeginCommit(sync)
	return t.untilUnblocked(ctx, &timer, b, func(ctx context.Context) (key.SeqNum, error) {
		return t.engine.commit(ctx, commit.Commit{
			Batch: b, Sync: sync, Reads: t.Reads, ReadPoint: t.snapshot, Owner: &t.owner,
		}, &timer)
	})
}

// BeginSpilled begins to measure a commit of what is too large to go through the log, for CommitSpill.
func (t *Txn) BeginSpilled() stats.Timer { return t.engine.stats.BeginCommit(true) }

// CommitSpill is Commit for what is too large to go through the log: the entries of s, as Ingest commits them.
func (t *Txn) CommitSpill(ctx context.Context, s *Spill, timer stats.Timer) (key.SeqNum, error) {
	return t.untilUnblocked(ctx, &timer, nil, func(ctx context.Context) (key.SeqNum, error) {
		if err := t.engine.paceRanges(ctx, len(s.Deleted()), s.Deleted().Bytes(), &timer); err != nil {
			return 0, err
		}
		return t.engine.ingestUntil(ctx, s, func() error {
			return t.engine.conflicts().Spill(s, &t.owner, t.snapshot, t.Reads)
		})
	})
}

// untilUnblocked calls attempt, which commits b (nil: more than a batch can have), and again after each lock that has
// refused it and that it has waited for. It ends timer.
func (t *Txn) untilUnblocked(ctx context.Context, timer *stats.Timer, b *batch.Batch,
	attempt func(context.Context) (key.SeqNum, error)) (last key.SeqNum, err error) {
	err = t.engine.opts.bus.Traced(ctx, event.Commit, func(ctx context.Context) (err error) {
		last, err = t.attempts(ctx, timer, attempt)
		return err
	})
	t.engine.opts.bus.Committed(timer, b, err)
	t.engine.noteSpace(b, err)
	return last, err
}

func (t *Txn) attempts(ctx context.Context, timer *stats.Timer, attempt func(context.Context) (key.SeqNum, error)) (
	key.SeqNum, error) {
	if err := t.keepLocks(ctx); err != nil {
		return 0, err
	}
	for {
		last, err := attempt(ctx)
		if err == nil {
			t.engine.endCommit(*timer)
			return last, nil
		}
		t.engine.stats.CommitWaits(timer)
		if err := t.unblock(ctx, timer, err); err != nil {
			return 0, err
		}
	}
}

// unblock waits for the lock that has refused a commit. If something else has, it returns err.
func (t *Txn) unblock(ctx context.Context, timer *stats.Timer, err error) error {
	blocked := (*conflict.BlockedError)(nil)
	if !errors.As(err, &blocked) {
		return err
	}
	t.locked = true
	acquire := func() error { return t.engine.acquire(ctx, &t.owner, blocked.Key) }
	return t.engine.stats.Part(timer, stats.Lock, acquire)
}

// Lock makes commits of others that write user wait until t is closed, and sees to it that t reads the newest value of
// it. If that takes a newer snapshot, but something that was read has changed or mayMove is false, the result is
// ErrConflict.
func (t *Txn) Lock(ctx context.Context, user []byte, mayMove bool) error {
	if err := t.engine.Enter(); err != nil {
		return err
	}
	defer t.engine.Leave()
	t.mayLock(ctx)
	if err := t.engine.acquire(ctx, &t.owner, user); err != nil {
		return err
	}
	var wanted txn.Reads
	wanted.AddKey(user, key.Hash(user))
	t.engine.queue.SettleKey(user) // commits that passed their check before the lock was there
	return t.catchUp(&wanted, mayMove)
}

// Prioritize waits for the turn of t to be the one transaction that never loses, as long as it locks whatever it reads.
func (t *Txn) Prioritize(ctx context.Context) error {
	if err := t.engine.Enter(); err != nil {
		return err
	}
	defer t.engine.Leave()
	t.mayLock(ctx)
	err := t.engine.gate.UntilClosed(ctx, func(ctx context.Context) error {
		return t.engine.locks.Prioritize(ctx, &t.owner)
	})
	if err != nil {
		t.engine.stats.NoteLock(err)
		return err
	}
	return t.moveForward()
}

// Protect is Lock for all keys in s, at once: to see them, or to write them. t must have priority.
func (t *Txn) Protect(s span.Span, write bool) error {
	if err := t.engine.Enter(); err != nil {
		return err
	}
	defer t.engine.Leave()
	if err := t.engine.locks.Protect(&t.owner, s); err != nil {
		return err
	}
	var wanted txn.Reads
	if write {
		wanted.AddWrittenSpan(s)
	} else {
		wanted.AddSpan(s)
	}
	t.engine.queue.Settle() // as in Lock
	return t.catchUp(&wanted, true)
}

// catchUp moves the snapshot forward if something in wanted, which has just been locked, is newer.
func (t *Txn) catchUp(wanted *txn.Reads, mayMove bool) error {
	err := t.engine.conflicts().Unchanged(t.snapshot, wanted)
	if !errors.Is(err, ErrConflict) || !mayMove {
		return err
	}
	return t.moveForward()
}

// moveForward takes the newest snapshot in place of t's, if what t has read is the same in both.
func (t *Txn) moveForward() error {
	next := new(Snapshot)
	t.engine.tree.HoldAs(next, t.first.Origin) // it is still the same transaction
	next.InterruptBy(t.snapshot.Interrupted())
	next.NoteEnds(&t.Reads.Ends)
	if err := t.engine.conflicts().SameAt(next.Now(), t.snapshot, t.Reads); err != nil {
		next.Close()
		return err
	}
	t.snapshot.Leave() // iterators on it go on: they stand where both show the same, and change over when they move
	t.snapshot = next
	return nil
}

// Close releases locks and snapshot. Further calls do nothing.
func (t *Txn) Close() {
	if t.keep != nil {
		t.keep()
	}
	if t.locked {
		t.engine.locks.Release(&t.owner)
		t.locked = false
	}
	t.snapshot.Close()
}
