package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

const (
	retryInterval = 500 * time.Millisecond // until background work tries again what passes by itself
	buryInterval  = 5 * time.Millisecond   // until memory that readers still held is looked at again
)

// wake makes the goroutine that waits on c look for work. A wake-up that is pending already is enough.
func (e *Engine) wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (e *Engine) wakeAll() {
	e.wake(e.wakeFlusher)
	e.wake(e.wakeCompactor)
	e.wake(e.wakeHousekeeper)
	e.mu.Lock()
	e.room.Broadcast()
	e.mu.Unlock()
}

// startBackground starts the goroutines of the table in doc.go.
func (e *Engine) startBackground() {
	e.background.Go(func() { e.loop(e.wakeFlusher, e.FlushStep) })
	e.background.Go(func() { e.loop(e.wakeCompactor, e.CompactStep) })
	e.background.Go(e.keepHouse)
}

// loop runs step until it has nothing to do, then waits for wake. A full disk is tried again after a while; any
// other failure has stopped writes already, and the loop only waits for the end.
func (e *Engine) loop(wake <-chan struct{}, step func() (bool, error)) {
	for {
		worked, err := step()
		var retry <-chan time.Time
		if passes(err) {
			retry = time.After(retryInterval)
		} else if worked && err == nil {
			select {
			case <-e.ctx.Done():
				return
			default:
				continue
			}
		}
		select {
		case <-e.ctx.Done():
			return
		case <-wake:
		case <-retry:
		}
	}
}

// keepHouse writes out the log as it grows, runs SyncStep, RetainStep, MemoryStep and SpaceStep when they are due, and
// CleanStep when there may be something to clean. It notes when readers were opened, and wakes the compactor when a burst
// of writes is over.
func (e *Engine) keepHouse() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	burst := false
	for {
		e.writeOutLog() // a failure has stopped writes, which is all there is to do about it; of SyncStep too
		if e.syncSoon.Load() || e.syncDue() <= 0 {
			e.SyncStep()
		}
		waiting, err := e.CleanStep()
		wait := min(max(e.syncDue(), 0), e.RetainStep(), e.MemoryStep(), e.SpaceStep(), e.stampAges())
		if waiting {
			wait = min(wait, buryInterval)
		}
		if err != nil {
			wait = min(wait, retryInterval)
		}
		if left := e.burstLeft(); left > 0 {
			burst, wait = true, min(wait, left)
		} else if burst {
			burst = false
			e.wake(e.wakeCompactor) // what had to wait is due
		}
		timer.Reset(wait)
		select {
		case <-e.ctx.Done():
			return
		case <-e.wakeHousekeeper:
		case <-timer.C:
		}
	}
}

// syncDue is the time until the oldest unsynced commit must be synced; far away if there is none.
func (e *Engine) syncDue() time.Duration {
	since := instant(e.unsyncedSince.Load())
	if since == 0 {
		return time.Hour
	}
	return e.opts.SyncInterval - e.now().since(since)
}

// SyncStep syncs what Process commits have left unsynced. It reports whether there was anything.
func (e *Engine) SyncStep() (bool, error) {
	if e.unsyncedSince.Swap(0) == 0 {
		return false, nil
	}
	e.syncSoon.Store(false)
	if err := e.writable(); err != nil {
		return false, err
	}
	return true, e.syncLog()
}

// CleanStep gives back memory that no reader knows any more, makes a retired log segment the next one, and removes the
// files that became obsolete. It reports whether memory still waits for a reader to leave. After an error the file it is
// about is still to be removed.
func (e *Engine) CleanStep() (bool, error) {
	e.houseMu.Lock()
	defer e.houseMu.Unlock()
	e.epochs.Collect()
	e.buryDead()
	e.reuseLog()
	e.mu.Lock()
	obsolete := e.obsolete // it only grows behind its end meanwhile
	e.mu.Unlock()
	if len(obsolete) > 0 && e.intact() == nil {
		if err := e.checkOwner(); err != nil {
			return e.epochs.Metrics().Pending > 0, err
		}
	}
	var kept []string
	var failed error
	for _, name := range obsolete {
		err := e.changeFiles(func() error { return e.fs.Remove(name) })
		if err == nil || vfs.IsNotExist(err) {
			continue
		}
		kept = append(kept, name)
		if !errors.Is(err, ErrReadOnly) { // after a failure all of them stay, for the next Open
			failed = err // tried again later
		}
	}
	e.mu.Lock()
	e.obsolete = append(kept, e.obsolete[len(obsolete):]...)
	e.mu.Unlock()
	return e.epochs.Metrics().Pending > 0, failed
}

