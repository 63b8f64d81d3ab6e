package engine

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/event"
	"lightningdb/internal/engine/conflict"
	"lightningdb/internal/engine/disk"
	"lightningdb/internal/engine/measure"
	"lightningdb/internal/engine/room"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/format/status"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/budget"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/tables"
)

// Engine is an open database. Its methods are safe for concurrent use.
type Engine struct {
	opts   Options
	budget budget.Budget
	clock  clock.Monotonic
	report Report
	stats  stats.Stats

	gate  *calls.Gate
	dir   *directory.Directory
	store *manifest.Store
	log   *wal.Log
	tree  *tree.Tree

	queue  *commit.Queue
	locks  lock.Table // of transactions
	reads  txn.Budget // of their read sets
	leader leader
	opened status.Manifest // what of the manifest there was when Open was done

	background background
	compactor  compactor
	space      space
	room       room.Room
	disk       *disk.Disk // nil without Options.DiskLimit
}

// Open recovers the database in opts.FS, or creates it.
func Open(opts Options) (*Engine, error) {
	e, open := newEngine(opts), false
	defer func() {
		if !open { // also when a listener panics: the directory would stay locked
			e.abandon()
		}
	}()
	if err := e.recover(); err != nil {
		return nil, e.dir.TakenOver(err)
	}
	e.MemoryStep()
	if !e.opts.Manual {
		e.opts.bus.Start()
	}
	if !e.opts.ReadOnly && !e.opts.Manual {
		e.background.scrub = e.newScrub()
		e.tree.Rotated() // what is due waits for a burst that may follow
		e.startBackground()
	}
	open = true
	return e, nil
}

func newEngine(opts Options) *Engine {
	opts = opts.withDefaults()
	e := &Engine{
		opts:       opts,
		budget:     budget.New(opts.MemoryLimit),
		clock:      opts.Elapsed,
		gate:       calls.NewGate(),
		background: newBackground(),
		compactor:  compactor{turn: calls.NewTurn(), Memory: measure.New()},
	}
	if opts.TableBytes > 0 {
		e.budget.Table = opts.TableBytes
	}
	if e.opts.LogLimit <= 0 {
		e.opts.LogLimit = 2 * int64(e.budget.Frozen+1) * int64(e.budget.Memtable)
	}
	if opts.ReadOnly {
		e.opts.HoldLog = 0
	} else if opts.HoldLog < 0 {
		e.opts.HoldLog = e.opts.LogLimit
	}
	e.limitDisk()
	e.locks.Now = opts.Elapsed
	e.stats.Clock, e.stats.Slow = opts.Elapsed, opts.bus.Measures()
	e.dir = directory.New(directory.Options{
		FS: e.opts.FS, ReadOnly: opts.ReadOnly, Gate: e.gate, Random: opts.Random,
		Followers: opts.Followers && !opts.ReadOnly, Clock: e.clock, MaxHold: opts.MaxSnapshotAge,
		Failed: e.failed, Discarded: e.background.housekeeper.Wake, Unread: func(cause error) {
			e.opts.bus.Send(event.Unfollowable{Cause: cause})
		},
	})
	e.store = manifest.NewStore(e.dir, manifest.StoreOptions{Random: opts.Random, Limit: opts.ManifestLimit})
	e.log = wal.NewLog(e.dir, wal.LogOptions{
		SegmentLimit: e.opts.LogLimit / int64(e.budget.Frozen+1),
		SyncInterval: opts.SyncInterval, Clock: e.clock, Wake: e.background.housekeeper.Wake, HoldLimit: e.opts.HoldLog,
	})
	e.tree = tree.New(tree.Options{
		Dir: e.dir, Gate: e.gate, Clock: e.clock, Wall: opts.Wall, Random: opts.Random,
		Budget: e.budget, Rules: operand.Rules{User: opts.Merge}, Codec: opts.Codec, PageSize: opts.PageSize,
		ValueThreshold: opts.ValueThreshold,
		ReadOnly:       opts.ReadOnly, Manual: opts.Manual, Retain: opts.Retain, MaxSnapshotAge: opts.MaxSnapshotAge,
		TraceReaders: opts.TraceReaders,
		Unused:       e.background.housekeeper.Wake, Compact: e.background.compactor.Wake, Changed: e.room.Changed,
		Exclusive: func(do func()) bool { return e.queue.TryExclusive(do) },
		Damaged:   func(err error) { e.opts.bus.Damaged("read", err) },
		Reads:     opts.bus.Reads(),
		Poison:    opts.Poison, Rows: opts.Rows, Gaps: opts.Gaps,
	})
	e.reads.Limit, e.reads.Changed = e.budget.Reads, e.tree.CountOnHeap
	return e
}

