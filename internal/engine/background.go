package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/events"
	"lightningdb/internal/engine/scrub"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/system/calls"
)

const (
	retryInterval = 500 * time.Millisecond // until background work tries again what passes by itself
	epochInterval = 5 * time.Millisecond   // until memory that readers still held is looked at again
)

// background is the goroutines of the table in doc.go, and what wakes them.
type background struct {
	flusher     calls.Waker
	compactor   calls.Waker
	housekeeper calls.Waker
	running     *sync.WaitGroup // they end once the gate is closed
	report      *state.Reporter
	scrub       *scrub.Scrub // nil without Options.ScrubRate
	stalls      *events.Stalls
	work        *events.Held // flushes and compactions that are held up
	commits     *events.Held // commits that are
	archive     *events.Held // an archive that is
	backups     *events.Backups

	rotation atomic.Bool // see noteRotation; ended under the commit pipeline

	flushing sync.Mutex // held by the one flush in progress
	house    sync.Mutex // held by the one CleanStep or SpaceStep in progress
}

func newBackground() background {
	return background{flusher: calls.NewWaker(), compactor: calls.NewWaker(), housekeeper: calls.NewWaker(),
		running: new(sync.WaitGroup), report: new(state.Reporter), stalls: new(events.Stalls),
		work: events.NewHeld("flush and compaction are", 0), commits: events.NewHeld("commits are", event.StallPause),
		archive: events.NewHeld("the archive is", 0), backups: new(events.Backups)}
}

// wakeAll has everybody who waits look again: background goroutines and writers.
func (e *Engine) wakeAll() {
	e.background.flusher.Wake()
	e.background.compactor.Wake()
	e.background.housekeeper.Wake()
	e.room.Changed()
}

// startBackground starts the goroutines of the table in doc.go.
func (e *Engine) startBackground() {
	e.background.running.Go(func() { e.loop(e.background.flusher, e.flusherStep) })
	e.background.running.Go(func() { e.loop(e.background.compactor, e.CompactStep) })
	e.background.running.Go(e.keepHouse)
	if e.background.scrub != nil {
		e.background.running.Go(func() { e.background.scrub.Run(e.gate.Context()) })
	}
	e.NoteReport()
}

// loop runs step until it has nothing to do, then waits to be woken. What is transient is tried again after a while;
// any other failure has stopped writes already, and the loop only waits for the end.
func (e *Engine) loop(woken calls.Waker, step func() (bool, error)) {
	closing := e.gate.Context().Done()
	for {
		worked, err := step()
		var retry <-chan time.Time
		if directory.Transient(err) {
			retry = time.After(retryInterval)
		} else if worked && err == nil {
			select {
			case <-closing:
				return
			default:
				continue
			}
		}
		select {
		case <-closing:
			return
		case <-woken:
		case <-retry:
		}
	}
}

// keepHouse writes out the log as it grows, runs SyncStep, RetainStep, MemoryStep and SpaceStep when they are due, and
// CleanStep when there may be something to clean. It wakes the compactor when a burst of writes is over.
func (e *Engine) keepHouse() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	burst := false
	for {
		e.log.WriteOut() // a failure has stopped writes, which is all there is to do about it; of SyncStep too
		if e.log.UntilSync() <= 0 {
			e.SyncStep()
		}
		waiting, err := e.CleanStep()
		wait := min(max(e.log.UntilSync(), 0), e.RetainStep(), e.MemoryStep(), e.SpaceStep(), e.ReserveStep(),
			e.ReportStep(), e.StallStep())
		if waiting {
			wait = min(wait, epochInterval)
		}
		if err != nil {
			wait = min(wait, retryInterval)
		}
		if e.dir.Held() {
			wait = min(wait, lease.Interval)
		}
		if left := e.tree.BurstLeft(); left > 0 {
			burst, wait = true, min(wait, left)
		} else if burst {
			burst = false
			e.background.compactor.Wake() // what had to wait is due
		}
		timer.Reset(wait)
		select {
		case <-e.gate.Context().Done():
			return
		case <-e.background.housekeeper:
		case <-timer.C:
		}
	}
}

