package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/memtable"
)

// Back-pressure by the number of sorted runs in level 0, most of them one table: from slowTables on each write waits a little, more with every
// further table; at stopTables writes wait until a compaction has caught up.
const (
	slowTables = 24
	stopTables = 40
	slowStep   = 100 * time.Microsecond // per 64 KiB of batch and table over slowTables
	slowSleep  = time.Millisecond       // shorter waits are saved up: a sleep of microseconds takes fifty of them
)

// unsyncedBytes is how much log may wait for its sync before the housekeeper is woken early, so that sealing a
// segment never has much to sync.
const unsyncedBytes = 8 << 20

// Commit writes b and returns its last sequence number. With sync it survives a power cut once Commit returned,
// without it a kill of the process. The caller has checked the limits of keys and values. It waits for transactions that
// have locked what b writes.
func (e *Engine) Commit(b *batch.Batch, sync bool) (key.SeqNum, error) {
	c := commit.Commit{Batch: b, Sync: sync}
	last, err := e.commit(c)
	if blocked := (*blockedError)(nil); errors.As(err, &blocked) {
		return e.commitBehindLocks(c, blocked)
	}
	return last, err
}

// commitBehindLocks is Commit once a lock was met: it takes the locks itself, in turn.
func (e *Engine) commitBehindLocks(c commit.Commit, blocked *blockedError) (last key.SeqNum, err error) {
	c.Owner = lock.NewOwner(uintptr(goroutine.Current()))
	c.Owner.Limit, c.Owner.Origin = e.opts.LockTimeout, e.trace(origin.Write)
	defer e.locks.Release(c.Owner)
	for {
		err := e.acquire(e.ctx, c.Owner, blocked.key)
		if errors.Is(err, lock.ErrDeadlock) {
			e.locks.Release(c.Owner) // it rests on nothing: it can begin again
		} else if err != nil {
			return 0, err
		}
		if last, err = e.commit(c); !errors.As(err, &blocked) {
			return last, err
		}
	}
}

func (e *Engine) commit(c commit.Commit) (key.SeqNum, error) {
	if err := e.Enter(); err != nil {
		return 0, err
	}
	defer e.Leave()
	if err := e.writable(); err != nil {
		return 0, err
	}
	last, err := e.queue.Commit(c)
	if errors.Is(err, commit.ErrPanicked) {
		err = fmt.Errorf("%w: %w", ErrCommitUnknown, e.fail("commit", err))
	}
	return last, err
}

// acquire locks user for o. It gives up when ctx ends, the engine closes, or o has waited for its limit, from which it takes
// off how long it has waited.
func (e *Engine) acquire(ctx context.Context, o *lock.Owner, user []byte) error {
	if e.locks.TryAcquire(o, user) {
		return nil
	}
	e.stats.lockWaits.Add(1)
	start := e.now()
	err := e.untilClosed(ctx, func(ctx context.Context) error { return e.locks.Acquire(ctx, o, user) })
	o.Limit = max(1, o.Limit-e.now().since(start))
	e.noteLockError(err)
	return err
}

func (e *Engine) noteLockError(err error) {
	switch {
	case errors.Is(err, lock.ErrDeadlock):
		e.stats.deadlocks.Add(1)
	case errors.Is(err, lock.ErrTimeout):
		e.stats.lockTimeouts.Add(1)
	}
}

// untilClosed calls do with a context that also ends when the engine closes. Then the result is ErrClosed in place of the
// context's own error; see ended.
func (e *Engine) untilClosed(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })()
	err := do(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return ended(ctx)
	}
	return err
}

// ended is nil until ctx is done, and then its error, or ErrClosed if it is the engine's, or of untilClosed, and the engine
// was closed.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err == nil || context.Cause(ctx) != ErrClosed {
		return err
	}
	return ErrClosed
}

// writeOutLog has the active segment brought to the medium as far as it has grown by whole MiB, so that whoever seals it,
// with all commits behind him, has little to wait for.
func (e *Engine) writeOutLog() error {
	if err := e.segment.Load().WriteOut(); err != nil && !errors.Is(err, fs.ErrClosed) { // sealed meanwhile
		return e.fail("write out log", err)
	}
	return nil
}

// syncLog syncs the active segment beside running commits. A segment that was sealed meanwhile is durable.
func (e *Engine) syncLog() error {
	e.stats.syncs.Add(1)
	published := key.SeqNum(e.visible.Load()) // before the segment: what is visible is in it or in a sealed one
	if err := e.segment.Load().Sync(); err != nil {
		return e.fail("sync log", err)
	}
	if err := e.confirmOwner(); err != nil {
		return err
	}
	e.noteDurable(published)
	return nil
}