// failed is called when the first failure has ended all writes.
func (e *Engine) failed(cause error) {
	e.tree.Time().Release() // nothing is published any more
	e.NoteReport()
	e.opts.bus.Send(event.Stopped{Cause: cause})
	e.wakeAll()
}

// abandon gives back everything after a failed Open.
func (e *Engine) abandon() {
	e.gate.Close()
	e.closeFiles()
	e.tree.Free()
}

// Enter begins a call that uses files or tree, and must end with Leave. After Close it gives ErrClosed instead.
func (e *Engine) Enter() error { return e.gate.Enter() }

// Leave ends a call.
func (e *Engine) Leave() { e.gate.Leave() }

// Closed reports whether Close has begun.
func (e *Engine) Closed() bool { return e.gate.Closed() }

// Writable returns nil while writes are accepted.
func (e *Engine) Writable() error { return e.dir.Writable() }

// Get is Tree.Get.
func (e *Engine) Get(dst, user []byte, seq key.SeqNum) ([]byte, bool, error) {
	return e.tree.Get(dst, user, seq)
}

// Has is Tree.Has.
func (e *Engine) Has(user []byte, seq key.SeqNum) (bool, error) { return e.tree.Has(user, seq) }

// Measure is Tree.Measure.
func (e *Engine) Measure(user []byte, seq key.SeqNum) (m Measure, found bool, err error) {
	return e.tree.Measure(user, seq)
}

// OpenValue is Tree.OpenValue.
func (e *Engine) OpenValue(s *Snapshot, user []byte) (value []byte, long *Iterator, size int64, err error) {
	return e.tree.OpenValue(s, user)
}

// NewIterator is Tree.NewIterator.
func (e *Engine) NewIterator(s *Snapshot, lo, hi []byte) (*Iterator, error) {
	return e.tree.NewIterator(s, lo, hi)
}

// Snapshot is Tree.Snapshot.
func (e *Engine) Snapshot() *Snapshot { return e.tree.Snapshot() }

// SnapshotAt is Tree.SnapshotAt.
func (e *Engine) SnapshotAt(seq key.SeqNum) (*Snapshot, error) { return e.tree.SnapshotAt(seq) }

// Hold is Tree.Hold.
func (e *Engine) Hold(s *Snapshot, k origin.Kind) { e.tree.Hold(s, k) }

// NewSpill is Tree.NewSpill.
func (e *Engine) NewSpill(seq key.SeqNum) *SpillWriter {
	return e.tree.Tables().NewSpill(seq).Ask(e.disk.Claim)
}

// NewIngest is Tree.NewIngest.
func (e *Engine) NewIngest() *SpillWriter { return e.tree.Tables().NewIngest().Ask(e.disk.Claim) }

// SpillBytes is how many bytes of writes one transaction may keep in memory.
func (e *Engine) SpillBytes() int64 { return int64(e.budget.Memtable) / 2 }

// CountWrites says that the writes of transactions take delta bytes of memory more.
func (e *Engine) CountWrites(delta int64) { e.tree.CountOnHeap(delta) }

// Tree is what is there at a sequence number, for who copies it.
func (e *Engine) Tree() *tree.Tree { return e.tree }

// Log is what was committed, for who archives it.
func (e *Engine) Log() *wal.Log { return e.log }

