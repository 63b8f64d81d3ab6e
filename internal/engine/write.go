package engine

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/event"
	"lightningdb/internal/engine/conflict"
	"lightningdb/internal/engine/events"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/memtable"
)

// leader is what the leader of the commit queue keeps from group to group. Nobody else touches it, but for logEnd,
// which Close sets when it is alone.
type leader struct {
	records   []wal.Record      // reused by Log
	group     []*commit.Request // that was logged last
	confirmed bool              // the group in progress was synced, and the mark of the owner stood after it
	logEnd    filename.Num      // the log has ended before this segment, which is never begun; 0 before Close
}

// Commit writes b and returns its last sequence number. With sync it survives a power cut once Commit returned,
// without it a kill of the process. The caller has checked the limits of keys and values. It waits for transactions
// that have locked what b writes.
func (e *Engine) Commit(b *batch.Batch, sync bool) (last key.SeqNum, err error) {
	err = e.opts.bus.Traced(context.Background(), event.Commit, func(context.Context) (err error) {
		last, err = e.commitBatch(b, sync)
		return err
	})
	return last, err
}

func (e *Engine) commitBatch(b *batch.Batch, sync bool) (key.SeqNum, error) {
	t := e.stats.BeginCommit(sync)
	c := commit.Commit{Batch: b, Sync: sync}
	last, err := e.commit(context.Background(), c, &t)
	if err != nil {
		last, err = e.commitBehindLocks(c, err, &t)
	}
	e.opts.bus.Committed(&t, b, err)
	e.noteSpace(b, err)
	if err == nil && b.Count() > 0 {
		e.endCommit(t)
	}
	return last, err
}

// noteSpace notes whether a commit that adds something has found space.
func (e *Engine) noteSpace(b *batch.Batch, err error) {
	if (err != nil || e.background.commits.Up()) && b != nil && b.Adds() {
		e.background.commits.NoteSpace(e.opts.bus, err)
	}
}

// endCommit counts a commit that has succeeded.
func (e *Engine) endCommit(t stats.Timer) {
	e.stats.EndCommit(t)
	e.NoteReport() // after it: a report in between would tell of the commit, and not how long it took
}

// commitBehindLocks is Commit once err has refused it. If that was a lock, it takes the locks itself, in turn.
func (e *Engine) commitBehindLocks(c commit.Commit, err error, t *stats.Timer) (last key.SeqNum, _ error) {
	blocked := (*conflict.BlockedError)(nil)
	if !errors.As(err, &blocked) {
		return 0, err
	}
	e.stats.CommitWaits(t)
	c.Owner = lock.NewOwner(uintptr(goroutine.Current()))
	c.Owner.Limit, c.Owner.Origin = e.opts.LockTimeout, e.tree.Trace(origin.Write)
	defer e.locks.Release(c.Owner)
	for {
		err := e.stats.Part(t, stats.Lock, func() error { return e.acquire(e.gate.Context(), c.Owner, blocked.Key) })
		if errors.Is(err, lock.ErrDeadlock) {
			e.locks.Release(c.Owner) // it rests on nothing: it can begin again
		} else if err != nil {
			return 0, err
		}
		if last, err = e.commit(context.Background(), c, t); !errors.As(err, &blocked) {
			return last, err
		}
	}
}

// commit carries c, which t measures, through the queue. The end of ctx ends the wait for room, in memory and on the
// disk, before that.
func (e *Engine) commit(ctx context.Context, c commit.Commit, t *stats.Timer) (key.SeqNum, error) {
	if err := e.Enter(); err != nil {
		return 0, err
	}
	defer e.Leave()
	if err := e.dir.Writable(); err != nil { // before it is told that there is no space
		return 0, err
	}
	if e.disk != nil {
		admit := func() (int64, error) { return e.disk.Admit(ctx, c.Batch) }
		need, err := stats.Measured(&e.stats, t, stats.Space, admit)
		if err != nil {
			return 0, err
		}
		defer e.disk.Finish(need)
	}
	if t.Spent != nil {
		c.Times = &t.Spent.Group
	}
	if err := e.paceRanges(ctx, c.Batch.Ranges(), c.Batch.RangeBytes(), t); err != nil {
		return 0, err
	}
	for {
		if err := e.pace(ctx, len(c.Batch.Bytes()), t); err != nil {
			return 0, err
		}
		last, err := stats.Measured(&e.stats, t, stats.Queue, func() (key.SeqNum, error) { return e.queue.Commit(c) })
		if errors.Is(err, commit.ErrPanicked) {
			err = fmt.Errorf("%w: %w", ErrCommitUnknown, e.dir.Fail("commit", err))
		}
		if err != errNoRoom {
			return last, err
		}
		e.stats.CommitWaits(t)
		if err := e.stats.Part(t, stats.Room, func() error { return e.waitForRoom(ctx) }); err != nil {
			return 0, err
		}
	}
}

// acquire locks user for o. It gives up when ctx ends, the engine closes, or o has waited for its limit, from which
// it takes off how long it has waited.
func (e *Engine) acquire(ctx context.Context, o *lock.Owner, user []byte) error {
	if e.locks.TryAcquire(o, user) {
		return nil
	}
	e.stats.LockWaits.Add(1)
	e.NoteReport()
	start := e.clock.Now()
	err := e.gate.UntilClosed(ctx, func(ctx context.Context) error { return e.locks.Acquire(ctx, o, user) })
	o.Limit = max(1, o.Limit-e.clock.Now().Since(start))
	e.stats.NoteLock(err)
	return err
}

