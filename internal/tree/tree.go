package tree

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree/budget"
	"lightningdb/internal/tree/burst"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/rowcache"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/tables"
	"lightningdb/internal/tree/timing"
)

// Options configures a tree.
type Options struct {
	Dir    *directory.Directory
	Gate   *calls.Gate
	Clock  clock.Monotonic
	Wall   func() time.Time
	Random func() uint64

	Budget   budget.Budget
	Rules    operand.Rules
	Codec    codec.Compressor
	PageSize int // bytes of a table page before compression

	ValueThreshold int // see tables.Options

	ReadOnly       bool          // no housekeeper: readers do what it would
	Follow         bool          // another process writes; see follow.go
	Manual         bool          // no background goroutines
	Retain         time.Duration // how long every past state stays readable; 0 for not at all
	MaxSnapshotAge time.Duration // snapshots and iterators older than this expire; 0 for never
	TraceReaders   bool          // remember where readers were opened

	// What the tree asks for. None of these may wait; all may be called with locks held, but never with mu.
	Unused    func()                                  // Reclaim, ShareMemory or Step may have something to do
	Compact   func()                                  // a compaction may have something to do
	Changed   func()                                  // memory was given back
	Exclusive func(func()) bool                       // calls it while no commit is in progress, or reports false at once
	Missing   func(num filename.Num, err error) error // see tables.Options
	Damaged   func(error)                             // see tables.Options

	Reads timing.Options // who wants to know of reads

	// Owned by tests and simulations.
	Poison bool // overwrite freed cache frames, to expose their late use
	Rows   bool // keep every row that is read in the row cache, to expose rows that are out of date
	Gaps   bool // remember every gap that an iterator passes, however short, to expose gaps that are not empty
}

// Tree is the tree of an open database. Its methods are safe for concurrent use, unless they say otherwise.
type Tree struct {
	opts  Options
	dir   *directory.Directory
	gate  *calls.Gate
	clock clock.Monotonic

	epochs  *epoch.Domain
	cache   *cache.Cache
	rows    *rowcache.Cache
	tables  *tables.Set
	buffers *piece.Buffers // of flushes, compactions and transactions larger than memory
	onHeap  atomic.Int64   // bytes of what transactions have written and read, where that is much

	view    atomic.Pointer[View] // the current view, nil once closed; swapped under mu
	readers *readers.Registry
	gaps    gap.Gaps     // where iterators have found nothing
	debt    atomic.Int64 // read debt: see debt.go
	burst   burst.Burst

	openSnapshots atomic.Int64
	openIterators atomic.Int64
	gets          *timing.Gets
	scans         *latency.Histogram // apart from what every read loads
	passed        atomic.Int64       // user keys without a value that iterators have passed
	checked       atomic.Int64       // entries looked at to find what has changed in a span

	sharing sync.Mutex // held by the one ShareMemory in progress

	mu    sync.Mutex // never held during I/O
	mems  memtable.Pool
	names *tables.Names // every file that some view names
	stand standing      // views that are read at their own sequence number

	deadMu sync.Mutex
	dead   []*View // views without references, for Reclaim

	resources atomic.Int32 // the open tree and every open iterator; the last one frees the memory
}

// New returns a tree without content. Begin puts it into service.
func New(o Options) *Tree {
	tr := &Tree{
		opts:   o,
		dir:    o.Dir,
		gate:   o.Gate,
		clock:  o.Clock,
		epochs: epoch.NewDomain(),
		gets:   timing.New(o.Clock, o.Reads),
		scans:  new(latency.Histogram),
		readers: readers.New(readers.Options{
			Clock:   o.Clock,
			Wall:    o.Wall,
			Gate:    o.Gate,
			Retain:  o.Retain,
			MaxAge:  o.MaxSnapshotAge,
			AtOnce:  o.ReadOnly || o.Follow || o.Manual,
			Due:     o.Unused,
			Dropped: o.Compact,
		}),
	}
	tr.mems = memtable.NewPool(o.Budget.Memtable, o.Budget.Frozen+1)
	tr.mems.Folding = &memtable.Folding{Rules: o.Rules.Apart(), Below: tr.below}
	if o.Follow {
		tr.mems.Folding.Below = nil
	}
	tr.cache = cache.New(o.Budget.Cache(int64(o.Budget.Memtable)), o.PageSize, tr.epochs)
	tr.cache.Poison = o.Poison
	tr.buffers = piece.NewBuffers(o.Budget.Buffers)
	tr.tables = tables.New(tables.Options{
		Dir: o.Dir, Gate: o.Gate, Epochs: tr.epochs, Cache: tr.cache, Buffers: tr.buffers, Random: o.Random,
		Codec: o.Codec, PageSize: o.PageSize, OpenBytes: o.Budget.OpenTables, Bytes: o.Budget.Table, Unused: o.Unused,
		ValueThreshold: o.ValueThreshold,
		Missing:        o.Missing, Damaged: o.Damaged, Meter: tr.gets.Meter(), Clock: o.Clock,
	})
	tr.names = tables.NewNames(tr.tables)
	tr.rows = rowcache.New(rowcache.Options{Bytes: o.Budget.Rows, Wake: tr.memorySoon, Eager: o.Rows})
	tr.resources.Store(1)
	return tr
}

