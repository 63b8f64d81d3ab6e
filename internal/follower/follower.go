// Package follower reads a database that another process has open, without its lock: the tables and the log, up to
// what that process, the writer, says on its page (package status) it has published.
//
// # A refresh
//
// The order of its steps carries everything:
//
//	lease      once, before anything is read: from then on the writer keeps what later steps find
//	page       where the manifest stands, then which sequence number is visible
//	manifest   up to there: the version
//	log        from where the follower stopped, up to the visible sequence number and no further, into memtables
//	show       one view of these memtables over that version, at that sequence number
//	lease      raised to the oldest version that is still read
//
// A version drops only what no reader from its horizon on sees, and that was visible before the version was in force.
// So what is visible later is whole in it. What follows behind the visible sequence number, in the log or the
// manifest, may be unfinished or be taken back by the writer, and is not looked at.
//
// Where the log does not lead on (the segment was used again, a large commit has gone past it, a new writer has begun
// another log), the follower goes on where the version says that the log begins: what lies before is in its tables.
//
// # What a lease cannot promise
//
// A follower that was stopped for longer than lease.Term, or that cannot write to the directory, may find a file
// removed: tree.ErrExpired for readers of an old state, another attempt for a refresh. It never takes one file for
// another: each block names its table, each record its segment, and no number is used twice.
//
// # Goroutines
//
// One, until Close: it refreshes after each Interval, renews the lease, and gives back what nobody reads any more. With
// Options.Manual the caller does that: Refresh, Step.
//
// Lock order: Follower.turn > leasing > the tree's.
package follower

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/budget"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/readers"
	"lightningdb/metrics"
)

// ErrNoWriter says that what a writer has published cannot be read. Use errors.Is.
var ErrNoWriter = errors.New("what the writer of this database publishes cannot be read; " +
	"if no program has it open, open it read-only")

// What a follower has if nobody chooses: bytes, and time between refreshes.
const (
	DefaultMemory   = 64 << 20
	DefaultInterval = time.Second
)

// Options configures a follower. FS is required.
type Options struct {
	FS          vfs.FS // the directory. The follower closes it, also when Open fails
	MemoryLimit int64
	Interval    time.Duration // until the next refresh; 0 for never
	Merge       operand.Func
	Warn        func(msg string, args ...any) // nil for nobody

	// Owned by tests and simulations.
	Elapsed func() time.Duration
	Wall    func() time.Time // by which entries end, if the writer has not told a later time
	Random  func() uint64
	Manual  bool // no goroutine, and no waiting for the writer
	Poison  bool
	Rows    bool
}

// Follower is a database that another process writes. Its methods are safe for concurrent use.
type Follower struct {
	opts  Options
	clock clock.Monotonic
	gate  *calls.Gate
	dir   *directory.Directory
	tree  *tree.Tree

	turn    calls.Turn // of the one refresh in progress
	current current    // guarded by turn

	shown atomic.Pointer[placed] // the version that is shown; nil before the first refresh. Stored by the one in progress

	durable atomic.Uint64 // the newest sequence number that survives a power cut, as far as is known

	leasing sync.Mutex
	lease   *lease.Lease // nil if the directory cannot be written to
	hold    filename.Num // what the lease says

	unrenewed bool // the last time failed

	running sync.WaitGroup
}

