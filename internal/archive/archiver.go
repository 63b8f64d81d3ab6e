package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/status"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/calls"
	"lightningdb/metrics"
)

// Options configures an archiver. Store is required.
type Options struct {
	Store    Store
	Interval time.Duration // until the running log is put; 0 for DefaultInterval
	Wall     func() time.Time
	Manual   bool // no goroutine: the caller runs Step
}

// DefaultInterval is how long a durable commit waits until it is put.
const DefaultInterval = time.Second

const (
	stopWait  = 5 * time.Second  // how long Stop tries to put what is left
	retryWait = 30 * time.Second // the longest pause after a failure
	samples   = 10               // moments are noted this often in an interval
)

// Retention is engine.Options.HoldLog for a store, nil for none, and what a user says of it.
func Retention(s Store, bytes int64) int64 {
	switch {
	case s == nil:
		return 0
	case bytes == 0:
		return -1
	}
	return bytes
}

// Archiver archives what an engine commits. A nil one does nothing.
type Archiver struct {
	opts   Options
	engine *engine.Engine
	log    *wal.Log

	cancel  context.CancelFunc
	running sync.WaitGroup

	// Of the one who runs Step:
	tail     *wal.Tail // behind tip, and what is pending; nil while it is not known with which branch to go on
	tip      tip
	pending  *piece // collected, and perhaps put; nil if nothing is
	cause    Cause  // why the next branch begins
	appended uint64 // what the engine had appended when the log was read last

	mu      sync.Mutex
	moments []Moment // after what is archived, oldest first; at most maxMoments
	metrics metrics.Archive
}

// tip is the end of the branch that is gone on with.
type tip struct {
	branch   uint64
	last     key.SeqNum
	digest   [32]byte
	position wal.Predecessor
}

