package target

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// restoring is what is added to the name of the target for the directory that is restored to. The database is made in a
// directory in it, Inside, and the mark next to that stays until the database has its name. So what is left by a
// restore that was interrupted is known as that, also if it is complete.
const restoring = ".restoring"

// lockName is the file that is left where a checkpoint, a salvage or a restore has failed.
var lockName = filename.Make(filename.Lock, 0)

// Staging makes a database in a directory next to the one that it is for, verifies it there, and renames that: so the
// target is there whole or not at all. All fields but Drill are required.
type Staging struct {
	Disk  Disk
	Dir   string // the target, which must be new or empty
	Drill bool   // what was made is removed again; the target is neither needed nor touched

	// Stays tells whether what was written before an error stays for the next Fill.
	Stays func(err error) bool

	// Verify reads all of the database in a directory of Disk.
	Verify func(ctx context.Context, dir string) error
}

// maxAttempts bounds how often Fill starts again because the directory that it had opened was removed by another one.
const maxAttempts = 10

// Fill makes the target of what fill makes a database. Of two at once for one target, the later one is refused.
func (s *Staging) Fill(ctx context.Context, fill func(ctx context.Context, into vfs.FS) error) error {
	dir := filepath.Clean(s.Dir)
	if err := s.checkTarget(dir); err != nil {
		return err
	}
	staging := dir + restoring
	begun := false
	var err error
	for range maxAttempts {
		err = s.inDir(staging, true, func(marked vfs.FS) error {
			return Continue(marked, s.stays, func() error {
				begun = true
				return s.make(ctx, dir, filepath.Join(staging, Inside), fill)
			})
		})
		if begun || !vfs.IsNotExist(err) {
			break
		}
	}
	return errors.Join(err, s.removeEmpty(staging))
}

// make makes the target in the directory inside, verifies it there, and gives it its name. It has the lock.
func (s *Staging) make(ctx context.Context, dir, inside string,
	fill func(ctx context.Context, into vfs.FS) error) error {
	if err := s.checkTarget(dir); err != nil { // somebody was faster
		return err
	}
	if err := s.write(ctx, inside, fill); err != nil {
		return errors.Join(err, s.removeEmpty(inside))
	}
	switch err := s.Verify(ctx, inside); {
	case err == nil && !s.Drill:
		return s.rename(inside, dir)
	case ctx.Err() != nil && s.Stays(err):
		return err
	default:
		return errors.Join(err, s.remove(inside))
	}
}

// stays is Stays, but for what nothing can be made of later: the target is there.
func (s *Staging) stays(err error) bool { return !errors.Is(err, ErrNotEmpty) && s.Stays(err) }

// checkTarget refuses a target in which there is something else than a LOCK.
func (s *Staging) checkTarget(dir string) error {
	if s.Drill {
		return nil
	}
	return s.checkEmpty(dir)
}

// inDir calls do with the directory at path.
func (s *Staging) inDir(path string, create bool, do func(dir vfs.FS) error) (err error) {
	dir, err := s.Disk.Open(path, create)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return do(dir)
}

// write calls fill with the directory inside, and marks what is there: it is left of a restore, complete or not.
func (s *Staging) write(ctx context.Context, inside string, fill func(ctx context.Context, into vfs.FS) error) error {
	return s.inDir(inside, true, func(into vfs.FS) error {
		names, err := into.List()
		if err == nil && len(names) > 0 {
			err = Mark(into)
		}
		if err != nil {
			return err
		}
		return fill(ctx, into)
	})
}

// checkEmpty refuses a directory in which there is something else than a LOCK.
func (s *Staging) checkEmpty(dir string) error {
	names, err := s.Disk.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if name != lockName {
			return fmt.Errorf("%w: it holds %s", ErrNotEmpty, name)
		}
	}
	return err
}

// removeEmpty removes a directory in which there is at most a LOCK: a restore that has failed leaves it like that.
// Anything else there is somebody else's, to which not even a LOCK is added, and so is a directory that somebody has
// locked meanwhile.
func (s *Staging) removeEmpty(dir string) error {
	if s.checkEmpty(dir) != nil {
		return nil
	}
	for range maxAttempts {
		empty, err := s.removeLock(dir)
		switch {
		case errors.Is(err, vfs.ErrLocked) || vfs.IsNotExist(err):
			return nil
		case err != nil || !empty:
			return err
		}
		if s.Disk.Remove(dir) == nil { // fails if somebody has come, who may have been refused and gone again
			return nil
		}
	}
	return nil
}

// removeLock removes the LOCK of a directory in which there is nothing else, and reports whether that was so.
func (s *Staging) removeLock(dir string) (empty bool, err error) {
	err = s.inDir(dir, false, func(left vfs.FS) error {
		lock, err := left.Lock(lockName, vfs.Exclusive)
		if err != nil {
			return err
		}
		names, err := left.List()
		if empty = err == nil && len(names) == 1; empty {
			err = left.Remove(lockName)
		}
		return errors.Join(err, lock.Close())
	})
	return empty && err == nil, err
}

// remove removes a directory that a restore has written, and whose lock or that of the one around it it has.
func (s *Staging) remove(dir string) error {
	err := s.inDir(dir, false, Remove)
	if err == nil {
		err = s.Disk.Remove(dir)
	}
	return err
}

// makeWay removes dir, in which there is at most a LOCK that nobody holds.
func (s *Staging) makeWay(dir string) error {
	if err := s.Disk.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := s.checkEmpty(dir)
	if err == nil {
		_, err = s.removeLock(dir)
	}
	if err == nil {
		err = s.Disk.Remove(dir)
	}
	return err
}

// rename makes inside dir, durably. dir is not there, or empty.
func (s *Staging) rename(inside, dir string) error {
	if err := s.makeWay(dir); err != nil {
		return err
	}
	if err := s.Disk.Rename(inside, dir); err != nil {
		return err
	}
	return s.Disk.Sync(filepath.Dir(dir))
}
