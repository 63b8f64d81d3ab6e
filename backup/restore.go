package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"lightningdb"
	"lightningdb/internal/checkpoint"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/target"
)

// ErrBadBackup says that a backup is cut, was changed, or is none. Nothing was restored. Use errors.Is.
var ErrBadBackup = checkpoint.ErrBadBackup

// Info is what a backup says of itself.
//
//   - Format is 1.
//   - Database is the id of the database that was backed up, in hexadecimal.
//   - Sequence is the sequence number of the newest commit in it.
//   - Time is when it was begun, in UTC.
//   - Files are its files, each with Name and Size (bytes).
type Info = checkpoint.Description

// Source is what can be backed up: a *lightningdb.DB or *lightningdb.Follower.
type Source interface{ Copies() checkpoint.Source }

// Write is lightningdb.DB.Backup, but returns what the backup says of itself.
func Write(ctx context.Context, from Source, w io.Writer, progress func(done, total int64)) (*Info, error) {
	return from.Copies().WriteStream(calls.OrBackground(ctx), w, progress)
}

// RestoreOptions configures a restore. The zero value, and nil, is a good one.
type RestoreOptions struct {
	// VerifyOnly is a drill: all is restored and verified, in a directory of its own next to the target, and removed
	// again. The target is neither needed nor touched.
	VerifyOnly bool

	// Progress is told of the bytes that were read of the backup, and then of the tables as they are verified. nil for
	// nobody.
	Progress func(phase string, done, total int64)

	in *surroundings // nil for those of the system; tests have others
}

// Restore makes a database in directory dir, which must be new or empty, of what lightningdb.DB.Backup has written. It
// writes to a directory next to it, named dir.restoring, verifies every byte there, and renames that: so dir is there
// whole or not at all. What a restore has left that was interrupted, it removes, and begins anew.
//
// The error is ErrBadBackup if r is cut or was changed, fs.ErrExist if dir is not empty, a *lightningdb.CorruptionError
// if what was backed up is damaged, and else that of ctx or of r. o may be nil.
func Restore(ctx context.Context, r io.Reader, dir string, o *RestoreOptions) (*Info, error) {
	var info *Info
	o = cmp.Or(o, &RestoreOptions{})
	nothing := func(error) bool { return false }
	err := restore(calls.OrBackground(ctx), dir, o, nothing, func(ctx context.Context, into vfs.FS) error {
		err := target.Clear(into)
		if err != nil {
			return err
		}
		return target.Make(into, func() (err error) {
			info, err = checkpoint.ReadStream(ctx, r, into, o.phase("restore"))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("restore to %s: %w", dir, err)
	}
	return info, nil
}

// restore makes dir of what fill makes a database. After an error for which stays is true, the next fill finds what
// this one has written.
func restore(ctx context.Context, dir string, o *RestoreOptions, stays func(err error) bool,
	fill func(ctx context.Context, into vfs.FS) error) error {
	in := cmp.Or(o.in, &surroundings{target.System{}, verify})
	s := &target.Staging{Disk: in.disk, Dir: dir, Drill: o.VerifyOnly, Stays: stays,
		Verify: func(ctx context.Context, dir string) error { return in.verify(ctx, dir, o.phase("verify")) }}
	return s.Fill(ctx, fill)
}

// surroundings are the directories of a restore, and how a database in one of them is verified.
type surroundings struct {
	disk   target.Disk
	verify func(ctx context.Context, dir string, progress func(done, total int64)) error
}

// phase is o.Progress for one phase.
func (o *RestoreOptions) phase(name string) func(done, total int64) {
	return func(done, total int64) {
		if o.Progress != nil {
			o.Progress(name, done, total)
		}
	}
}

// verify reads all of the database in dir.
func verify(ctx context.Context, dir string, progress func(done, total int64)) error {
	db, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(db.Verify(ctx, progress), db.Close())
}