// SyncStep syncs what Process commits have left unsynced. It reports whether there was anything.
func (e *Engine) SyncStep() (bool, error) {
	synced, err := e.log.SyncUnsynced(e.tree.Visible)
	if synced {
		e.NoteReport()
	}
	return synced, err
}

// RetainStep looks at the clock: it lets compactions drop what need not be kept any more, ends snapshots that are too
// old, and notes when readers were opened. It returns when it is due again; far away if never.
func (e *Engine) RetainStep() time.Duration { return e.tree.Step() }

// MemoryStep shares out the memory: see Tree.ShareMemory. It returns when it is due again; far away if never.
func (e *Engine) MemoryStep() time.Duration {
	due := e.tree.ShareMemory()
	if left := e.tree.UntilQuiet(); left > 0 && e.log.HasSpare() { // CleanStep, which comes first, gives back log segments
		due = min(due, left)
	}
	return due
}

// ReserveStep makes the reserve again if it is spent and there is room. It returns when it is due again; far away if
// that takes a call that spends it.
func (e *Engine) ReserveStep() time.Duration {
	if e.disk == nil || e.dir.Writable() != nil {
		return time.Hour
	}
	return e.disk.Remake()
}

// StallStep tells that commits wait no more, once they have not for a while. It returns when it is due again.
func (e *Engine) StallStep() time.Duration {
	now := e.clock.Now()
	return e.background.stalls.Step(e.opts.bus, now, e.stats.Stall(now))
}

// CleanStep gives back memory that no reader knows any more, makes a retired log segment the next one, and removes
// the files that became obsolete. It reports whether memory still waits for a reader to leave. After an error the
// file it is about is still to be removed.
func (e *Engine) CleanStep() (bool, error) {
	if e.disk != nil { // commits may wait for the space
		defer e.room.Changed()
	}
	return e.clean()
}

// clean is CleanStep for those who are not to be woken by it.
func (e *Engine) clean() (bool, error) {
	e.background.house.Lock()
	defer e.background.house.Unlock()
	waiting := e.tree.Reclaim()
	if e.room.DiskFull() || e.disk.Short() { // an archive that lags must not fill the disk
		e.log.GiveUpHold()
	}
	e.log.Recycle(e.keepsLogs() && e.tree.UntilQuiet() > 0)
	return waiting, e.dir.RemoveObsolete()
}

// keepsLogs reports whether log segments are kept to be used again: not while the disk is full, nor while space is
// short, nor at the end.
func (e *Engine) keepsLogs() bool {
	return e.room.BackgroundError() == nil && !e.gate.Closed() && !e.disk.Short()
}

// newScrub returns the scrub that the options ask for; nil for none.
func (e *Engine) newScrub() *scrub.Scrub {
	if e.opts.ScrubRate <= 0 {
		return nil
	}
	return scrub.New(scrub.Options{Env: scrub.Of(e.tree), Rate: e.opts.ScrubRate, Clock: e.clock, Wall: e.opts.Wall,
		Random: e.opts.Random, Damaged: e.opts.bus.Scrubbed, Changed: e.NoteReport, Sleep: calls.Sleep})
}

// NoteReport has ReportStep tell followers what has happened.
func (e *Engine) NoteReport() {
	if e.background.report.Note() {
		e.background.housekeeper.Wake()
	}
}

// ReportStep tells followers what the engine does, if that has changed. It returns when it is due again; far away if
// that takes a commit. Only one goroutine at a time may call it.
func (e *Engine) ReportStep() time.Duration {
	if e.opts.Report == nil || e.dir.Page() == nil {
		return time.Hour
	}
	left, due := e.background.report.Due(e.clock.Now())
	if due {
		m := e.Metrics()
		if m.Flush.Running+m.Compaction.Running > 0 || m.Locks.Waiters > 0 { // that goes on
			e.background.report.Note()
		}
		e.dir.Page().SetReport(e.opts.Report(m))
	}
	return left
}
