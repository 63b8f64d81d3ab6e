package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/record"
	"lightningdb/internal/join"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/rowcache"
	"lightningdb/internal/tree/table"
)

// Engine is an open database. Its methods are safe for concurrent use.
type Engine struct {
	opts   Options
	budget memoryBudget
	rules  operand.Rules
	fs     vfs.FS
	lock   io.Closer
	owner  *owner.Mark // nil if read-only
	report Report

	epochs *epoch.Domain
	cache  *cache.Cache
	rows   *rowcache.Cache
	open   openTables

	calls

	buffers *table.Buffers // of flushes, compactions and transactions larger than memory
	writes  atomic.Int64   // bytes of what transactions have written, where that is much

	view    atomic.Pointer[view]    // the current view, nil once closed; swapped under mu
	visible atomic.Uint64           // the newest published sequence number; stored by the commit leader
	durable atomic.Uint64           // a completed sync covers everything up to here; rises only
	failed  atomic.Pointer[failure] // why writes stopped; set once

	// The commit side. Touched by the leader of a group only, unless said otherwise.
	queue         *commit.Queue
	segment       atomic.Pointer[wal.Segment] // the active log segment; SyncStep loads it
	records       []wal.Record                // reused by Log
	confirmed     bool                        // the group in progress was synced, and the mark stood after it
	owedSleep     time.Duration               // what writers owe to a long level 0; see slowDown
	unsyncedSince atomic.Int64                // the instant when the oldest unsynced commit was published; 0 if none is
	unweighed     atomic.Int64                // the instant of the first change that SpaceStep has not seen; 0 if there is none
	syncSoon      atomic.Bool                 // much is unsynced: do not wait for the interval
	pastDue       atomic.Int64                // the instant when the timeline of snapshots wants its next sample

	locks lock.Table   // of transactions
	gaps  gap.Gaps     // where iterators have found nothing
	hops  atomic.Int64 // what scans have spent because there are several runs of tables; see pickForScans

	snapshots     snapshots
	openSnapshots atomic.Int64
	openIterators atomic.Int64

	flushMu     sync.Mutex // held by the one flush in progress
	compactTurn turn       // of the one compaction in progress
	houseMu     sync.Mutex // held by the one CleanStep or MemoryStep in progress
	futile      futile     // of who has compactTurn
	counted     counted    // likewise
	space       space      // guarded by houseMu

	filesMu sync.RWMutex // held for reading while files change, for writing to set failed; see changeFiles

	manifestMu    sync.Mutex // held while an edit becomes durable
	manifest      *manifest.Log
	manifestLimit int64 // size at which a new manifest starts

	inForce     atomic.Uint64 // number of the manifest that CURRENT names; 0 if there is none yet
	comingForce atomic.Uint64 // number of the one that it is about to name

	rotated atomic.Int64 // the instant when a memtable was last frozen, or the engine opened; 0 if neither

	mu         sync.Mutex // never held during I/O
	room       *sync.Cond // a flush or compaction ended, or can no longer go on
	mems       memtables
	tables     map[filename.Num]*tableRef // every table that some view names
	segmentNum filename.Num               // number of the active segment
	logEnd     filename.Num               // the log has ended before this segment, which is never begun; 0 before Close
	logs       []logFile                  // sealed log segments and the active one, ascending
	obsolete   []string                   // files to remove
	retired    []logFile                  // sealed log segments that are needed no more, kept to be used again; at most keptLogs
	blank      *wal.Blank                 // the file of the next log segment, nil if none is ready
	nextNum    filename.Num
	heldUp     error // background work waits for space on the disk or for file descriptors

	deadMu sync.Mutex
	dead   []*view      // views without references, for CleanStep
	shut   []*openTable // tables to close, for CleanStep

	stats stats

	ctx             context.Context // done once Close begins, with the cause ErrClosed
	stop            func()
	background      sync.WaitGroup
	wakeFlusher     chan struct{}
	wakeCompactor   chan struct{}
	wakeHousekeeper chan struct{}

	resources atomic.Int32 // the open engine and every open iterator; the last one frees the memory
}

// logFile is a log segment on disk.
type logFile struct {
	num  filename.Num
	size int64 // in bytes; of the active one 0, it knows its own
}

