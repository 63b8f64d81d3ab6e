package engine

import (
	"errors"
	"io/fs"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/log/wal"
)

// Log segments are used again. Their blocks have been written, so that a sync has no metadata to write and the kernel no
// pages to find: the log is then as fast as the memory and the medium are. A flush retires a segment, the housekeeper
// gives it the name of the next one, and the commit leader begins it when the active one is full.

// keptLogs is how many retired segments wait for that at most, beside the one that is ready. As many are retired as are
// needed, so one is enough; and with the active one they are no more than LogLimit.
const keptLogs = 1

// segmentLimit is how much of a log segment is filled, in bytes.
func (e *Engine) segmentLimit() int64 { return e.opts.LogLimit / int64(e.budget.frozen+1) }

// reusableLocked reports whether f, a retired segment, is worth keeping. One that a large commit has made too long is not.
func (e *Engine) reusableLocked(f logFile) bool {
	return len(e.retired) < keptLogs && f.size <= 2*e.segmentLimit() && e.heldUp == nil && !e.closed.Load()
}

// reuseLog makes a retired segment the next one, if there is none yet. While the disk is full, when nothing has been written
// for a while, and at the end, it lets go of all of them instead. A failure is one of a segment that is to be written: it
// stops writes, or passes.
func (e *Engine) reuseLog() {
	e.mu.Lock()
	letGo := e.heldUp != nil || e.closed.Load() || e.mems.quiet(e.now())
	old, blank := e.retired, e.blank
	switch {
	case letGo:
		e.retired, e.blank = nil, nil
	case blank == nil && len(old) > 0:
		e.retired = slices.Clone(old[1:])
	default:
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	if letGo {
		e.letGoOfLogs(old, blank)
		return
	}
	e.prepareBlank(old[0].num)
}

// prepareBlank makes segment old the next one.
func (e *Engine) prepareBlank(old filename.Num) {
	num := e.newNum()
	err := e.checkOwner()
	var blank *wal.Blank
	if err == nil {
		err = e.changeFiles(func() (err error) {
			blank, err = wal.Reuse(e.fs, old, num)
			return err
		})
	}
	if err != nil {
		e.discard(filename.Make(filename.Log, old))
		if !errors.Is(err, fs.ErrExist) {
			e.discard(filename.Make(filename.Log, num))
		}
		if !passes(err) && !errors.Is(err, ErrReadOnly) {
			e.fail("reuse log segment", err)
		}
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.blank = blank
}

// letGoOfLogs has the files of retired segments removed, and that of blank unless it is nil.
func (e *Engine) letGoOfLogs(retired []logFile, blank *wal.Blank) {
	for _, f := range retired {
		e.discard(filename.Make(filename.Log, f.num))
	}
	if blank != nil {
		e.discardBlank(blank)
	}
}

// discardBlank removes the file of a segment that was never begun.
func (e *Engine) discardBlank(b *wal.Blank) {
	b.Close() // nothing of it counts
	e.discard(filename.Make(filename.Log, b.Num()))
}

// nextBlank returns the file of the next log segment: the one that is ready, or a new one.
func (e *Engine) nextBlank() (*wal.Blank, error) {
	e.mu.Lock()
	blank, active := e.blank, e.segmentNum
	e.blank = nil
	e.mu.Unlock()
	if blank != nil && blank.Num() > active && !e.closed.Load() {
		return blank, nil
	}
	if blank != nil { // a large commit has begun the log anew, behind it; or the last segment is to be a small one
		e.discardBlank(blank)
	}
	num := e.newNum()
	blank, err := wal.Prepare(e.fs, num, 0)
	if err == nil {
		return blank, nil
	}
	if !errors.Is(err, fs.ErrExist) { // it would be another's
		e.discard(filename.Make(filename.Log, num))
	}
	if !passes(err) {
		err = e.fail("prepare log segment", err)
	}
	return nil, err
}
