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
	"lightningdb/internal/format/filename"
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

// restoring is what is added to the name of the target for the directory that is restored to. The database is made in a
// directory in it, target.Inside, and the mark next to that stays until the database has its name. So what is left by a
// restore that was interrupted is known as that, also if it is complete.
const restoring = ".restoring"

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
	dir = filepath.Clean(dir)
	if !o.VerifyOnly {
		if err := checkEmpty(dir); err != nil {
			return err
		}
	}
	staging := dir + restoring
	err := inDir(staging, vfs.OpenDirOptions{Create: true}, func(marked vfs.FS) error {
		return target.Continue(marked, stays, func() error {
			inside := filepath.Join(staging, target.Inside)
			if err := write(ctx, inside, fill); err != nil {
				return errors.Join(err, removeEmpty(inside))
			}
			switch err := verify(ctx, inside, o); {
			case err == nil && !o.VerifyOnly:
				return rename(inside, dir)
			case ctx.Err() != nil && stays(err):
				return err
			default:
				return errors.Join(err, remove(inside))
			}
		})
	})
	return errors.Join(err, removeEmpty(staging))
}

// inDir calls do with the directory at path.
func inDir(path string, o vfs.OpenDirOptions, do func(dir vfs.FS) error) (err error) {
	dir, err := vfs.OpenDir(path, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return do(dir)
}

// write calls fill with the directory inside, and marks what is there: it is left of a restore, complete or not.
func write(ctx context.Context, inside string, fill func(ctx context.Context, into vfs.FS) error) error {
	return inDir(inside, vfs.OpenDirOptions{Create: true}, func(into vfs.FS) error {
		names, err := into.List()
		if err == nil && len(names) > 0 {
			err = target.Mark(into)
		}
		if err != nil {
			return err
		}
		return fill(ctx, into)
	})
}

// lockName is the file that is left where a checkpoint, a salvage or a restore has failed.
var lockName = filename.Make(filename.Lock, 0)

// checkEmpty refuses a directory in which there is something else.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != lockName {
			return fmt.Errorf("%w: it holds %s", target.ErrNotEmpty, e.Name())
		}
	}
	return err
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
func verify(ctx context.Context, dir string, o *RestoreOptions) error {
	db, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(db.Verify(ctx, o.phase("verify")), db.Close())
}

// removeEmpty removes a directory in which there is at most a LOCK: a restore that has failed leaves it like that.
// Anything else there is somebody else's.
func removeEmpty(staging string) error {
	entries, err := os.ReadDir(staging)
	if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name() != lockName {
		return nil
	}
	return remove(staging)
}

// remove removes a directory that a restore has written.
func remove(staging string) error {
	err := inDir(staging, vfs.OpenDirOptions{}, target.Remove)
	if err == nil {
		err = os.Remove(staging)
	}
	return err
}

// makeWay removes dir, in which there is at most a LOCK that nobody holds.
func makeWay(dir string) error {
	if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := checkEmpty(dir)
	if err == nil {
		err = inDir(dir, vfs.OpenDirOptions{}, func(left vfs.FS) error {
			lock, err := left.Lock(lockName, vfs.Exclusive)
			if err != nil {
				return err
			}
			return errors.Join(left.Remove(lockName), lock.Close())
		})
	}
	if err == nil {
		err = os.Remove(dir)
	}
	return err
}

// rename makes inside dir, durably. dir is not there, or empty.
func rename(inside, dir string) error {
	if err := makeWay(dir); err != nil {
		return err
	}
	if err := os.Rename(inside, dir); err != nil {
		return err
	}
	return vfs.SyncPath(filepath.Dir(dir))
}
