package lightningdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/follower"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/status"
	"lightningdb/internal/report"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/transaction"
	"lightningdb/internal/tree/manifest"
)

// FollowerOptions configures OpenFollower. The zero value, and nil, is a good follower.
type FollowerOptions struct {
	// Interval is how long the follower shows one state before it refreshes by itself. Default: 1 s. Negative: never,
	// only Refresh does.
	Interval time.Duration

	// MemoryLimit is that of Options. What the writer has not flushed is held in memory beyond it. Default: 64 MiB.
	MemoryLimit int64

	// Merge is that of the writer's Options. Without it, reads of what it has merged give ErrMerge.
	Merge func(key, old, argument []byte) ([]byte, error)

	// Logger is told what the follower cannot do. Default: none.
	Logger Logger
}

// Follower reads a database that another process has open and writes, its writer, without standing in its way. It shows
// one state after the other: each is what the writer had published when the follower last refreshed, whole commits in
// their order, never an older state than before. Between them everything stands still. All its methods may be called
// from any number of goroutines.
//
// A follower that stands in its writer's own process works as well. Any number of them may follow one database.
type Follower struct {
	follower *follower.Follower
	views    views
	path     string
}

// OpenFollower begins to follow the database in directory dir. o may be nil.
//
// What the follower reads is kept by the writer, by a lease that the follower renews: a file FOLLOWER-n in the
// directory. A process that hangs, or has been killed, holds nothing for longer than ten seconds. If it may not write
// to the directory there is no lease, and its snapshots may expire at any time.
//
// Nobody need have the database open: what the last writer has published is there until a power cut. The error is
// ErrNoDatabase if there is none, ErrNoWriter if for two seconds nothing that was published can be read,
// ErrNotDatabase, ErrVersionTooNew, or a *CorruptionError. A follower stays with the directory that it has opened, also
// if that is renamed and another takes its name.
func OpenFollower(dir string, o *FollowerOptions) (*Follower, error) {
	if o == nil {
		o = &FollowerOptions{}
	}
	if o.MemoryLimit < 0 {
		return nil, errors.New("follow database: FollowerOptions.MemoryLimit must not be negative")
	}
	fs, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if vfs.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	if err != nil {
		return nil, fmt.Errorf("follow database: %w", err)
	}
	fo := follower.Options{FS: fs, MemoryLimit: max(cmp.Or(o.MemoryLimit, follower.DefaultMemory), engine.MinMemoryLimit),
		Interval: cmp.Or(o.Interval, follower.DefaultInterval), Merge: o.Merge}
	if o.Logger != nil {
		fo.Warn = o.Logger.Warn
	}
	f, err := follower.Open(fo)
	if errors.Is(err, manifest.ErrNoDatabase) {
		err = fmt.Errorf("%w: %s", ErrNoDatabase, fs.Path())
	}
	if err != nil {
		return nil, fmt.Errorf("follow database %s: %w", fs.Path(), err)
	}
	return &Follower{follower: f, views: newViews(f), path: fs.Path()}, nil
}

// Refresh makes the newest state that the follower shows what the writer has published by now: every commit that had
// returned there before the call. Snapshots, transactions and loops that are open stay where they are. After an error
// the follower goes on showing what it did; with that of ctx once ctx is done. ErrNoWriter comes after two seconds in
// which what was published could not be read, ErrTakenOver if the directory holds another database or an earlier state.
// What the Interval does in vain, Logger is told.
func (f *Follower) Refresh(ctx context.Context) error {
	if err := f.follower.Refresh(calls.OrBackground(ctx)); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return nil
}

// Sequence is the number of the newest commit that the follower shows.
func (f *Follower) Sequence() uint64 { return uint64(f.follower.Sequence()) }

// DurableSequence is the number of the newest commit that was known to survive a power cut at the last refresh, with
// all before it. It may be greater than Sequence.
func (f *Follower) DurableSequence() uint64 { return uint64(f.follower.Durable()) }

// Path is the directory of the database.
func (f *Follower) Path() string { return f.path }

// Get returns a copy of the newest value of key that the follower shows, or ErrNotFound; see DB.Get. If the writer has
// removed what that needs, it refreshes first.
func (f *Follower) Get(key []byte) ([]byte, error) { return transaction.NotNil(f.GetAppend(nil, key)) }

// GetAppend appends the value of key to dst and returns the result; see DB.GetAppend.
func (f *Follower) GetAppend(dst, key []byte) ([]byte, error) {
	if !transaction.Fits(key) {
		return dst, transaction.CheckKey(key)
	}
	return transaction.OrNotFound(f.follower.Get(dst, space.Space{}.Key(key)))
}

// Has reports whether key has a value; see DB.Has.
func (f *Follower) Has(key []byte) (bool, error) {
	if !transaction.Fits(key) {
		return false, transaction.CheckKey(key)
	}
	return f.follower.Has(space.Space{}.Key(key))
}

// Snapshot returns a snapshot of what the follower shows. Close it when done: until then the writer keeps its files.
// Reads give ErrSnapshotExpired if the writer no longer does.
func (f *Follower) Snapshot() *Snapshot { return newSnapshot(f.follower) }

// View calls fn with a read-only transaction on what the follower shows; see DB.View. After ErrSnapshotExpired, Refresh
// and call it again.
func (f *Follower) View(ctx context.Context, fn func(tx *Tx) error) error {
	return f.views.view(ctx, fn)
}

// Verify checks every table of the state that the follower shows; see DB.Verify. The writer goes on meanwhile.
func (f *Follower) Verify(ctx context.Context, progress func(done, total int64)) error {
	return f.follower.Verify(calls.OrBackground(ctx), progress)
}

// Metrics returns the metrics of what the follower shows, and of its own memory. Of what the writer does it knows
// nothing: commits, log, flushes, compactions and stalls are zero, and Latency has reads alone, without those of
// snapshots.
func (f *Follower) Metrics() Metrics {
	m := f.follower.Metrics()
	out := report.OfTree(m.Metrics, m.Levels)
	out.DurableSequence, out.DiskBytes, out.MemoryLimit = uint64(m.Durable), m.DiskBytes, m.MemoryLimit
	if m.Closed {
		out.BackgroundError = status.Failure(ErrClosed)
	}
	return out
}

// Writer returns what the writer has told last. If it has ended since, At does not change any more. The error is
// ErrNoWriter if none has told anything, as in the first moments after Open, and ErrVersionTooNew if what it said
// cannot be understood.
func (f *Follower) Writer() (WriterStatus, error) {
	text, err := f.follower.Report()
	if errors.Is(err, status.ErrNone) {
		err = fmt.Errorf("%w (it has told nothing about itself yet)", ErrNoWriter)
	}
	if err != nil {
		return WriterStatus{}, err
	}
	return report.Parse(text)
}

// Close ends the follower and its lease; the writer notices nothing. What is still open ends as with DB.Close, and it
// returns ErrOpenReaders then, and ErrClosed if it was closed before.
func (f *Follower) Close() error {
	defer f.views.Forget()
	if err := f.follower.Close(); err != nil {
		return fmt.Errorf("close follower: %w", err)
	}
	return nil
}