// Open begins to follow the database in opts.FS.
func Open(opts Options) (*Follower, error) {
	if opts.Elapsed == nil {
		opts.Elapsed = clock.Stopwatch()
	}
	if opts.Wall == nil {
		opts.Wall = time.Now
	}
	if opts.Random == nil {
		opts.Random = rand.Uint64
	}
	if opts.Warn == nil {
		opts.Warn = func(string, ...any) {}
	}
	f := &Follower{opts: opts, clock: opts.Elapsed, gate: calls.NewGate(), turn: calls.NewTurn()}
	nothing := func() {}
	f.dir = directory.New(directory.Options{FS: opts.FS, ReadOnly: true, Gate: f.gate, Clock: f.clock})
	f.tree = tree.New(tree.Options{
		Dir: f.dir, Gate: f.gate, Clock: f.clock, Wall: opts.Wall, Random: opts.Random,
		Budget: budget.New(opts.MemoryLimit), Rules: operand.Rules{User: opts.Merge},
		ReadOnly: true, Follow: true, Manual: opts.Manual,
		Unused: nothing, Compact: nothing, Changed: nothing, Exclusive: f.whileNothingIsRead, Missing: f.missing,
		Poison: opts.Poison, Rows: opts.Rows,
	})
	if err := f.begin(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Follower) begin() error {
	if f.opts.FS.ReadsLag() {
		return fmt.Errorf("%w: on this file system a process does not see at once what another writes", ErrNoWriter)
	}
	if err := manifest.CheckOwner(f.opts.FS); err != nil {
		return err
	}
	var err error
	if f.lease, err = lease.Take(f.opts.FS, f.opts.Random()); err != nil {
		f.opts.Warn("the follower has no lease: its snapshots may expire at any time", "cause", err)
		f.lease = nil
	}
	if err := f.Refresh(context.Background()); err != nil {
		return err
	}
	f.tree.ShareMemory()
	if !f.opts.Manual {
		f.running.Go(f.keepUp)
	}
	return nil
}

// whileNothingIsRead is tree.Options.Exclusive: the log is read by a refresh only.
func (f *Follower) whileNothingIsRead(do func()) bool {
	if !f.turn.TryTake() {
		return false
	}
	defer f.turn.End()
	do()
	return true
}

// missing is tree.Options.Missing. What the version in force names must be there; what an older one named the writer
// may have removed, if it did not know of the reader. A power cut may take the page back to an older version, and leave
// the manifest.
func (f *Follower) missing(num filename.Num, err error) error {
	page, unread := status.Read(f.opts.FS)
	if s := f.shown.Load(); unread != nil || s == nil || s.place != page.Manifest || !s.version.Names(num) {
		return fmt.Errorf("%w: the writer has removed table %d", readers.ErrExpired, num)
	}
	if inForce, _, unread := manifest.Recover(f.opts.FS); unread == nil && !inForce.Names(num) {
		return fmt.Errorf("%w (table %d is gone, and the page is of a time before)", ErrNoWriter, num)
	}
	return err
}

// keepUp is the goroutine of the follower.
func (f *Follower) keepUp() {
	renew := time.NewTicker(lease.Interval)
	defer renew.Stop()
	var refresh <-chan time.Time
	if f.opts.Interval > 0 {
		t := time.NewTicker(f.opts.Interval)
		defer t.Stop()
		refresh = t.C
	}
	failing := false
	for {
		select {
		case <-f.gate.Context().Done():
			return
		case <-renew.C:
			f.Step()
		case <-refresh:
			err := f.Refresh(f.gate.Context())
			if err != nil && !failing && !f.gate.Closed() {
				f.opts.Warn("the follower cannot keep up; it goes on with what it has", "cause", err)
			}
			failing = err != nil
		}
	}
}

// Step gives back what nobody reads any more, and renews the lease.
func (f *Follower) Step() {
	f.tree.Reclaim()
	f.tree.ShareMemory()
	f.renew()
}

// renew renews the lease, and raises it to the oldest version that is read.
func (f *Follower) renew() {
	f.leasing.Lock()
	defer f.leasing.Unlock()
	if f.lease == nil {
		return
	}
	f.hold = f.tree.OldestVersion()
	err := f.lease.Renew(f.hold)
	if err != nil && !f.unrenewed {
		f.opts.Warn("the follower's lease was not renewed: its snapshots may expire", "cause", err)
	}
	f.unrenewed = err != nil
}

// raise renews the lease if what it holds is not read any more.
func (f *Follower) raise() {
	f.leasing.Lock()
	held := f.hold
	f.leasing.Unlock()
	if f.tree.OldestVersion() != held {
		f.renew()
	}
}

// Refresh shows everything that the writer had published when it was called. After an error the state from before is
// shown. Once ctx is done it gives up.
func (f *Follower) Refresh(ctx context.Context) error {
	if err := f.gate.Enter(); err != nil {
		return err
	}
	defer f.gate.Leave()
	return f.gate.UntilClosed(ctx, func(ctx context.Context) error {
		if err := f.turn.Take(ctx); err != nil {
			return err
		}
		defer f.turn.End()
		return f.refresh(ctx)
	})
}

// Get is tree.Get at the newest state that is shown. If the writer has removed what that needs, it shows a newer one.
func (f *Follower) Get(dst, user []byte) (out []byte, found bool, err error) {
	err = f.newest(func() (err error) {
		out, found, err = f.tree.Get(dst, user, tree.Latest)
		return err
	})
	return out, found, err
}

// Has is tree.Has, as Get is tree.Get.
func (f *Follower) Has(user []byte) (found bool, err error) {
	err = f.newest(func() (err error) {
		found, err = f.tree.Has(user, tree.Latest)
		return err
	})
	return found, err
}

// Measure is tree.Measure, as Get is tree.Get.
func (f *Follower) Measure(user []byte) (m tree.Measure, found bool, err error) {
	err = f.newest(func() (err error) {
		m, found, err = f.tree.Measure(user, tree.Latest)
		return err
	})
	return m, found, err
}

// newest calls read, and again after a refresh if the writer has removed what it needs.
func (f *Follower) newest(read func() error) error {
	for attempt := 0; ; attempt++ {
		err := read()
		if attempt == 3 || !errors.Is(err, readers.ErrExpired) || f.Refresh(context.Background()) != nil {
			return err
		}
	}
}

// Hold is tree.Hold.
func (f *Follower) Hold(s *tree.Snapshot, k origin.Kind) { f.tree.Hold(s, k) }

// Tree is what the follower shows, for who copies it.
func (f *Follower) Tree() *tree.Tree { return f.tree }

// Verify is tree.Verify.
func (f *Follower) Verify(ctx context.Context, progress func(done, total int64)) error {
	return f.tree.Verify(ctx, progress)
}

// Report is what the writer has told last about itself; status.ErrNone if it has told nothing.
func (f *Follower) Report() ([]byte, error) {
	if err := f.gate.Enter(); err != nil {
		return nil, err
	}
	defer f.gate.Leave()
	return status.ReadReport(f.opts.FS)
}

// Sequence is the newest sequence number that is shown.
func (f *Follower) Sequence() key.SeqNum { return f.tree.Visible() }

// Durable is the newest sequence number that is known to survive a power cut, with all before it.
func (f *Follower) Durable() key.SeqNum { return key.SeqNum(f.durable.Load()) }

// Metrics is the state of what the follower reads.
type Metrics struct {
	tree.Metrics
	Levels      []metrics.Level // without targets and scores, which are the writer's
	Durable     key.SeqNum
	DiskBytes   int64
	MemoryLimit int64
	Closed      bool
}

// Metrics takes a few locks for a moment each, and asks the file system for the size of each file.
func (f *Follower) Metrics() Metrics {
	m := Metrics{
		Metrics: f.tree.Metrics(), Durable: f.Durable(), DiskBytes: f.dir.DiskBytes(), MemoryLimit: f.opts.MemoryLimit,
		Closed: f.gate.Closed(),
	}
	if m.Version != nil {
		m.Levels = compaction.Content(m.Version)
	}
	return m
}

// Closed reports whether Close has begun.
func (f *Follower) Closed() bool { return f.gate.Closed() }

// Close ends the follower and its lease. Iterators and snapshots that are still open stop working, and Close says so
// with readers.ErrOpen.
func (f *Follower) Close() error {
	if !f.gate.Close() {
		return calls.ErrClosed
	}
	f.gate.Wait()
	f.running.Wait()
	left := f.tree.EndReaders()
	f.tree.Close()
	f.current.free(f.tree)
	var errs []error
	if f.lease != nil {
		errs = append(errs, f.lease.Release())
	}
	errs = append(errs, f.dir.Close())
	if left > 0 {
		errs = append(errs, fmt.Errorf("%w: %d of them; close each before the follower", readers.ErrOpen, left))
	}
	f.tree.Free()
	return errors.Join(errs...)
}