// Open recovers the database in opts.FS, or creates it.
func Open(opts Options) (*Engine, error) {
	e := newEngine(opts)
	if err := e.recover(); err != nil {
		err = e.takenOver(err)
		e.abandon()
		return nil, err
	}
	e.MemoryStep()
	if !e.opts.ReadOnly && !e.opts.Manual {
		e.rotated.Store(int64(e.now())) // what is due waits for a burst that may follow
		e.startBackground()
	}
	return e, nil
}

func newEngine(opts Options) *Engine {
	opts = opts.withDefaults()
	e := &Engine{
		opts:            opts,
		budget:          newMemoryBudget(opts.MemoryLimit),
		rules:           operand.Rules{User: opts.Merge},
		fs:              opts.FS,
		epochs:          epoch.NewDomain(),
		tables:          make(map[filename.Num]*tableRef),
		compactTurn:     make(turn, 1),
		futile:          make(futile),
		calls:           calls{left: make(chan struct{}, 1)},
		counted:         make(counted),
		nextNum:         1,
		wakeFlusher:     make(chan struct{}, 1),
		wakeCompactor:   make(chan struct{}, 1),
		wakeHousekeeper: make(chan struct{}, 1),
	}
	if e.opts.LogLimit <= 0 {
		e.opts.LogLimit = 2 * int64(e.budget.frozen+1) * int64(e.budget.memtable)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	e.ctx, e.stop = ctx, func() { stop(ErrClosed) }
	e.room = sync.NewCond(&e.mu)
	e.mems = memtables{size: e.budget.memtable, keep: e.budget.frozen + 1}
	e.mems.folding = &memtable.Folding{Rules: e.rules, Below: e.below}
	e.cache = cache.New(e.budget.cache(int64(e.budget.memtable)), e.opts.PageSize, e.epochs)
	e.cache.Poison = e.opts.Poison
	e.buffers = table.NewBuffers(e.budget.buffers)
	e.rows = rowcache.New(rowcache.Options{Bytes: e.budget.rows, Wake: e.memorySoon, Eager: e.opts.Rows})
	e.locks.Now = e.opts.Elapsed
	e.resources.Store(1)
	return e
}

// abandon lets go of everything after a failed Open.
func (e *Engine) abandon() {
	e.calls.close()
	e.stop()
	e.closeFiles()
	e.release()
}

// newNum gives out the next file number.
func (e *Engine) newNum() filename.Num {
	e.mu.Lock()
	defer e.mu.Unlock()
	num := e.nextNum
	e.nextNum++
	return num
}

// peekNum is a number above every one given out.
func (e *Engine) peekNum() filename.Num {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.nextNum
}

func (e *Engine) databaseID() [16]byte { return e.view.Load().version.DatabaseID }

// Flush writes everything committed so far to tables.
func (e *Engine) Flush() error {
	if err := e.Enter(); err != nil {
		return err
	}
	defer e.Leave()
	if err := e.writable(); err != nil {
		return err
	}
	if err := e.flushFrozen(); err != nil { // now, not when the flusher tries again: the disk may have space again
		return err
	}
	err := e.queue.Exclusive(func() error {
		if e.active().Count() == 0 {
			return nil
		}
		return e.rotate(0)
	})
	if err != nil {
		return err
	}
	return e.flushFrozen()
}

// flushFrozen writes all frozen memtables to tables.
func (e *Engine) flushFrozen() error {
	for {
		worked, err := e.FlushStep()
		if err != nil || !worked {
			return err
		}
	}
}

// Compact flushes, then rewrites all tables that overlap [lo, hi) until every key in it is in the last level and
// everything that no reader needs is gone. Nil bounds are open. It goes on beside reads and writes. Once ctx is done it
// reads nothing more, and what was compacted so far stays compacted; a flush that has begun goes on.
func (e *Engine) Compact(ctx context.Context, lo, hi []byte) error {
	if err := e.Enter(); err != nil {
		return err
	}
	defer e.Leave()
	return e.untilClosed(ctx, func(ctx context.Context) error { return e.compactRange(ctx, lo, hi) })
}

func (e *Engine) compactRange(ctx context.Context, lo, hi []byte) error {
	if err := waitUntil(ctx, e.Flush); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		worked, err := e.compactOnce(ctx, func(v *view, p compaction.Params) *compaction.Job {
			job, _ := compaction.PickRange(v.version, p, noneBusy, lo, hi)
			return job
		})
		if err != nil || !worked {
			return err
		}
	}
}

