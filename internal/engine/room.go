package engine

import (
	"fmt"
	"sync"
	"time"

	"lightningdb/internal/format/directory"
)

// Back-pressure by the number of sorted runs in level 0, most of them one table: from slowRuns on each write waits a
// little, more with every further run; at stopRuns writes wait until a compaction has caught up.
const (
	slowRuns  = 24
	stopRuns  = 40
	slowStep  = 100 * time.Microsecond // per 64 KiB of batch and run over slowRuns
	slowSleep = time.Millisecond       // shorter waits are saved up: a sleep of microseconds takes fifty of them
)

// room is where writers wait for memory, and for level 0 to become shorter.
type room struct {
	mu   sync.Mutex // comes before the tree's
	cond *sync.Cond // something that a writer waits for may have changed

	backgroundErr error // background work waits for space on the disk or for file descriptors
}

func (r *room) init() { r.cond = sync.NewCond(&r.mu) }

// changed has the writers that wait look again. Nobody may call it with a mutex that a look takes.
func (r *room) changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cond.Broadcast()
}

// backgroundError is why background work is held up, nil if it is not.
func (r *room) backgroundError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backgroundErr
}

// noteBackground remembers whether background work waits for something that passes by itself, so that writers are told
// instead of waiting with it. It reports whether that is new.
func (r *room) noteBackground(err error) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.cond.Broadcast()
	switch {
	case directory.Transient(err):
		news = r.backgroundErr == nil
		r.backgroundErr = err
	case err == nil:
		r.backgroundErr = nil
	}
	return news
}

// noteBackground is room.noteBackground with a word to the logger.
func (e *Engine) noteBackground(err error) {
	if e.room.noteBackground(err) {
		e.opts.Logger.Warn("flush and compaction are held up and will be tried again", "cause", err)
	}
}

// slowDown makes a writer wait in proportion to what it brings while level 0 is long, so that throughput falls
// smoothly before it would have to stop.
func (e *Engine) slowDown(bytes int) {
	runs := e.tree.Current().Level0()
	if runs < slowRuns || e.opts.Manual {
		return
	}
	owed := &e.leader.owedSleep
	*owed += slowStep * time.Duration(runs-slowRuns+1) * time.Duration(bytes) / (64 << 10)
	if *owed < slowSleep {
		return
	}
	start := e.clock.Now()
	select {
	case <-time.After(*owed):
	case <-e.gate.Context().Done():
	}
	*owed = 0
	e.stats.Stalled(e.clock.Now().Since(start), "level 0 is long")
}

// waitForReaders waits while another memtable would not fit under the limit because readers hold some that were
// flushed a moment ago.
func (e *Engine) waitForReaders() {
	start, waited := e.clock.Now(), false
	e.room.mu.Lock()
	defer e.room.mu.Unlock()
	for e.dir.Writable() == nil {
		wait := e.tree.Crowded()
		if wait <= 0 {
			break
		}
		waited = true
		enough := time.AfterFunc(wait, e.room.changed)
		e.room.cond.Wait()
		enough.Stop()
	}
	if waited {
		e.stats.Stalled(e.clock.Now().Since(start), "waiting for readers of flushed memtables")
	}
}

// waitForFlush waits until another memtable may be frozen and level 0 is short enough. It gives up when the flush
// cannot go on: the disk is full, or writes have failed.
func (e *Engine) waitForFlush() error {
	start, waited := e.clock.Now(), false
	e.room.mu.Lock()
	defer e.room.mu.Unlock()
	for {
		v := e.tree.Current()
		if v.Frozen() < e.budget.Frozen && v.Level0() < stopRuns {
			break
		}
		if err := e.dir.Writable(); err != nil {
			return err
		}
		waited = true
		if e.opts.Manual {
			if err := e.makeProgressUnlocked(); err != nil {
				return err
			}
			continue
		}
		if err := e.room.backgroundErr; err != nil { // the flusher tries again; this writer does not wait for it
			return fmt.Errorf("writes resume when a flush or compaction succeeds: %w", err)
		}
		e.room.cond.Wait()
	}
	if waited {
		e.stats.Stalled(e.clock.Now().Since(start), "waiting for a flush or a compaction")
	}
	return nil
}

// makeProgressUnlocked does, in Manual mode and without room.mu, the background work that the writer waits for.
func (e *Engine) makeProgressUnlocked() error {
	e.room.mu.Unlock()
	defer e.room.mu.Lock()
	flushed, err := e.FlushStep()
	if err != nil || flushed {
		return err
	}
	_, err = e.CompactStep()
	return err
}
