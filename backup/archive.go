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

var (
	// ErrNoPoint says that an archive has no way to a point: it lies in a gap, before the first base, or after what is
	// archived. The text names what there is before and after it. Use errors.Is.
	ErrNoPoint = archive.ErrNoPoint

	// ErrForked says that several branches have a point, because copies of the database were written apart: choose one by
	// RestoreToOptions.Branch. The text names them. Use errors.Is.
	ErrForked = archive.ErrForked

	// ErrBadPiece says that a piece of the archive is cut, was changed, is missing, or is none. Nothing behind it can be
	// restored, up to the next backup. Use errors.Is.
	ErrBadPiece = archive.ErrBadPiece
)

type (
	// Point is a state to restore; Sequence and At make one. Its String is for messages.
	Point = archive.Point

	// Branch is what an archive has without a gap: the state after each commit from First to Last can be restored.
	//
	//   - Database is the id of the database, ID that of the branch, both in hexadecimal.
	//   - Backup is the id of the backup that it begins with.
	//   - First is the sequence number of the newest commit in that, Last the newest that is archived.
	//   - From and To are when these were there, by the clock of the machine that wrote, in UTC.
	//   - Pieces and Bytes are what it takes, without the backup.
	//   - Cause is why it was begun: "begin" for the first one of a database; "gap" if what follows After was not archived
	//     in time; "transaction" if it was a transaction larger than memory, or a streamed value; "fork" if After goes on
	//     with other commits, those of a copy of the database.
	//   - After is the ID of the branch, and Ended the commit, that it could not go on behind; "" and 0 if there was none.
	//   - Damage is why nothing more can be told; nil if nothing was found. Not every piece is read for it.
	Branch = archive.Branch
)

// Sequence is the state after the newest commit that ends at or before sequence number n.
func Sequence(n uint64) Point { return archive.Sequence(n) }

// At is the newest state that was noted at or before t, by the clock of the machine that wrote: ten times in each
// ArchiveInterval. After the last one that is archived, it is the newest state that is. Where the clock was set back,
// the same time may be there twice, and it is either of them.
func At(t time.Time) Point { return archive.At(t) }

// Archive is what lightningdb.Options.Archive takes: a repository that gets every commit. Its methods are for package
// lightningdb.
type Archive struct{ r *Repository }

// NewArchive is an archive in r.
func NewArchive(r *Repository) *Archive { return &Archive{r} }

// PutPiece is that of archive.Store.
func (a *Archive) PutPiece(ctx context.Context, name string, content []byte) error {
	return put(ctx, a.r.store, name, content, OnlyNew)
}

// ReadPiece is that of archive.Store.
func (a *Archive) ReadPiece(ctx context.Context, name string, limit int64) ([]byte, error) {
	return read(ctx, a.r.store, name, limit)
}

// ListPieces is that of archive.Store.
func (a *Archive) ListPieces(ctx context.Context, prefix string) (names []string, sizes []int64, err error) {
	entries, err := list(ctx, a.r.store, prefix)
	for _, e := range entries {
		names, sizes = append(names, e.Name), append(sizes, e.Size)
	}
	return names, sizes, err
}

// Base is that of archive.Store.
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

// Branches lists what is archived in the repository: of each database, in the order in which its branches begin. Where
// one ends and the next begins later, there is a gap; where two have the same sequence numbers, there is a fork. It
// reads two pieces of each branch.
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
func RestoreTo(ctx context.Context, r *Repository, dir string, p Point, o *RestoreToOptions) (*RestoredTo, error) {
	ctx, o = calls.OrBackground(ctx), cmp.Or(o, &RestoreToOptions{})
	done, err := r.restoreTo(ctx, dir, p, o)
	if err != nil {
		return nil, fmt.Errorf("restore %v to %s: %w", p, dir, err)
	}
	return done, nil
}

func (r *Repository) restoreTo(ctx context.Context, dir string, p Point, o *RestoreToOptions) (*RestoredTo, error) {
	backups, err := r.List(ctx)
	if err != nil && !errors.Is(err, ErrBadBackup) { // one that cannot be read is not begun with
		return nil, err
	}
	known := make([]archive.Backup, 0, len(backups))
	for _, b := range backups {
		known = append(known, archive.Backup{ID: b.ID, Database: b.Database, Sequence: b.Sequence})
	}
	plan, err := archive.Find(ctx, NewArchive(r), known, p, archive.Choice{Database: o.Database, Branch: o.Branch})
	if err != nil {
		return nil, err
	}
	d, err := r.description(ctx, plan.Backup.ID)
	if err != nil {
		return nil, err
	}
	done := &RestoredTo{Backup: d.backup(), Branch: plan.Branch}
	return done, restore(ctx, dir, &o.RestoreOptions, func(ctx context.Context, into vfs.FS) error {
		f := &fetch{store: r.store, d: d, into: into, total: d.total(), progress: o.phase("restore")}
		return target.Continue(into, func(err error) bool { return stays(&o.RestoreOptions, err) }, func() error {
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
}