// writer is the engine as the commit queue sees it.
type writer struct{ *Engine }

var _ commit.Env = writer{}

func (w writer) Check(r *commit.Request, before []*commit.Request) error {
	return w.conflicts().Commit(r, before)
}

// conflicts is what commits and locks of transactions are held against.
func (e *Engine) conflicts() conflict.Check {
	return conflict.Check{Locks: &e.locks, Tree: e.tree, Conflicts: &e.stats.Conflicts}
}

func (w writer) Fits(operations, bytes int) bool {
	return w.tree.Active().Fits(operations, bytes) && w.log.HasRoom()
}

func (w writer) MakeRoom(r *commit.Request) error {
	if err := w.dir.Writable(); err != nil {
		return err
	}
	if n := r.Batch.Count(); n == 0 || w.Fits(n, len(r.Batch.Bytes())) {
		return nil
	}
	return w.noteSpace(w.rotate(memtable.SizeFor(r.Batch)), 1)
}

// noteSpace counts commits that failed with err, if the disk is full, and returns err.
func (w writer) noteSpace(err error, commits int) error {
	if errors.Is(err, vfs.ErrNoSpace) {
		w.stats.NoSpace.Add(uint64(commits))
	}
	return err
}

func (w writer) Log(group []*commit.Request) error {
	w.leader.group = group
	records := w.leader.records[:0]
	sync := false
	for _, r := range group {
		sync = sync || r.Sync
		if r.Batch.Count() > 0 {
			records = append(records, wal.Record{First: r.First, Count: r.Batch.Count(), Payload: r.Batch.Bytes()})
		}
	}
	w.leader.records = records
	if len(records) == 0 {
		return nil
	}
	defer clear(records)
	undecided := false
	err := w.opts.bus.Measure(group, events.LogTime, func() (err error) {
		undecided, err = w.log.Append(records, sync)
		return err
	})
	switch {
	case undecided:
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	case err != nil: // nothing of the group is in the log
		w.tree.Time().Release()
		return w.noteSpace(err, len(group))
	}
	operations, bytes := 0, 0
	for _, r := range records {
		operations += r.Count
		bytes += len(r.Payload)
	}
	w.stats.Logged(len(group), operations, bytes)
	return nil
}

func (w writer) Sync() error {
	sync := func() error { return w.log.Sync(w.tree.Visible()) }
	if err := w.opts.bus.Measure(w.leader.group, events.SyncTime, sync); err != nil {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	w.leader.confirmed = true
	return nil
}

func (w writer) Apply(r *commit.Request) {
	if r.Batch.Count() > 0 {
		w.tree.Apply(r.Batch, r.First, r.Last())
	}
}

func (w writer) Publish(last key.SeqNum) {
	w.tree.Publish(last)
	w.dir.Page().SetTime(w.tree.Time().Told()) // before what rests on it
	w.dir.Page().SetVisible(last)
	w.lookForSpace()
	if w.leader.confirmed {
		w.leader.confirmed = false
		w.log.NoteDurable(last)
	} else { // though a sync meanwhile may have covered it: whether the mark stood after that is not known here
		w.log.NoteUnsynced()
	}
}

// rotate freezes the active memtable, or returns errNoRoom if that must wait.
func (e *Engine) rotate(need int) error {
	if cause, _ := e.lacks(); cause != "" {
		return errNoRoom
	}
	return e.freeze(need)
}

// rotateAny is rotate for what was committed so far, if there is anything, between two commits.
func (e *Engine) rotateAny() error {
	return e.queue.Exclusive(func() error {
		if e.tree.Active().IsEmpty() {
			e.background.rotation.Store(false)
			return nil
		}
		return e.rotate(0)
	})
}

// freeze freezes the active memtable and seals its log segment, then starts the next of each with room for need bytes.
func (e *Engine) freeze(need int) error {
	if err := e.log.Rotate(); err != nil {
		e.noteRotation(err)
		return err
	}
	e.background.rotation.Store(false)
	if err := e.tree.Freeze(e.log.Num(), need); err != nil {
		return err
	}
	e.background.flusher.Wake()
	e.background.housekeeper.Wake() // the cache may have to make room for the new memtable
	return nil
}

// WaitDurable returns once everything up to seq survives a power cut. If no sync has covered it yet, it joins the next
// one of the commit queue. The error is ErrFutureSequence if no commit has reached seq. With the error of a done ctx
// nothing is known; a sync that has begun goes on.
func (e *Engine) WaitDurable(ctx context.Context, seq key.SeqNum) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if newest := e.tree.Visible(); seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFutureSequence, seq, newest)
	}
	if seq <= e.log.Durable() {
		return nil
	}
	return calls.Until(ctx, e.Sync)
}

// Sync makes everything published before the call durable, together with whatever the queue syncs then.
func (e *Engine) Sync() error {
	_, err := e.Commit(&batch.Batch{}, true)
	return err
}