// Report says what Open found and did.
func (e *Engine) Report() Report { return e.report }

// Close stops all background work, waits for the calls that are in progress, which finish or get ErrClosed, flushes, and
// lets go of the directory. Iterators and snapshots that are still open stop working, what they hold is given back, and
// Close says so with ErrOpenReaders; nothing is lost by it. A second Close returns ErrClosed.
func (e *Engine) Close() error {
	if !e.calls.close() {
		return ErrClosed
	}
	e.stop()
	e.wakeAll()
	e.calls.wait()
	e.background.Wait() // from here on nobody else is in
	left := e.snapshots.endAll() + int(e.openSnapshots.Load())
	err := join.Errors(e.flushAtClose(), e.closeFiles())
	if left > 0 {
		err = join.Errors(err, fmt.Errorf("%w: %d of them; close each before the database", ErrOpenReaders, left))
	}
	e.release()
	return err
}

// flushAtClose leaves everything in tables and no log behind, so that the next Open has nothing to replay and knows it. A
// full disk here loses nothing: the log has everything, and it is synced.
func (e *Engine) flushAtClose() error {
	if e.opts.ReadOnly {
		return nil
	}
	return e.queue.Exclusive(func() error {
		if f := e.failed.Load(); f != nil {
			return fmt.Errorf("%w: %w", ErrReadOnly, f.cause) // perhaps a sync that nobody waited for
		}
		err := e.syncLog()
		if err == nil {
			err = e.flushFrozen()
		}
		if err == nil {
			err = e.endLog()
		}
		if errors.Is(err, vfs.ErrNoSpace) && e.failed.Load() == nil {
			return nil // the log has everything, and it is synced
		}
		return err
	})
}

// endLog flushes the last memtable, and notes in the manifest that the log is needed no more and that none follows. A
// segment in which nothing was ever logged is left to the next Open as it is: nothing of it can be lost.
func (e *Engine) endLog() error {
	if seg := e.segment.Load(); e.active().Count() == 0 && seg.Size() == record.FileHeaderSize && !seg.Reused() {
		return nil
	}
	e.logEnd = e.newNum()
	if e.active().Count() == 0 {
		return e.commitEdit(&manifest.Edit{LogStart: e.logEnd, LogEnd: e.logEnd}, nil)
	}
	if err := e.freezeMemtable(e.logEnd, 0); err != nil {
		return err
	}
	return e.flushFrozen()
}

// closeFiles closes the log, the manifest, all tables and the lock, in this order.
func (e *Engine) closeFiles() error {
	var errs []error
	if seg := e.segment.Load(); seg != nil {
		if err := seg.Close(); !errors.Is(err, fs.ErrClosed) { // a failed seal has closed it
			errs = append(errs, err)
		}
	}
	e.manifestMu.Lock()
	if e.manifest != nil {
		errs = append(errs, e.manifest.Close())
		e.manifest = nil
	}
	e.manifestMu.Unlock()
	e.mu.Lock()
	last := e.view.Swap(nil)
	e.mems.keep = 0 // none is cleared for the next use
	e.mu.Unlock()
	if last != nil {
		e.epochs.Retire(func() { e.unref(last) })
	}
	e.epochs.Drain()
	e.CleanStep()
	e.closeAllTables()
	e.epochs.Drain()
	e.buryDead()
	if e.owner != nil {
		errs = append(errs, e.owner.Release())
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	errs = append(errs, e.fs.Close())
	return join.Errors(errs...)
}

// release gives back one hold on the memory outside the heap. The last one, of the engine or of an iterator that
// was left open, frees it.
func (e *Engine) release() {
	if e.resources.Add(-1) > 0 {
		return
	}
	e.epochs.Drain()
	e.buryDead()
	e.epochs.Drain()
	e.mu.Lock()
	e.mems.free()
	e.mu.Unlock()
	e.rows.Free()
	e.buffers.Close()
	e.cache.Close()
}