// FlushStep writes the oldest frozen memtable to level 0. It reports whether there was one.
func (e *Engine) FlushStep() (bool, error) {
	if err := e.writable(); err != nil && !errors.Is(err, ErrClosed) {
		return false, err
	}
	e.flushMu.Lock()
	defer e.flushMu.Unlock()
	v := e.acquireView()
	if v == nil {
		return false, ErrClosed
	}
	defer e.unref(v)
	if len(v.mems) < 2 {
		return false, nil
	}
	oldest, logStart := v.mems[len(v.mems)-1], v.mems[len(v.mems)-2].segment
	err := e.flush(v, oldest, logStart)
	e.noteHeldUp(err)
	return err == nil, err
}

// flush writes m, the oldest memtable of v, to tables and installs them in its place. The log before logStart is needed
// no more.
func (e *Engine) flush(v *view, m *memRef, logStart filename.Num) error {
	start := e.now()
	e.stats.flushing.Store(true)
	defer e.stats.flushing.Store(false)
	edit, stats, err := e.writeTables(m, v, v.version, e.snapshots.hold(e, m.last))
	if err != nil {
		return e.jobFailure("flush", err)
	}
	edit.LogStart = logStart
	if logStart == e.logEnd {
		edit.LogEnd = logStart
	}
	if err := e.commitEdit(edit, m); err != nil {
		return err
	}
	e.stats.flushed(stats, e.now().since(start))
	e.opts.Logger.Debug("flushed a memtable", "tables", len(edit.Added), "bytes", stats.BytesOut)
	e.wake(e.wakeCompactor)
	return nil
}

// CompactStep runs the most urgent compaction. It reports whether there was one.
func (e *Engine) CompactStep() (bool, error) {
	return e.compactOnce(e.ctx, func(v *view, p compaction.Params) *compaction.Job {
		job := compaction.Pick(v.version, p, noneBusy)
		if job == nil && p.Quiet {
			job = e.pickForScans(v, p)
		}
		e.stats.compactionWaits.Store(job == nil && !p.Quiet &&
			compaction.Pick(v.version, e.compactionParams(p.OldestSnapshot, true), noneBusy) != nil)
		return job
	})
}

// noneBusy says that no other job has a table: compactTurn lets one run at a time.
func noneBusy(filename.Num) bool { return false }

// compactOnce runs the job that pick chooses from the current version.
func (e *Engine) compactOnce(ctx context.Context,
	pick func(*view, compaction.Params) *compaction.Job) (bool, error) {
	if err := e.writable(); err != nil {
		return false, err
	}
	if err := e.compactTurn.take(ctx); err != nil {
		return false, err
	}
	defer e.compactTurn.end()
	v := e.acquireView()
	if v == nil {
		return false, ErrClosed
	}
	defer e.unref(v)
	held := e.snapshots.hold(e, v.version.LastSeq)
	p := e.compactionParams(held[0], e.isQuiet(v))
	if p.Quiet {
		p.Garbage = e.counted.in(e, v)
	}
	job := pick(v, p)
	if job == nil {
		return false, nil
	}
	err := e.compact(ctx, job, v, held)
	e.noteHeldUp(err)
	return err == nil, err
}

func (e *Engine) compact(ctx context.Context, job *compaction.Job, v *view, held []key.SeqNum) error {
	start := e.now()
	e.stats.compacting.Store(true)
	defer e.stats.compacting.Store(false)
	edit, stats, err := e.runJob(ctx, job, v, held)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ended(ctx)
	}
	if err != nil {
		return e.jobFailure("compact", err)
	}
	if err := e.commitEdit(edit, nil); err != nil {
		return err
	}
	e.futile.note(edit, held[0])
	e.counted.forget(edit)
	e.lookForSpace()
	e.stats.compacted(stats, e.now().since(start))
	e.opts.Logger.Debug("compacted", "reason", job.Reason, "into", job.OutputLevel,
		"read", stats.BytesIn, "written", stats.BytesOut)
	return nil
}

