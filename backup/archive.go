package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/target"
)

// Errors of RestoreTo, for errors.Is. Their texts name the points, branches and pieces.
var (
	ErrNoPoint  = archive.ErrNoPoint  // the point lies in a gap, before the first base, or after what is archived
	ErrForked   = archive.ErrForked   // several branches have the point: choose one by RestoreToOptions.Branch
	ErrBadPiece = archive.ErrBadPiece // a piece is cut, was changed or is missing: nothing leads behind it
)

type (
	// Point is a state to restore; Sequence and At make one. Its String is for messages.
	Point = archive.Point

	// Branch is what an archive has without a gap: the state after each commit from First to Last, with backup Backup
	// before it. From and To are when they were there, by the clock of the machine that wrote, in UTC; Pieces and Bytes
	// what it takes. Cause is why it was begun: "begin"; "gap" if what follows branch After, which Ended there, was not
	// archived in time; "transaction" if that was one larger than memory, or a streamed value; "fork" if After goes on
	// with commits of a copy of the database. Damage is why nothing more can be told; nil if nothing was found.
	Branch = archive.Branch
)

// Sequence is the state after the newest commit that ends at or before sequence number n.
func Sequence(n uint64) Point { return archive.Sequence(n) }

// At is the newest state that was noted at or before t, by the clock of the machine that wrote: ten times in each
// ArchiveInterval. What is noted is durable: at Process, a commit is up to SyncInterval after it was made. After the
// last one that is archived, it is the newest state that is. Where the clock was set back, the same time may be there
// twice, and it is either of them.
func At(t time.Time) Point { return archive.At(t) }

// Archive is for lightningdb.Options.Archive: a repository that gets every commit. Its methods are those of
// archive.Store.
type Archive struct{ r *Repository }

// NewArchive is an archive in r.
func NewArchive(r *Repository) *Archive { return &Archive{r} }

// PutPiece stores a piece.
func (a *Archive) PutPiece(ctx context.Context, name string, content []byte) error {
	return put(ctx, a.r.store, name, content, OnlyNew)
}

// ReadPiece reads a piece. One that is too long, or no file, is an ErrBadPiece.
func (a *Archive) ReadPiece(ctx context.Context, name string, limit int64) ([]byte, error) {
	text, err := read(ctx, a.r.store, name, limit)
	if errors.Is(err, ErrBadBackup) {
		err = fmt.Errorf("%w: %w", ErrBadPiece, err)
	}
	return text, err
}

// ListPieces lists pieces.
func (a *Archive) ListPieces(ctx context.Context, prefix string) (names []string, sizes []int64, err error) {
	entries, err := list(ctx, a.r.store, prefix)
	for _, e := range entries {
		names, sizes = append(names, e.Name), append(sizes, e.Size)
	}
	return names, sizes, err
}

// Base makes a backup.
func (a *Archive) Base(ctx context.Context, from checkpoint.Source) (id string, seq uint64, err error) {
	created, err := a.r.Create(ctx, copies{from}, nil)
	if err != nil {
		return "", 0, err
	}
	return created.ID, created.Sequence, nil
}

// copies is a Source.
type copies struct{ from checkpoint.Source }

// Copies is that of Source.
func (c copies) Copies() checkpoint.Source { return c.from }

// Branches lists what is archived: of each database, in the order in which its branches begin. Where one ends and the
// next begins later, there is a gap; where two have the same sequence numbers, a fork. It reads two pieces of each.
func (r *Repository) Branches(ctx context.Context) ([]Branch, error) {
	ctx = calls.OrBackground(ctx)
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	return archive.List(ctx, NewArchive(r))
}

// RestoreToOptions configures a RestoreTo. The zero value, and nil, is a good one. In Progress there is a phase more,
// "replay", which counts sequence numbers.
type RestoreToOptions struct {
	RestoreOptions
	Database string // the id of the database; "" if the repository has the archive of one only
	Branch   string // the ID of the branch; "" if only one has the point
}

// RestoredTo is what RestoreTo has restored.
type RestoredTo struct {
	Sequence uint64 // of the newest commit in it
	Commits  int    // that were applied
	Backup   Backup // to this one
	Branch   Branch
}

// RestoreTo makes a database in directory dir, which must be new or empty, with the state at a point: of the newest
// backup before it, and the commits that follow in the archive. All of it is checked: the backup as Restore does, each
// piece by its digest and that of the piece before it, each commit by its sequence numbers, and at the end every byte
// of the database. It writes to dir.restoring, and renames that. The database has an id of its own.
//
// The error may be ErrNoPoint, ErrForked, ErrBadPiece, and those of Repository.Restore. o may be nil.
func RestoreTo(ctx context.Context, r *Repository, dir string, p Point,
	o *RestoreToOptions) (_ *RestoredTo, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore %v to %s: %w", p, dir, err)
		}
	}()
	ctx, o = calls.OrBackground(ctx), cmp.Or(o, &RestoreToOptions{})
	backups, err := r.List(ctx)
	if err != nil && !errors.Is(err, ErrBadBackup) { // one that cannot be read is not begun with
		return nil, err
	}
	of := archive.Choice{Database: o.Database, Branch: o.Branch}
	plan, err := archive.Find(ctx, NewArchive(r), known(backups), p, of)
	if err != nil {
		return nil, err
	}
	d, err := r.description(ctx, plan.Backup.ID)
	if err != nil {
		return nil, err
	}
	done := &RestoredTo{Backup: d.backup(), Branch: plan.Branch}
	kept := func(err error) bool { return stays(&o.RestoreOptions, err) }
	err = restore(ctx, dir, &o.RestoreOptions, kept, func(ctx context.Context, into vfs.FS) error {
		f := &fetch{store: r.store, d: d, into: into, total: d.total(), progress: o.phase("restore")}
		return target.Continue(into, kept, func() error {
			if err := f.run(ctx); err != nil {
				return err
			}
			reached, err := plan.Replay(ctx, NewArchive(r), into, func(seq uint64) {
				o.phase("replay")(int64(seq-d.Sequence), int64(plan.Sequence-d.Sequence))
			})
			done.Sequence, done.Commits = reached.Sequence, reached.Commits
			return err
		})
	})
	return done, err
}

// known is what package archive knows of backups.
func known(backups []Backup) (all []archive.Backup) {
	for _, b := range backups {
		all = append(all, archive.Backup{ID: b.ID, Database: b.Database, Sequence: b.Sequence, Time: b.Time})
	}
	return all
}