// NewMemtable returns an empty memtable for log segment, with room for at least need bytes. It belongs to the caller
// until Begin, Recycle or its own Free.
func (tr *Tree) NewMemtable(segment filename.Num, need int) (*Memtable, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.newMemtableLocked(segment, need)
}

// Recycle takes back a memtable that came from NewMemtable and that nobody reads.
func (tr *Tree) Recycle(m *Memtable) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.mems.Recycle(m.Table)
}

// Replay applies a batch whose first operation has sequence number first to m, which belongs to the caller.
func (m *Memtable) Replay(b *batch.Batch, first key.SeqNum) {
	m.Apply(b, first)
	m.last = first + key.SeqNum(b.Count()) - 1
}

// ForSegment says that the content of m is in log segment. Nobody else may know m, or it must be empty and active.
func (m *Memtable) ForSegment(segment filename.Num) { m.segment = segment }

// Resume makes last the newest commit of a tree that Begin will put into service upon version. The tree was not told
// of the commits before it.
func (tr *Tree) Resume(version *manifest.Version, last key.SeqNum) {
	if version.Time > 0 {
		tr.readers.Time.Begin(version.Time)
	}
	tr.rows.Forget(last)
	tr.readers.Begin(version.Horizon, last)
}

// Begin puts the tree into service with mems, newest first, above version.
func (tr *Tree) Begin(mems []*Memtable, version *manifest.Version) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	runs, _ := tr.sortLocked(version)
	tr.installLocked(mems, runs, 0)
}

// Current is the current view, without a reference: anybody may ask for its numbers, and the leader of the commit
// queue may read it. It is nil after Close.
func (tr *Tree) Current() *View { return tr.view.Load() }

// Active is the memtable that commits go to. Only the leader of the commit queue may ask.
func (tr *Tree) Active() *Memtable { return tr.view.Load().mems[0] }

// Visible is the newest published sequence number.
func (tr *Tree) Visible() key.SeqNum { return tr.readers.Visible() }

// Apply puts b, whose operations have the sequence numbers from first to last, into the active memtable. Nobody sees
// it before Publish. Only the leader of the commit queue may call it.
func (tr *Tree) Apply(b *batch.Batch, first, last key.SeqNum) {
	active := tr.Active()
	tr.NoteEnds(b)
	tr.changeRows(b, first)
	active.Apply(b, first)
	active.last = last
	tr.endGaps(b)
}

// NoteEnds says that b, a batch or a spill, will be published: if something in it ends, the database has a time.
func (tr *Tree) NoteEnds(b interface{ Ends() bool }) {
	if b.Ends() {
		tr.readers.Time.Begin(0)
	}
}

// Time is the time of the database.
func (tr *Tree) Time() *readers.Time { return &tr.readers.Time }

// changeRows tells the row cache of b, whose first operation has sequence number first, before it is published. Which
// keys a range has had is not known.
func (tr *Tree) changeRows(b *batch.Batch, first key.SeqNum) {
	if b.Ranges() > 0 {
		tr.rows.Forget(first + key.SeqNum(b.Count()) - 1)
	}
	for user := range b.Keys() {
		tr.rows.Change(key.Hash(user), first)
	}
}

// Publish makes everything up to last visible. Only the leader of the commit queue may call it.
func (tr *Tree) Publish(last key.SeqNum) { tr.readers.Publish(last) }

