package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
	err := restore(calls.OrBackground(ctx), dir, o, func(ctx context.Context, into vfs.FS, verify func() error) error {
		err := target.Clear(into)
		if err != nil {
			return err
		}
		return target.Make(into, func() error {
			if info, err = checkpoint.ReadStream(ctx, r, into, o.phase("restore")); err != nil {
				return err
			}
			return verify()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("restore to %s: %w", dir, err)
	}
	return info, nil
}

// filler writes a database to a directory, and has it verified before it takes the mark away by which nobody takes the
// directory for one.
type filler func(ctx context.Context, into vfs.FS, verify func() error) error

// restoring is what is added to the name of the target for the directory that is restored to.
const restoring = ".restoring"

// restore makes dir of what fill makes a database.
func restore(ctx context.Context, dir string, o *RestoreOptions, fill filler) error {
	dir = filepath.Clean(dir)
	if !o.VerifyOnly {
		if err := checkEmpty(dir); err != nil {
			return err
		}
	}
	staging := dir + restoring
	if err := write(ctx, staging, o, fill); err != nil {
		return errors.Join(err, removeEmpty(staging))
	}
	if o.VerifyOnly {
		return remove(staging)
	}
	return rename(staging, dir)
}

// checkEmpty refuses a directory in which there is something.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%w: it holds %s", target.ErrNotEmpty, entries[0].Name())
	}
	return err
}

func write(ctx context.Context, staging string, o *RestoreOptions, fill filler) (err error) {
	into, err := vfs.OpenDir(staging, vfs.OpenDirOptions{Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	return fill(ctx, into, func() error { return verify(ctx, staging, o) })
}

// phase is o.Progress for one phase.
func (o *RestoreOptions) phase(name string) func(done, total int64) {
	return func(done, total int64) {
		if o.Progress != nil {
			o.Progress(name, done, total)
		}
	}
}

// verify reads all of the database that is being made in staging. Nobody else takes it for one until that has ended: a
// kill in the middle leaves what the next restore knows.
func verify(ctx context.Context, staging string, o *RestoreOptions) error {
	db, err := lightningdb.OpenFS(target.Unmarked(os.DirFS(staging)), ".", nil)
	if err != nil {
		return fmt.Errorf("verify %s: %w", staging, err)
	}
	return errors.Join(db.Verify(ctx, o.phase("verify")), db.Close())
}

// removeEmpty removes a directory in which there is at most a LOCK: a restore that has failed leaves it like that.
// Anything else there is somebody else's.
func removeEmpty(staging string) error {
	entries, err := os.ReadDir(staging)
	if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name() != "LOCK" {
		return nil
	}
	return remove(staging)
}

// remove removes a directory that a restore has written.
func remove(staging string) error {
	fs, err := vfs.OpenDir(staging, vfs.OpenDirOptions{})
	if err == nil {
		err = errors.Join(target.Remove(fs), fs.Close())
	}
	if err == nil {
		err = os.Remove(staging)
	}
	return err
}

// rename makes staging dir, durably. dir is not there, or empty.
func rename(staging, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staging, dir); err != nil {
		return err
	}
	return vfs.SyncPath(filepath.Dir(dir))
}
