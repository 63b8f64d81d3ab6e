package salvage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/salvage/lenient"
	"lightningdb/internal/salvage/losses"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/target"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/ranges"
)

// Choices are what the caller of a salvage may decide. The zero value is good.
type Choices struct {
	// MemoryLimit bounds, in bytes, what the work takes, apart from single large values and commits. Default: 64 MiB; at
	// least 10 MiB.
	MemoryLimit int64

	// Uncommitted takes in what large transactions have written to tables of which no manifest says whether they were
	// ever committed, as older than everything else. Without it they are left out, and listed.
	Uncommitted bool

	// Progress, which may be nil, is told how many bytes have been read, and of how many.
	Progress func(done, total int64)
}

// Options say what is salvaged, and how.
type Options struct {
	Choices

	Source vfs.FS // only read
	Target vfs.FS // empty
	Random func() uint64

	MaxRuns int // how many sources are merged at once; 0 for what the memory allows
}

// DefaultMemory is the memory limit where Options leave it open, in bytes; MinMemory is the least.
const (
	DefaultMemory = 64 << 20
	MinMemory     = 10 << 20
)

// Report says what was found, what is missing, and what was written.
//
// Closed is false where a database was not closed cleanly, and where nothing had changed between the last Open and
// Close, which write nothing then: it is not known whether there were commits behind LastSequence.
type Report struct {
	Files    int    // of the damaged database that were read
	Bytes    int64  // in them
	Tables   int    // from which something was taken
	Segments int    // of the log, from which something was taken
	Manifest string // that says what belongs to the database; empty if none is whole

	Keys         uint64 // in the new database
	Older        uint64 // keys among them that a loss spans: they may have had newer values, or been removed
	Operands     uint64 // merges that were left out, because a loss may have taken others from between them
	LastSequence uint64 // of the newest commit that is known of
	Closed       bool   // a clean close is noted: behind LastSequence there was nothing

	Damage     []*corrupt.Error // what is damaged
	MoreDamage int              // places that are not listed, because there are very many
	Losses     []Loss           // what may be missing; empty if nothing is
	LeftOut    []LeftOut        // what is whole and was not used
}

// Loss is losses.Loss.
type Loss = losses.Loss

// MaxSequence is losses.MaxSequence.
const MaxSequence = losses.MaxSequence

// LeftOut is a source that is whole and was not used.
type LeftOut struct {
	File     string
	Entries  uint64
	From, To []byte // its first and last key
	Why      string
}

// ErrChanged says that the source did not stand still.
var ErrChanged = errors.New("the damaged database changed while it was read")

// Run salvages o.Source into o.Target. It locks both. After an error or a panic the target is as empty as before. As
// long as it is not complete, nobody takes it for a database.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	o.MemoryLimit = max(cmp.Or(o.MemoryLimit, DefaultMemory), MinMemory)
	o.MaxRuns = cmp.Or(o.MaxRuns, int(min(o.MemoryLimit/4/leaves.WindowBytes, 128)))
	source, err := o.Source.Lock(filename.Make(filename.Lock, 0), vfs.Shared)
	if err != nil {
		return nil, fmt.Errorf("lock the damaged database: %w", err)
	}
	defer source.Close() // only read
	r := &rescue{Options: o, ctx: ctx, unread: map[unreadSector]bool{}, listed: map[string]bool{},
		found: map[uint64]bool{}, emptied: map[uint64]bool{}, told: map[place]bool{}}
	r.Source = lenient.FS{FS: o.Source, Unread: r.cannotRead}
	if err := target.Make(o.Target, r.run); err != nil {
		return nil, err
	}
	return &r.report, nil
}