// writer is the engine as the commit queue sees it.
type writer struct{ *Engine }

var _ commit.Env = writer{}

func (w writer) Fits(group []*commit.Request) bool {
	operations, bytes := 0, 0
	for _, r := range group {
		operations += r.Batch.Count()
		bytes += len(r.Batch.Bytes())
	}
	return w.fits(operations, bytes)
}

func (w writer) fits(operations, bytes int) bool {
	return w.active().Fits(operations, bytes) && w.logHasRoom()
}

// active is the memtable that commits go to. Only the leader of a group may ask.
func (e *Engine) active() *memRef { return e.view.Load().mems[0] }

func (e *Engine) logHasRoom() bool {
	return e.segment.Load().Size() < e.segmentLimit()
}

func (w writer) MakeRoom(r *commit.Request) error {
	if err := w.writable(); err != nil {
		return err
	}
	w.slowDown(len(r.Batch.Bytes()))
	if n := r.Batch.Count(); n == 0 || w.fits(n, len(r.Batch.Bytes())) {
		return nil
	}
	return w.rotate(memtable.SizeFor(r.Batch))
}

// slowDown makes a writer wait in proportion to what it brings while level 0 is long, so that throughput falls
// smoothly before it would have to stop.
func (e *Engine) slowDown(bytes int) {
	tables := e.view.Load().level0
	if tables < slowTables || e.opts.Manual {
		return
	}
	e.owedSleep += slowStep * time.Duration(tables-slowTables+1) * time.Duration(bytes) / (64 << 10)
	if e.owedSleep < slowSleep {
		return
	}
	start := e.now()
	select {
	case <-time.After(e.owedSleep):
	case <-e.ctx.Done():
	}
	e.owedSleep = 0
	e.stats.stalled(e.now().since(start), "level 0 is long")
}

// rotate waits until another memtable may be frozen, then freezes the active one.
func (e *Engine) rotate(need int) error {
	if err := e.waitForFlush(); err != nil {
		return err
	}
	if !e.opts.Manual {
		e.waitForReaders()
	}
	return e.freeze(need)
}

// waitForReaders waits while another memtable would not fit under the limit because readers hold some that were flushed a
// moment ago.
func (e *Engine) waitForReaders() {
	start, waited := e.now(), false
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.writable() == nil {
		wait := e.mems.crowded(e.budget.memtables, e.now())
		if wait <= 0 {
			break
		}
		waited = true
		enough := time.AfterFunc(wait, e.wakeAll)
		e.room.Wait()
		enough.Stop()
	}
	if waited {
		e.stats.stalled(e.now().since(start), "waiting for readers of flushed memtables")
	}
}

// freeze freezes the active memtable and seals its log segment, then starts the next of each with room for need bytes.
func (e *Engine) freeze(need int) error {
	if err := e.startSegment(); err != nil {
		return err
	}
	return e.freezeMemtable(e.segmentNum, need)
}

// freezeMemtable freezes the active memtable; the log of the next begins with segment.
func (e *Engine) freezeMemtable(segment filename.Num, need int) error {
	e.epochs.Collect()
	e.buryDead() // so that a memtable that nobody reads any more is used again instead of a new one
	e.yieldCache(need)
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.view.Load()
	active := v.mems[0]
	next, err := e.mems.get(segment, need, e.now())
	if err != nil {
		return fmt.Errorf("memory for a memtable: %w", err)
	}
	mems := append([]*memRef{next}, v.mems...)
	if active.Count() == 0 { // too small for need, or its segment was full of records that have been flushed
		mems = append([]*memRef{next}, v.mems[1:]...)
	}
	e.installLocked(mems, v.version)
	e.rotated.Store(int64(e.now()))
	e.wake(e.wakeFlusher)
	e.wake(e.wakeHousekeeper) // the cache may have to make room for the new memtable
	return nil
}

