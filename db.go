package lightningdb

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"

	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/index"
	"lightningdb/internal/report"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/iofs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/transaction"
)

// DB is an open database. All its methods may be called from any number of goroutines. Where one takes a context, nil
// is one that never ends.
type DB struct {
	engine     *engine.Engine
	views      views
	path       string
	durability Durability
	updates    goroutine.Nesting
	rules      operand.Rules
	archiver   *archive.Archiver // nil without Options.Archive
	indexes    index.Registry
	forgets
}

// Open opens the database in directory dir, or creates it, and directories that are missing on the way, with mode 0700.
// It recovers from whatever ended the last use; Recovery tells what that took. o may be nil.
//
// It returns ErrLocked if the database is open already, ErrNoDatabase where it may not create one, ErrNotDatabase for a
// directory of something else, ErrVersionTooNew for a database of a newer version, and a *CorruptionError if a file is
// damaged: then nothing that was there has been changed. On a system of which it is not known that its locks and syncs
// hold, such as WebAssembly, the error matches errors.ErrUnsupported: see Options.InMemory and OpenFS.
func Open(dir string, o *Options) (*DB, error) {
	o = cmp.Or(o, &Options{})
	fs, err := o.openDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return o.open(fs)
}

// OpenFS opens the database in directory dir of fsys for reading: one that a program embeds (embed.FS), that is in an
// archive (zip.Reader), or anywhere that Go shows as files. dir is a path of package io/fs: "." is all of fsys.
//
// It is Open with Options.ReadOnly, and has its errors; a log that was not closed is replayed into memory. Nothing is
// locked, and the files must not change; for a directory of the system use Open, or OpenFollower.
//
// A file that is no io.ReaderAt and no io.Seeker, as in an archive, is read whole when it is needed and is in memory,
// outside MemoryLimit, while it is in use: of a large database perhaps all of it. More than 1 GiB of one is refused.
func OpenFS(fsys fs.FS, dir string, o *Options) (*DB, error) {
	files, err := iofs.New(fsys, dir)
	if vfs.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	readOnly := *cmp.Or(o, &Options{})
	readOnly.ReadOnly = true
	return readOnly.open(files)
}

// open opens the database that is in fs, and takes over fs, even if it fails.
func (o *Options) open(fs vfs.FS) (*DB, error) {
	eo, err := o.engineOptions(fs)
	indexes, bad := index.Declare(o.Indexes)
	if err = cmp.Or(err, bad); err != nil {
		fs.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	var archiver atomic.Pointer[archive.Archiver]
	eo.Report = report.Publisher(archiver.Load)
	e, err := engine.Open(eo)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", fs.Path(), err)
	}
	durability, rules := cmp.Or(o.Durability, Sync), operand.Rules{User: o.Merge}
	archiver.Store(archive.Start(e, archive.Options{Store: o.Archive, Interval: o.ArchiveInterval}))
	db := &DB{engine: e, views: newViews(e), path: fs.Path(), durability: durability, rules: rules,
		archiver: archiver.Load(), indexes: indexes}
	if !o.ReadOnly {
		err = db.buildIndexes()
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", db.path, err)
	}
	return db, nil
}