// Directories salvages directory from into directory to. c may be nil.
func Directories(ctx context.Context, from, to string, c *Choices) (report *Report, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("salvage %s: %w", from, err)
		}
	}()
	if c == nil {
		c = &Choices{}
	}
	if c.MemoryLimit < 0 {
		return nil, errors.New("SalvageOptions.MemoryLimit must not be negative")
	}
	if inside(from, to) {
		return nil, errors.New("the new directory is the damaged one, or lies inside it: name another")
	}
	source, err := vfs.OpenDir(from, vfs.OpenDirOptions{ReadOnly: true})
	if vfs.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", manifest.ErrNoDatabase, err)
	}
	if err != nil {
		return nil, err
	}
	defer source.Close() // only read
	into, err := vfs.OpenDir(to, vfs.OpenDirOptions{Create: true})
	if err != nil {
		return nil, err
	}
	defer into.Close() // what is complete is durable
	return Run(ctx, Options{Choices: *c, Source: source, Target: into, Random: rand.Uint64})
}

// inside reports whether directory to, which need not exist, is from or below it, whatever links lead there.
func inside(from, to string) bool {
	source, err := os.Stat(from)
	if err != nil {
		return false // nothing will be written
	}
	if to, err = filepath.Abs(to); err != nil {
		return false
	}
	at, err := filepath.EvalSymlinks(to)
	for err != nil && to != filepath.Dir(to) {
		to = filepath.Dir(to)
		at, err = filepath.EvalSymlinks(to)
	}
	for err == nil {
		if info, err := os.Stat(at); err == nil && os.SameFile(info, source) {
			return true
		}
		if at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	return false
}

// rescue is the state of one Run.
type rescue struct {
	Options
	ctx    context.Context
	report Report

	tables   []*tableFile
	segments []*segmentFile
	version  *manifest.Version              // what the manifest in force says; nil if none is whole
	listed   map[string]bool                // the names of tables whose damage is listed
	named    map[uint64]*manifest.TableMeta // the tables that some edit of some manifest names, by id
	live     map[uint64]bool                // the ids of those that version names
	emptied  map[uint64]bool                // the ids of the value files that version names
	nums     map[uint64]filename.Num        // of all tables and value files that something names, by id
	holders  holders                        // of values that tables refer to
	found    map[uint64]bool                // the ids of tables of which a page is whole
	ids      [][16]byte                     // of databases that file headers name; one, unless files were mixed up
	top      key.SeqNum                     // the newest sequence number that is known of, found or not
	there    map[filename.Num]bool          // segments that have a file, whatever is in it
	commits  []numbers                      // in the live log
	ranges   *ranges.Set                    // the deletes of ranges that some manifest or log tells of

	unread map[unreadSector]bool // of the source
	told   map[place]bool        // damage of values that is listed

	done, total int64 // bytes read, and to be read
	out         output
}

// run does all the work.
func (r *rescue) run() error {
	r.out = output{rescue: r, next: 1}
	defer r.holders.close()
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
	r.list([]*corrupt.Error{corrupt.New(file, offset, "%s", what)})
}

// list lists places of damage.
func (r *rescue) list(places []*corrupt.Error) {
	listed := min(len(places), maxDamage-len(r.report.Damage))
	r.report.Damage = append(r.report.Damage, places[:listed]...)
	r.report.MoreDamage += len(places) - listed
}

// place is where something is damaged.
type place struct {
	file   string
	offset int64
}

// damagedOnce lists a place of damage, unless it is listed.
func (r *rescue) damagedOnce(file string, offset int64, what string) {
	at := place{file, offset}
	if r.told[at] {
		return
	}
	if len(r.told) < maxDamage {
		r.told[at] = true
	}
	r.damaged(file, offset, what)
}

// placesIn is what err says of a file; all that is not damage is the device's, and what it keeps from being read.
func placesIn(file string, err error) (places []*corrupt.Error) {
	switch e := err.(type) {
	case nil:
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			places = append(places, placesIn(file, inner)...)
		}
	case *corrupt.Error:
		places = append(places, corrupt.New(cmp.Or(e.File, file), e.Offset, "%s", e.What))
	default:
		places = append(places, corrupt.New(file, -1, "%s", err.Error()))
	}
	return places
}

// lost lists a loss.
func (r *rescue) lost(l Loss) { r.report.Losses = append(r.report.Losses, l) }