// AppendedBytes is how many bytes of batches have gone to the log.
func (e *Engine) AppendedBytes() uint64 { return e.stats.LogBytes.Load() }

// NoteArchive tells when something is not archived because of err, which will be tried again, and when that is over.
func (e *Engine) NoteArchive(err error) { e.background.archive.Note(e.opts.bus, e.clock.Now(), err) }

// Verify is Tree.Verify, traced.
func (e *Engine) Verify(ctx context.Context, progress func(done, total int64)) error {
	err := e.opts.bus.Traced(ctx, event.Verify, func(ctx context.Context) error { return e.tree.Verify(ctx, progress) })
	e.opts.bus.Damaged("verify", err)
	return err
}

// Traced calls do within a span of the tracer of the options, if there is one; Traces says so.
func (e *Engine) Traced(ctx context.Context, op event.Operation, do func(ctx context.Context) error) error {
	return e.opts.bus.Traced(ctx, op, do)
}

func (e *Engine) Traces() bool { return e.opts.bus.Traces() }

// BeginBackup says that a backup begins, to a stream or a repository. The caller says how it ends.
func (e *Engine) BeginBackup(ctx context.Context, to string) (
	within context.Context, end func(sequence uint64, bytes int64, err error)) {
	return e.background.backups.Begin(ctx, e.opts.bus, to)
}

// Flush writes everything committed so far to tables.
func (e *Engine) Flush() error {
	if err := e.Enter(); err != nil {
		return err
	}
	defer e.Leave()
	if err := e.dir.Writable(); err != nil {
		return err
	}
	for {
		if err := e.flushFrozen(); err != nil { // now, not when the flusher tries again: the disk may have space again
			return err
		}
		err := e.rotateAny()
		if err == nil {
			return e.flushFrozen()
		}
		if err == errNoRoom {
			err = e.waitForRoom(context.Background())
		}
		if err != nil {
			return err
		}
	}
}

// flushFrozen writes the memtables to tables that are frozen now. What is frozen meanwhile does not make it longer.
func (e *Engine) flushFrozen() error {
	for range e.tree.Current().Frozen() {
		worked, err := e.FlushStep()
		if err != nil || !worked {
			return err
		}
	}
	return nil
}

// Compact flushes, then rewrites all tables that overlap [lo, hi) until every key in it is in the last level and
// everything that no reader needs is gone, and empties value files of these tables that hold too much garbage. Nil
// bounds are open. Reads and writes go on meanwhile; what is written after the call began is not part of it. Once ctx
// is done it reads nothing more, and what was compacted so far stays compacted; a flush that has begun goes on.
func (e *Engine) Compact(ctx context.Context, lo, hi []byte) error {
	if err := e.Enter(); err != nil {
		return err
	}
	defer e.Leave()
	return e.gate.UntilClosed(ctx, func(ctx context.Context) error { return e.compactRange(ctx, lo, hi) })
}

func (e *Engine) compactRange(ctx context.Context, lo, hi []byte) error {
	asked := compaction.Asked{Span: span.Span{Lo: lo, Hi: hi}, Seq: e.tree.Visible()}
	if err := calls.Until(ctx, e.Flush); err != nil {
		return err
	}
	asked.Num = e.dir.PeekNum()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		all := false
		worked, err := e.compactOnce(ctx, func(v *tree.View, p compaction.Params) (job *compaction.Job) {
			job, all = compaction.PickRange(v.Version(), p, noneBusy, asked)
			return job
		})
		if err == nil && !worked && !all {
			err = fmt.Errorf("compact: %w: the disk limit leaves too little for the next step", vfs.ErrNoSpace)
		}
		if err != nil || !worked {
			return err
		}
	}
}

// Report says what Open found and did.
func (e *Engine) Report() Report { return e.report }

