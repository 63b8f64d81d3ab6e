package salvage

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// Options say what is salvaged, and how.
type Options struct {
	Source      vfs.FS // only read
	Target      vfs.FS // empty
	MemoryLimit int64  // bytes; 0 for DefaultMemory
	Codec       codec.Compressor
	PageSize    int // 0 for that of table.Options
	Random      func() uint64

	// Uncommitted takes in tables of which no manifest says whether they were ever committed.
	Uncommitted bool

	// Progress, which may be nil, is told how many bytes have been read, and of how many.
	Progress func(done, total int64)

	maxRuns int // how many sources are merged at once; 0 for what the memory allows
}

// DefaultMemory is the memory limit where Options leave it open, in bytes; MinMemory is the least.
const (
	DefaultMemory = 64 << 20
	MinMemory     = 10 << 20
)

// Report says what was found, what is missing, and what was written.
type Report struct {
	Files      int   // of the database that were read
	Bytes      int64 // in them
	Tables     int   // from which entries were taken
	Segments   int   // of the log, from which entries were taken
	Manifest   string
	Keys       uint64     // written
	Older      uint64     // keys among them that a loss spans: they may have had newer versions
	Operands   uint64     // that were left out, because a loss may have taken others from between them
	Last       key.SeqNum // the newest sequence number that was found
	Closed     bool       // the database was closed cleanly: no commits can be missing behind Last
	Damage     []*corrupt.Error
	MoreDamage int // places that are not listed
	Losses     []Loss
	LeftOut    []LeftOut
}

// LeftOut is a source that is whole and was not used.
type LeftOut struct {
	File     string
	Entries  uint64
	From, To []byte
	Why      string
}

// ErrChanged says that the source did not stand still.
var ErrChanged = errors.New("the damaged database changed while it was read")

// ErrTarget says that the target is not empty.
var ErrTarget = errors.New("the directory to write to is not empty")

// Run salvages o.Source into o.Target. It locks both. After an error the target is no database.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.MemoryLimit = max(cmp.Or(o.MemoryLimit, DefaultMemory), MinMemory)
	o.maxRuns = cmp.Or(o.maxRuns, int(min(o.MemoryLimit/4/windowBytes, 128)))
	unlock, err := lock(o)
	if err != nil {
		return nil, err
	}
	r := &rescue{Options: o, ctx: ctx}
	err = r.run()
	if err := errors.Join(err, unlock()); err != nil {
		return nil, err
	}
	return &r.report, nil
}

// lock takes the locks of both directories.
func lock(o Options) (unlock func() error, err error) {
	name := filename.Make(filename.Lock, 0)
	names, err := o.Target.List()
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrTarget, o.Target.Path())
	}
	source, err := o.Source.Lock(name, vfs.Shared)
	if err != nil {
		return nil, fmt.Errorf("lock the damaged database: %w", err)
	}
	target, err := o.Target.Lock(name, vfs.Exclusive)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the new database: %w", err), source.Close())
	}
	return func() error { return errors.Join(source.Close(), target.Close()) }, nil
}

// rescue is the state of one Run.
type rescue struct {
	Options
	ctx    context.Context
	report Report

	tables   []*tableFile
	segments []*segmentFile
	version  *manifest.Version              // what the manifest in force says; nil if none is whole
	named    map[uint64]*manifest.TableMeta // the tables that some edit of some manifest names, by id
	live     map[uint64]bool                // the ids of those that version names
	ids      [][16]byte                     // of databases that file headers name; one, unless files were mixed up
	top      key.SeqNum                     // the newest sequence number that is known of, found or not
	found    []numbers                      // of the commits in the live log

	done, total int64 // bytes read, and to be read
	out         output
}

// run does all the work.
func (r *rescue) run() error {
	r.out = output{rescue: r, next: 1}
	for _, step := range []func() error{r.survey, r.write} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// read counts bytes that were read, and ends the run once its context is done.
func (r *rescue) read(bytes int64) error {
	r.done += bytes
	if r.Progress != nil {
		r.Progress(min(r.done, r.total), r.total)
	}
	return r.ctx.Err()
}

// maxDamage bounds how many places of damage are listed.
const maxDamage = 10_000

// damaged lists a place of damage.
func (r *rescue) damaged(file string, offset int64, what string) {
	if len(r.report.Damage) == maxDamage {
		r.report.MoreDamage++
		return
	}
	r.report.Damage = append(r.report.Damage, corrupt.New(file, offset, "%s", what))
}

// damagedBy lists what err says; all that is not damage is the device's, and what it keeps from being read.
func (r *rescue) damagedBy(file string, err error) {
	switch e := err.(type) {
	case nil:
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			r.damagedBy(file, inner)
		}
	case *corrupt.Error:
		r.damaged(cmp.Or(e.File, file), e.Offset, e.What)
	default:
		r.damaged(file, -1, err.Error())
	}
}

// lost lists a loss.
func (r *rescue) lost(l Loss) { r.report.Losses = append(r.report.Losses, l) }