// passes reports whether err is of a kind that passes by itself: a full disk, or no file descriptors left.
func passes(err error) bool {
	return errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// jobFailure decides what a failed flush or compaction means: what passes is tried again, and anything else stops
// writes.
func (e *Engine) jobFailure(operation string, err error) error {
	if passes(err) {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return e.fail(operation, err)
}

// noteHeldUp remembers whether background work waits for something that passes, so that writers are told instead of
// waiting with it.
func (e *Engine) noteHeldUp(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if passes(err) {
		if e.heldUp == nil {
			e.opts.Logger.Warn("flush and compaction are held up and will be tried again", "cause", err)
		}
		e.heldUp = err
	} else if err == nil {
		e.heldUp = nil
	}
	e.room.Broadcast()
}

// commitEdit makes edit durable in the manifest and installs the version it leads to, without the memtable flushed
// (nil if none). Files that the new version does not name become obsolete.
func (e *Engine) commitEdit(edit *manifest.Edit, flushed *memRef) error {
	e.manifestMu.Lock()
	defer e.manifestMu.Unlock()
	version := e.view.Load().version // only holders of manifestMu change it
	edit.NextNum = e.peekNum()
	edit.LastSeq = max(edit.LastSeq, version.LastSeq)
	edit.Floor = max(edit.Floor, version.Floor)
	if flushed != nil {
		// Not the newest in the tables: a flush may drop a tombstone that hides nothing.
		edit.LastSeq = max(edit.LastSeq, flushed.last)
	}
	next, err := version.Apply(edit)
	if err != nil {
		return e.fail("change the set of tables", err)
	}
	if err := e.appendEdit(edit, next); err != nil {
		if passes(err) && e.failed.Load() == nil {
			e.discardTables(edit)
		}
		return err // after a failure both states must stay readable: Open removes what is too much
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	mems := e.view.Load().mems
	if flushed != nil {
		mems = mems[: len(mems)-1 : len(mems)-1] // only flushes remove, always the oldest
		e.mems.held = append(e.mems.held, heldBack{flushed, e.now()})
	}
	e.installLocked(mems, next)
	e.retireLogsLocked(next.LogStart)
	e.room.Broadcast()
	return nil
}

// discardTables removes the tables of an edit that is not in the manifest.
func (e *Engine) discardTables(edit *manifest.Edit) {
	for _, added := range edit.Added {
		if !slices.ContainsFunc(edit.Deleted, func(r manifest.Removed) bool { return r.Num == added.Table.Num }) {
			e.discard(filename.Make(filename.Table, added.Table.Num)) // not a table that merely moves
		}
	}
}

// retireLogsLocked keeps the log segments before start to use them again, or makes them obsolete.
func (e *Engine) retireLogsLocked(start filename.Num) {
	kept := e.logs[:0]
	for _, f := range e.logs {
		if f.num < start && e.reusableLocked(f) {
			e.retired = append(e.retired, f)
		} else if f.num < start {
			e.obsolete = append(e.obsolete, filename.Make(filename.Log, f.num))
		} else {
			kept = append(kept, f)
		}
	}
	e.logs = kept
	e.wake(e.wakeHousekeeper)
}

// appendEdit makes edit durable. When the manifest has grown, a new one takes over, which begins with all of next; if
// the disk is too full for that, the old one goes on. After vfs.ErrNoSpace the edit is not in the manifest, unless writes
// failed with it, as when the disk was too full for a sync: then it is not known. The same holds of every error that
// passes. After ErrReadOnly it is not there either.
func (e *Engine) appendEdit(edit *manifest.Edit, next *manifest.Version) error {
	if err := e.checkFile(filename.Make(filename.Manifest, e.manifest.Num()), e.manifest.Size()); err != nil {
		return err
	}
	err := e.changeFiles(func() error {
		if e.manifest.Size() >= e.manifestLimit {
			if err := e.startManifest(next); !tooFull(err) {
				return err
			}
		}
		return e.manifest.Append(edit)
	})
	if err == nil {
		return e.confirmOwner()
	}
	if errors.Is(err, ErrReadOnly) || tooFull(err) && e.manifest.Err() == nil {
		return err
	}
	return e.fail("append to manifest", err)
}

// tooFull reports whether err says that there was no space for a change of the manifest, and nothing has changed.
func tooFull(err error) bool {
	return errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, manifest.ErrUndecided)
}

// startManifest writes version to a new manifest and points CURRENT at it. The manifest before it becomes obsolete.
// If the disk was tooFull the one before is still in force.
func (e *Engine) startManifest(version *manifest.Version) error {
	num := e.newNum()
	e.comingForce.Store(uint64(num))
	temp := filename.Num(e.opts.Random() >> 1)
	log, err := manifest.Create(e.fs, num, version, manifest.Switch{Temp: temp, Alone: e.isOwner})
	if err != nil {
		if tooFull(err) {
			e.discard(filename.Make(filename.Manifest, num), filename.Make(filename.NextCurrent, temp))
		}
		return fmt.Errorf("start manifest: %w", err)
	}
	if e.manifest != nil {
		e.discard(filename.Make(filename.Manifest, e.manifest.Num()))
		e.manifest.Close() // every edit in it is durable, and none is read again
	}
	e.manifest = log
	e.inForce.Store(uint64(num))
	e.manifestLimit = max(1<<20, 8*log.Size())
	return nil
}

// discard has the housekeeper remove files that nothing names.
func (e *Engine) discard(names ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.obsolete = append(e.obsolete, names...)
	e.wake(e.wakeHousekeeper)
}
