package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/engine/room"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree"
	"lightningdb/metrics"
)

const (
	slowRuns  = 24
	stopRuns  = 40
	slowSleep = time.Millisecond // shorter waits are saved up: a sleep of microseconds takes fifty of them
)

// errNoRoom refuses a commit that must wait for room, and come again.
var errNoRoom = errors.New("no room in memory or level 0")

// noteBackground is Room.NoteBackground with a word to people.
func (e *Engine) noteBackground(err error) {
	e.room.NoteBackground(err)
	if err == nil || directory.Transient(err) {
		e.background.work.Note(e.opts.bus, e.clock.Now(), err)
	}
}

// noteRotation has the flusher try a rotation again for which no descriptors were left, until it succeeds: whoever
// asked for it has been told, and may not come again. That the disk is full is seen in the commits that it refuses.
func (e *Engine) noteRotation(err error) {
	if directory.Transient(err) && !errors.Is(err, vfs.ErrNoSpace) {
		e.noteBackground(err)
		if !e.background.rotation.Swap(true) { // else the flusher knows, and may be the one who tries
			e.background.flusher.Wake()
		}
	}
}

// flusherStep is FlushStep, after the rotation that noteRotation wants.
func (e *Engine) flusherStep() (bool, error) {
	if e.background.rotation.Load() && !e.gate.Closed() {
		if err := e.rotateAny(); err != nil && err != errNoRoom { // without room there is something to flush
			return false, err
		}
		e.noteBackground(nil)
	}
	return e.FlushStep()
}

// paceRanges makes a writer that deletes n ranges, whose commit t measures, wait while many are remembered. Their ends
// have size bytes.
func (e *Engine) paceRanges(ctx context.Context, n, size int, t *stats.Timer) error {
	if n == 0 {
		return nil
	}
	count, bytes := e.tree.Current().Ranges()
	wait, err := room.Ranges{Count: count, More: n, Bytes: bytes + int64(size), Limit: e.opts.MemoryLimit}.Wait()
	if err != nil || wait == 0 || e.opts.Manual {
		return err
	}
	e.stats.CommitWaits(t)
	slow := func() error { return e.stall(ctx, e.room.NextChange(), wait, "many deletes of ranges are remembered") }
	return e.stats.Part(t, stats.Room, slow)
}

// pace makes a writer, whose commit t measures, wait in proportion to what it brings while level 0 is long.
func (e *Engine) pace(ctx context.Context, bytes int, t *stats.Timer) error {
	v := e.tree.Current()
	if v.Level0() < slowRuns || e.opts.Manual {
		return nil
	}
	wait := e.room.Reserve(e.clock.Now(), bytes, e.paceAt(v).PerSecond())
	for wait >= slowSleep {
		e.stats.CommitWaits(t)
		before := e.clock.Now()
		slow := func() error { return e.stall(ctx, e.room.NextChange(), wait, "level 0 is long") }
		if err := e.stats.Part(t, stats.Room, slow); err != nil {
			return err
		}
		if e.tree.Current().Level0() < slowRuns {
			e.room.Forget()
			return nil
		}
		wait -= e.clock.Now().Since(before)
	}
	return nil
}

// paceAt is the pace of writers while v is current.
func (e *Engine) paceAt(v *tree.View) room.Pace {
	memtable, w := int64(e.budget.Memtable), e.stats.Compaction.Work()
	return room.Pace{
		Left:      int64(stopRuns-v.Level0()-v.Frozen())*memtable - int64(v.Active().Used()),
		Memtable:  memtable,
		Level0:    int64(v.Level0()) * memtable,
		Compacted: e.stats.Compaction.RawBytes(),
		Took:      w.Duration,
		Rest:      w.Total - w.Done,
		Shortens:  e.compactor.shortens.Load(),
	}
}

// stall waits, as a writer that is held up by cause, for a change, the end of the wait, of ctx, or of the engine.
func (e *Engine) stall(ctx context.Context, changed <-chan struct{}, wait time.Duration, cause string) error {
	now := e.clock.Now()
	if e.background.stalls.Begin(e.opts.bus, cause, func() metrics.Stall { return e.stats.Stall(now) }) {
		e.background.housekeeper.Wake()
	}
	e.stats.Stalled(now, cause)
	defer func() {
		now := e.clock.Now()
		e.stats.Resumed(now)
		e.background.stalls.End(now)
	}()
	return room.Await(ctx, e.gate.Context(), changed, wait, cause)
}

// waitForRoom waits until another memtable may be frozen. It gives up when that cannot come: the disk is full, or
// writes have failed.
func (e *Engine) waitForRoom(ctx context.Context) error {
	for {
		changed := e.room.NextChange()
		cause, wait := e.lacks()
		if cause == "" {
			return nil
		}
		if err := e.dir.Writable(); err != nil {
			return err
		}
		var err error
		if e.opts.Manual {
			err = e.makeProgress()
		} else if err = e.room.BackgroundError(); err != nil { // it is tried again; this writer does not wait for it
			err = fmt.Errorf("writes resume when a flush or compaction succeeds: %w", err)
		} else {
			err = e.stall(ctx, changed, wait, cause)
		}
		if err != nil {
			return err
		}
	}
}

// lacks is why no other memtable may be frozen now, empty if it may, and for how long that may last without a change.
func (e *Engine) lacks() (cause string, wait time.Duration) {
	v := e.tree.Current()
	if v.Frozen() >= e.budget.Frozen || v.Level0() >= stopRuns {
		return "waiting for a flush or a compaction", time.Hour
	}
	if !e.opts.Manual { // readers hold memtables that were flushed a moment ago; another would not fit under the limit
		if wait := e.tree.Crowded(); wait > 0 {
			return "waiting for readers of flushed memtables", wait
		}
	}
	return "", 0
}

// makeProgress does, in Manual mode, the background work that a writer waits for.
func (e *Engine) makeProgress() error {
	flushed, err := e.FlushStep()
	if err != nil || flushed {
		return err
	}
	_, err = e.CompactStep()
	return err
}