func (o *Options) openDir(dir string) (vfs.FS, error) {
	switch {
	case o.fs != nil:
		return o.fs, nil
	case o.InMemory:
		return memfs.NewVolatile(), nil
	}
	fs, err := vfs.OpenDir(dir, vfs.OpenDirOptions{Create: !o.MustExist && !o.ReadOnly, ReadOnly: o.ReadOnly,
		DurableIf: filename.Make(filename.Current, 0)})
	if vfs.IsNotExist(err) && (o.MustExist || o.ReadOnly) {
		return nil, fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	return fs, err
}

// Close makes everything committed durable and releases the directory. Calls in progress, of the database and of
// its transactions, snapshots and cursors, finish or give ErrClosed, as all later ones do; a write that got ErrClosed
// is not there. Close waits for them: so the function of View or Update may call it, but not what a call itself calls
// (the progress of Verify, Options.Merge). For the Logger and the listener of Options.Events it waits a second at most.
//
// It ends cursors, loops, snapshots and transactions that are still open, gives back what they hold, and returns
// ErrOpenReaders then. It returns ErrReadOnly with the cause if writes had stopped after a failure, and ErrClosed if
// the database was closed before.
func (db *DB) Close() error {
	defer db.views.Forget()
	db.archiver.Stop()
	if err := db.engine.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Path is the directory of the database.
func (db *DB) Path() string { return db.path }

// Get returns a copy of the newest value of key, or ErrNotFound. An empty value is not nil. A key that no Put takes is
// refused with ErrKeyTooLarge, as it is by every call that reads or writes one; nil is the empty key.
func (db *DB) Get(key []byte) ([]byte, error) { return transaction.NotNil(db.GetAppend(nil, key)) }

// GetAppend appends the newest value of key to dst and returns the result. It allocates nothing if dst has room for
// the value. If the key is absent it returns dst unchanged and ErrNotFound.
func (db *DB) GetAppend(dst, key []byte) ([]byte, error) {
	return transaction.Newest{Engine: db.engine}.Get(dst, key)
}

// Has reports whether key has a value. A long value is not read for it. Like Get it returns ErrMerge if that cannot be
// told.
func (db *DB) Has(key []byte) (bool, error) { return transaction.Newest{Engine: db.engine}.Has(key) }

// Put sets key to value.
func (db *DB) Put(key, value []byte) error {
	return db.put(key, value, func(b *Batch) { b.Put(key, value) })
}

// put commits a single operation that puts value.
func (db *DB) put(key, value []byte, operation func(b *Batch)) error {
	if len(value) <= transaction.LargeValue || len(value) > MaxValueSize {
		return db.one(operation)
	}
	return transaction.PutLarge(space.Space{}.Key(key), value, func(ops batch.Batch) error {
		b := Batch{ops: transaction.Operations{Batch: ops}}
		operation(&b)
		return db.Write(&b)
	})
}

// Delete removes key. Removing a key that is not there is no error.
func (db *DB) Delete(key []byte) error { return db.one(func(b *Batch) { b.Delete(key) }) }

// DeleteRange removes all keys with lo <= key < hi, for the cost of one Put, however many there are: what they took
// returns later, by itself. Nil bounds are open, as those of Range; where no key can lie, nothing is done. Each delete
// is remembered until the data that it removes is gone from the disk: of very many that come fast the writer waits for
// that, as for level 0, and ErrTooManyRanges refuses what goes beyond.
func (db *DB) DeleteRange(lo, hi []byte) error {
	return db.one(func(b *Batch) { b.DeleteRange(lo, hi) })
}

// DeletePrefix removes all keys that begin with p, as DeleteRange does.
func (db *DB) DeletePrefix(p []byte) error { return db.one(func(b *Batch) { b.DeletePrefix(p) }) }

// Add adds n to the integer at key, which counts as 0 if the key is absent. It wraps around as int64 does.
func (db *DB) Add(key []byte, n int64) error { return db.one(func(b *Batch) { b.Add(key, n) }) }

// Max sets key to n unless it has a greater integer.
func (db *DB) Max(key []byte, n int64) error { return db.one(func(b *Batch) { b.Max(key, n) }) }

// Min sets key to n unless it has a lesser integer.
func (db *DB) Min(key []byte, n int64) error { return db.one(func(b *Batch) { b.Min(key, n) }) }

// Append appends tail to the value of key, which counts as empty if the key is absent. What becomes longer than
// MaxValueSize gives ErrMerge when it is read: where that may be, ask for the Size first, in a transaction.
func (db *DB) Append(key, tail []byte) error { return db.one(func(b *Batch) { b.Append(key, tail) }) }

// Merge sets key to what Options.Merge makes of its value and argument.
func (db *DB) Merge(key, argument []byte) error {
	return db.one(func(b *Batch) { b.Merge(key, argument) })
}

// one commits a single operation.
func (db *DB) one(operation func(b *Batch)) error {
	b := batches.Get().(*Batch)
	defer b.recycle()
	operation(b)
	return db.Write(b)
}

// Write commits the operations of b together. An empty batch at Sync durability waits until everything before it is
// durable. b may be used again afterwards; b.Sequence tells where it went.
func (db *DB) Write(b *Batch) error {
	seq, err := db.commit(b)
	if err == nil {
		b.sequence = uint64(seq)
	}
	return err
}

func (db *DB) commit(b *Batch) (key.SeqNum, error) {
	if b.ops.Err != nil {
		return 0, b.ops.Err
	}
	sync, err := db.admit(b.Size(), b.durability)
	if err != nil {
		return 0, err
	}
	return db.engine.Commit(&b.ops.Batch, sync)
}

// admit checks a batch of size bytes before anything of it is written, and says whether its commit waits for a sync.
func (db *DB) admit(size int, d Durability) (sync bool, err error) {
	if size > MaxBatchSize {
		return false, fmt.Errorf("%w: it has %d", ErrBatchTooLarge, size)
	}
	switch d {
	case DefaultDurability:
		return db.durability == Sync, nil
	case Sync, Process:
		return d == Sync, nil
	}
	return false, fmt.Errorf("durability %d is neither Sync nor Process", d)
}

// Sync makes every commit that returned before the call survive a power cut.
func (db *DB) Sync() error { return db.engine.Sync() }

// WaitDurable returns once the commit with sequence number seq, and every one before it, survives a power cut. That
// costs nothing if a sync has covered it already, else it takes part in the next one. The error is ErrFutureSequence
// if nothing has been committed there, and that of ctx if it is done earlier.
func (db *DB) WaitDurable(ctx context.Context, seq uint64) error {
	return db.engine.WaitDurable(calls.OrBackground(ctx), key.SeqNum(seq))
}

// Flush writes what is in memory to tables, so that the next Open has little to replay. It is never needed for
// durability.
func (db *DB) Flush() error { return db.engine.Flush() }

// Compact rewrites everything in [lo, hi) into the last level and drops what no reader needs any more. A nil bound is
// open. At most 18 % of the value files that the range refers to are garbage then. The database compacts by itself:
// this is for after a large removal. Reads and writes go on meanwhile; what is written after the call began is not part
// of it. When ctx is done it stops, with the work so far kept.
func (db *DB) Compact(ctx context.Context, lo, hi []byte) error {
	bounds := span.Span{Lo: space.Space{}.Key(lo), Hi: hi} // no end: with the buckets, which are behind the root
	if hi != nil {
		bounds.Hi = space.Space{}.Key(hi)
	}
	return db.engine.Compact(calls.OrBackground(ctx), bounds.Lo, bounds.Hi)
}

// Verify reads every byte of every table and checks it: checksums, order, and that what leads to the data leads to
// all of it. It goes on after damage: the error joins a *CorruptionError for each damaged table. progress, which may
// be nil, is called now and then with the bytes read so far and in all. The manifest and the log have been checked by
// Open, which reads them whole; what has not been flushed yet is in the log. Reads and writes go on meanwhile. When
// ctx is done nothing more is read.
func (db *DB) Verify(ctx context.Context, progress func(done, total int64)) error {
	return db.engine.Verify(calls.OrBackground(ctx), progress)
}