// startSegment prepares the next log segment, seals the active one and begins the next behind it. After
// vfs.ErrNoSpace the active segment goes on.
func (e *Engine) startSegment() error {
	active := e.segment.Load()
	if err := e.checkFile(filename.Make(filename.Log, active.Num()), active.Size()); err != nil {
		return err
	}
	next, err := e.nextBlank()
	if err != nil {
		return err
	}
	num := next.Num()
	var end wal.Predecessor
	var seg *wal.Segment
	err = e.changeFiles(func() (err error) {
		if end, err = active.Seal(num); err != nil {
			return err
		}
		if err = e.stillOwner(); err != nil {
			return err
		}
		seg, err = next.Begin(e.databaseID(), end)
		return err
	})
	switch {
	case errors.Is(err, ErrReadOnly), errors.Is(err, vfs.ErrNoSpace) && end.Num == 0 && active.Err() == nil:
		e.discardBlank(next)
		return err
	case err != nil:
		return e.fail("begin another log segment", err)
	}
	e.noteDurable(end.LastSeq)
	e.mu.Lock()
	e.logs[len(e.logs)-1].size = end.Length
	e.logs = append(e.logs, logFile{num: num})
	e.segmentNum = num
	e.mu.Unlock()
	e.useSegment(seg)
	return nil
}

// useSegment makes seg, which is new, the active segment.
func (e *Engine) useSegment(seg *wal.Segment) {
	seg.AllocateAhead()
	e.segment.Store(seg)
}

// waitForFlush waits until another memtable may be frozen and level 0 is short enough. It gives up when the flush
// cannot go on: the disk is full, or writes have failed.
func (e *Engine) waitForFlush() error {
	start, waited := e.now(), false
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		v := e.view.Load()
		frozen, tables := len(v.mems)-1, v.level0
		if frozen < e.budget.frozen && tables < stopTables {
			break
		}
		if err := e.writable(); err != nil {
			return err
		}
		waited = true
		if e.opts.Manual {
			e.mu.Unlock()
			err := e.makeProgress()
			e.mu.Lock()
			if err != nil {
				return err
			}
			continue
		}
		if e.heldUp != nil { // the flusher tries again; this writer does not wait for it
			return fmt.Errorf("writes resume when a flush or compaction succeeds: %w", e.heldUp)
		}
		e.room.Wait()
	}
	if waited {
		e.stats.stalled(e.now().since(start), "waiting for a flush or a compaction")
	}
	return nil
}

// makeProgress does, in Manual mode, the background work that the writer waits for.
func (e *Engine) makeProgress() error {
	flushed, err := e.FlushStep()
	if err != nil || flushed {
		return err
	}
	_, err = e.CompactStep()
	return err
}

func (w writer) Log(group []*commit.Request) error {
	w.records = w.records[:0]
	sync := false
	for _, r := range group {
		sync = sync || r.Sync
		if r.Batch.Count() > 0 {
			w.records = append(w.records, wal.Record{First: r.First, Count: r.Batch.Count(), Payload: r.Batch.Bytes()})
		}
	}
	if len(w.records) == 0 {
		return nil
	}
	defer clear(w.records)
	seg := w.segment.Load()
	write := seg.Store
	if sync {
		write = seg.Append
	}
	_, err := write(w.records...)
	if err == nil {
		w.stats.logged(group, w.records)
		return nil
	}
	if errors.Is(err, vfs.ErrNoSpace) && seg.Err() == nil { // nothing of the group is in the log, which is as it was
		return fmt.Errorf("append to log: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrCommitUnknown, w.fail("append to log", err))
}

func (w writer) Sync() error {
	if err := w.syncLog(); err != nil {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	w.confirmed = true
	return nil
}

func (w writer) Apply(r *commit.Request) {
	if r.Batch.Count() > 0 {
		active := w.active()
		for user := range r.Batch.Keys() {
			w.rows.Change(key.Hash(user), r.First)
		}
		active.Apply(r.Batch, r.First)
		active.last = r.Last()
		w.endGaps(r.Batch)
	}
}

func (w writer) Publish(last key.SeqNum) {
	w.visible.Store(uint64(last))
	if w.opts.Retain > 0 {
		w.notePast(last)
	}
	w.lookForSpace()
	if w.confirmed {
		w.confirmed = false
		w.noteDurable(last)
	} else { // though a sync beside it may have covered it: whether the mark stood after that is not known here
		w.noteUnsynced(w.segment.Load())
	}
}

// noteUnsynced has the housekeeper sync within SyncInterval, or at once if much has gathered, and write out every MiB.
func (e *Engine) noteUnsynced(seg *wal.Segment) {
	switch {
	case e.unsyncedSince.Load() == 0:
		e.unsyncedSince.Store(int64(e.now()))
	case seg.Size()-seg.Synced() >= unsyncedBytes && !e.syncSoon.Load():
		e.syncSoon.Store(true)
	case seg.ToWriteOut() == 0:
		return
	}
	e.wake(e.wakeHousekeeper)
}