// Freeze freezes the active memtable and makes an empty one active, with room for need bytes, whose log begins with
// segment. Only the leader of the commit queue may call it.
func (tr *Tree) Freeze(segment filename.Num, need int) error {
	tr.Reclaim() // a memtable that nobody reads any more is used again, instead of a new one
	tr.yieldCache(need)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	v := tr.view.Load()
	active := v.mems[0]
	next, err := tr.newMemtableLocked(segment, need)
	if err != nil {
		return fmt.Errorf("memory for a memtable: %w", err)
	}
	mems := append([]*Memtable{next}, v.mems...)
	if active.IsEmpty() { // too small for need, or its segment was full of records that have been flushed
		mems = append([]*Memtable{next}, v.mems[1:]...)
	}
	tr.installLocked(mems, v.sortedRuns, 0)
	tr.Rotated()
	return nil
}

// Install makes version current, and drops the memtable that was flushed into it, nil for none. Calls must come in
// the order of the versions; the memtable is always the oldest.
func (tr *Tree) Install(version *manifest.Version, flushed *Memtable) {
	tr.mu.Lock()
	runs, fresh := tr.sortLocked(version)
	tr.mu.Unlock()
	tr.tables.OpenAhead(fresh)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	mems := tr.view.Load().mems
	if flushed != nil {
		mems = mems[: len(mems)-1 : len(mems)-1]
		tr.mems.Held(flushed.Table, tr.clock.Now())
	}
	tr.installLocked(mems, runs, 0)
}

// Ingested tells the tree of tables that Install has added without a memtable. It must be called before they are
// published.
func (tr *Tree) Ingested(added []manifest.Placed) {
	for _, added := range added {
		if t := added.Table; t.Tombstones < t.Entries {
			tr.gaps.PutSpan(t.Smallest, t.Largest)
		}
	}
}

// ForgetRows makes the row cache forget everything that it read before seq: which keys have changed is not known.
func (tr *Tree) ForgetRows(seq key.SeqNum) { tr.rows.Forget(seq) }

// HoldVersions returns the sequence numbers that must stay readable in a job on versions up to newest: see
// readers.Hold.
func (tr *Tree) HoldVersions(newest key.SeqNum) []key.SeqNum { return tr.readers.Hold(newest) }

// OldestReader is the oldest sequence number that a reader stands at, or the newest if there is no reader.
func (tr *Tree) OldestReader() key.SeqNum {
	held, _ := tr.readers.Oldest()
	return held
}

// Tables is the set of tables that the tree reads, and that flushes and compactions write.
func (tr *Tree) Tables() *tables.Set { return tr.tables }

// Step does what is due with time: it releases states that need not be kept any more, ends readers that are too old,
// and notes when readers came. It returns the time until it is due again, a long one for never.
func (tr *Tree) Step() time.Duration { return min(tr.readers.Step(), tr.readers.Tend()) }

// Rotated says that a burst of writes may have begun, or goes on. Only one goroutine may call it at a time.
func (tr *Tree) Rotated() { tr.burst.Rotated(tr.clock.Now()) }

// BurstLeft is how much longer there may be a burst of writes; 0 if there is none.
func (tr *Tree) BurstLeft() time.Duration {
	if tr.opts.Manual {
		return 0
	}
	return tr.burst.Left(tr.clock.Now())
}

// IsIdle reports whether no writes need processors and disk more than a compaction of v does.
func (tr *Tree) IsIdle(v *View) bool { return len(v.mems) == 1 && tr.BurstLeft() == 0 }

// EndReaders ends the iterators that are still open, and returns the number of these and of open snapshots.
func (tr *Tree) EndReaders() int { return tr.readers.EndAll() + int(tr.openSnapshots.Load()) }

// Close closes all tables. Nobody may read the tree or change it any more, except iterators that were left open.
func (tr *Tree) Close() {
	tr.mu.Lock()
	last := tr.view.Swap(nil)
	tr.gets.Close()
	tr.mems.KeepNone() // none is cleared for the next use
	pinned := tr.stand.unpinAll()
	tr.mu.Unlock()
	for _, v := range append(pinned, last) {
		if v != nil {
			tr.epochs.Retire(func() { tr.Release(v) })
		}
	}
	tr.epochs.Drain()
	tr.freeDead()
	tr.tables.CloseAll()
	tr.epochs.Drain()
	tr.freeDead()
}

// Free releases one hold on the memory outside the heap. The last one, of the database or of an iterator that was
// left open, frees the memory.
func (tr *Tree) Free() {
	if tr.resources.Add(-1) > 0 {
		return
	}
	tr.epochs.Drain()
	tr.freeDead()
	tr.epochs.Drain()
	tr.mu.Lock()
	tr.mems.Free()
	tr.mu.Unlock()
	tr.rows.Free()
	tr.buffers.Close()
	tr.cache.Close()
}