// Close stops all background work, waits for the calls that are in progress, which finish or get ErrClosed, flushes,
// and gives up the directory. Iterators and snapshots that are still open stop working, what they hold is given back,
// and Close says so with ErrOpenReaders; nothing is lost by it. A second Close returns ErrClosed.
func (e *Engine) Close() error {
	if !e.gate.Close() {
		return ErrClosed
	}
	e.wakeAll()
	e.gate.Wait()
	e.background.running.Wait() // from here on nobody else is in
	e.background.stalls.Close(e.opts.bus, e.stats.Stall(e.clock.Now()))
	left := e.tree.EndReaders()
	err := errors.Join(e.flushAtClose(), e.closeFiles())
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d of them; close each before the database", ErrOpenReaders, left))
	}
	e.tree.Free()
	e.opts.bus.Close(event.CloseWait)
	return err
}

// flushAtClose leaves everything in tables and no log behind, so that the next Open has nothing to replay and knows
// it. A full disk here loses nothing: the log has everything, and it is synced.
func (e *Engine) flushAtClose() error {
	if e.opts.ReadOnly {
		return nil
	}
	return e.queue.Exclusive(func() error {
		if cause := e.dir.Cause(); cause != nil {
			return fmt.Errorf("%w: %w", ErrReadOnly, cause) // perhaps a sync that nobody waited for
		}
		err := e.log.Sync(e.tree.Visible())
		if err == nil {
			err = e.flushFrozen()
		}
		if err == nil {
			err = e.endLog()
		}
		if errors.Is(err, vfs.ErrNoSpace) && e.dir.Cause() == nil {
			return nil // the log has everything, and it is synced
		}
		return err
	})
}

// endLog flushes the last memtable, and notes in the manifest that the log is needed no more and that none follows.
// Where nothing has changed since Open, and no reader was told the time, everything is left to the next Open as it is:
// nothing of the segment can be lost, in which nothing was ever logged.
func (e *Engine) endLog() error {
	told := e.tree.Time().Told()
	e.dir.Page().SetTime(told)
	if told == e.tree.Current().Version().Time && e.tree.Active().IsEmpty() &&
		e.log.IsUnused() && e.store.Place() == e.opened {
		return nil
	}
	e.leader.logEnd = e.dir.NewNum()
	if e.tree.Active().IsEmpty() {
		return e.commitEdit(&manifest.Edit{LogStart: e.leader.logEnd, LogEnd: e.leader.logEnd}, nil)
	}
	if err := e.tree.Freeze(e.leader.logEnd, 0); err != nil {
		return err
	}
	return e.flushFrozen()
}

// closeFiles closes the log, the manifest, all tables and the lock, in this order.
func (e *Engine) closeFiles() error {
	errs := []error{e.log.Close(), e.store.Close()}
	e.tree.Close()
	e.CleanStep()
	return errors.Join(append(errs, e.dir.Close())...)
}

// What callers branch on. The root package publishes them under the same names.
var (
	ErrClosed          = calls.ErrClosed
	ErrConflict        = conflict.ErrConflict
	ErrReadOnly        = directory.ErrReadOnly
	ErrCommitUnknown   = errors.New("fate of the commit is unknown until the database is reopened")
	ErrNoDatabase      = errors.New("there is no database here")
	ErrTakenOver       = owner.ErrTakenOver
	ErrTooManyRanges   = batch.ErrTooManyRanges
	ErrSnapshotExpired = readers.ErrExpired
	ErrFutureSequence  = readers.ErrFuture
	ErrOpenReaders     = readers.ErrOpen
)

// Types of what is below, of which callers know through the engine only.
type (
	Iterator    = tree.Iterator
	Snapshot    = tree.Snapshot
	Interrupt   = calls.Interrupt
	Spill       = tables.Spill
	SpillWriter = tables.SpillWriter
	Reader      = readers.Reader
	Direction   = tree.Direction
	TreeMetrics = tree.Metrics
	Measure     = tree.Measure
	Metrics     = state.Metrics
	Report      = state.Report
)

// Directions of Iterator.Each, and the newest published state.
const (
	Forward  = tree.Forward
	Backward = tree.Backward
	Latest   = tree.Latest
)

// ValueFiles is compaction.ValueFiles.
var ValueFiles = compaction.ValueFiles