// Start begins to archive what e commits, or has committed and not archived before: e holds its log for it. Without a
// store, or if e does not write, it returns nil.
func Start(e *engine.Engine, o Options) *Archiver {
	if o.Store == nil || !e.Log().Holds() {
		return nil
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	a := &Archiver{opts: o, engine: e, log: e.Log(), cause: Begin}
	a.sample()
	if !o.Manual {
		ctx, cancel := context.WithCancel(context.Background())
		a.cancel = cancel
		a.running.Go(func() { a.run(ctx) })
		a.running.Go(func() { a.observe(ctx) })
	}
	return a
}

// Stop ends the archiver, before the engine is closed. What is not archived by then the log holds for the next Open.
func (a *Archiver) Stop() {
	if a == nil {
		return
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.running.Wait()
	if failing := a.Metrics().LastError != ""; failing || a.opts.Manual {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	if a.tail != nil && a.engine.WaitDurable(ctx, a.engine.Tree().Visible()) == nil {
		_ = a.catchUp(ctx) // the next Open goes on
	}
}

// observe notes moments, also while a piece is on its way for long.
func (a *Archiver) observe(ctx context.Context) {
	for calls.Sleep(ctx, a.opts.Interval/samples) == nil {
		a.sample()
	}
}

// run archives.
func (a *Archiver) run(ctx context.Context) {
	pause := a.opts.Interval
	for due := time.Duration(0); ; {
		if err := calls.Sleep(ctx, a.opts.Interval/samples); err != nil {
			return
		}
		due += a.opts.Interval / samples
		full := a.engine.AppendedBytes()-a.appended >= pieceBytes && pause == a.opts.Interval
		if due < pause && !full {
			continue
		}
		due = 0
		if a.catchUp(ctx) == nil {
			pause = a.opts.Interval
		} else {
			pause = min(2*pause, max(retryWait, a.opts.Interval))
		}
	}
}

// sample notes what is durable now.
func (a *Archiver) sample() {
	durable, now := a.log.Durable(), a.opts.Wall().UTC()
	a.mu.Lock()
	defer a.mu.Unlock()
	newest := key.SeqNum(a.metrics.Sequence)
	if n := len(a.moments); n > 0 {
		newest = a.moments[n-1].Sequence
	}
	if durable <= newest {
		return
	}
	if len(a.moments) == maxMoments { // every second one is left out
		kept := a.moments[:0]
		for i := 1; i < len(a.moments); i += 2 {
			kept = append(kept, a.moments[i])
		}
		a.moments = kept
	}
	a.moments = append(a.moments, Moment{now, durable})
}

// catchUp archives everything that is durable now.
func (a *Archiver) catchUp(ctx context.Context) error {
	a.appended = a.engine.AppendedBytes()
	for {
		more, err := a.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Step finds the branch to go on with, or puts one piece. It reports whether there may be more to do.
func (a *Archiver) Step(ctx context.Context) (more bool, err error) {
	a.sample()
	switch {
	case a.tail == nil:
		more, err = true, a.begin(ctx)
	default:
		more, err = a.next(ctx)
	}
	if more || err != nil {
		defer a.engine.NoteReport()
	}
	if ctx.Err() == nil {
		a.engine.NoteArchive(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.metrics.LastError = ""
	if err != nil && ctx.Err() == nil {
		a.metrics.LastError = err.Error()
		a.metrics.Failures++
	}
	return more && err == nil, err
}

// next puts the next piece of the branch, if there is anything to put. If the log does not lead on, the next Step
// begins a new branch.
func (a *Archiver) next(ctx context.Context) (more bool, err error) {
	if a.pending == nil {
		p, cause, err := a.collect()
		if err != nil {
			return false, err
		}
		if p == nil && cause != "" {
			a.breakOff(cause)
			return true, nil
		}
		if p == nil {
			return false, nil
		}
		a.pending = p
	}
	if err := a.put(ctx, a.pending); err != nil {
		return false, err
	}
	a.pending = nil
	return true, nil
}

// breakOff ends the branch, because the log does not lead on.
func (a *Archiver) breakOff(cause Cause) {
	a.tail, a.pending, a.cause = nil, nil, cause
	a.mu.Lock()
	defer a.mu.Unlock()
	a.metrics.Gaps++
	switch now, last := a.opts.Wall().UTC(), &a.metrics.LastGap; cause {
	case Gap:
		last.Lost = now
	case Transaction:
		last.Transaction = now
	case Fork:
		last.Fork = now
	}
}

// put puts a piece behind the tip.
func (a *Archiver) put(ctx context.Context, p *piece) error {
	text := p.encode()
	err := a.opts.Store.PutPiece(ctx, p.name(), text)
	if errors.Is(err, fs.ErrExist) {
		there, err := read(ctx, a.opts.Store, place{name: p.name()})
		if err != nil {
			return err
		}
		if there.digest != p.digest {
			return a.adopt(there)
		}
		p = there
	} else if err != nil {
		return fmt.Errorf("put %s: %w", p.name(), err)
	}
	a.advance(tip{branch: p.branch, last: p.last, digest: p.digest, position: p.end}, int64(len(text)))
	return nil
}

// adopt goes on behind a piece that is there in the place of the next one: if it is of this very log, an earlier
// process has put it, and its answer was lost; else the branch is another one's from here on.
func (a *Archiver) adopt(there *piece) error {
	tail := a.log.Tail()
	err := status.ErrAhead
	if there.before == a.tip.digest && there.last <= a.log.Durable() {
		err = tail.Resume(there.end)
	}
	if errors.Is(err, status.ErrAhead) {
		a.breakOff(Fork)
		return nil
	}
	if err != nil {
		return err
	}
	a.tail = tail
	a.advance(tip{branch: there.branch, last: there.last, digest: there.digest, position: there.end}, 0)
	return nil
}

// advance makes t the tip, and lets the log release what is before it.
func (a *Archiver) advance(t tip, bytes int64) {
	a.tip = t
	a.log.ReleaseBefore(t.position.Num)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moments = slices.DeleteFunc(a.moments, func(m Moment) bool { return m.Sequence <= t.last })
	a.metrics.Sequence = uint64(t.last)
	a.metrics.Branch = fmt.Sprintf("%016x", t.branch)
	a.metrics.Bytes += uint64(bytes)
	a.metrics.Pieces++
}

// Metrics is what the archiver has done since Start. It takes a mutex for a moment. Of a nil archiver it is zero.
func (a *Archiver) Metrics() metrics.Archive {
	if a == nil {
		return metrics.Archive{}
	}
	visible := uint64(a.engine.Tree().Visible())
	held, _ := a.log.Held()
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.metrics
	m.HeldBytes = held
	m.LagOperations = visible - min(visible, m.Sequence)
	if len(a.moments) > 0 {
		m.Lag = max(0, a.opts.Wall().Sub(a.moments[0].Time))
	}
	return m
}

// Report is the Metrics for followers, who are told again as long as anything waits: a Put may hang meanwhile.
func (a *Archiver) Report() metrics.Archive {
	m := a.Metrics()
	if m.LagOperations > 0 {
		a.engine.NoteReport()
	}
	return m
}

// source is what a base is made of.
func (a *Archiver) source() checkpoint.Source {
	return checkpoint.Source{Tree: a.engine.Tree(), Flush: a.engine.Flush}
}
