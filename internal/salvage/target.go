package salvage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// ErrTarget says that the target is not empty.
var ErrTarget = fmt.Errorf("the directory to write to is not empty (%w)", fs.ErrExist)

// checkEmpty refuses a target in which there is anything but LOCK, which a salvage leaves that has failed.
func checkEmpty(target vfs.FS) error {
	names, err := target.List()
	if err != nil {
		return err
	}
	other := false
	for _, name := range names {
		if name == manifest.Unfinished {
			return fmt.Errorf("%w: %s has what a salvage left that was interrupted: remove the directory, and run it again",
				ErrTarget, target.Path())
		}
		other = other || name != filename.Make(filename.Lock, 0)
	}
	if other {
		return fmt.Errorf("%w: %s", ErrTarget, target.Path())
	}
	return nil
}

// mark makes sure that nobody takes the target for a database, whatever is written to it and ends this process.
func mark(target vfs.FS) error {
	f, err := target.Create(manifest.Unfinished)
	if err == nil {
		err = errors.Join(f.Close(), target.SyncDir())
	}
	return err
}

// unmark makes the target, which has its CURRENT, a database.
func unmark(target vfs.FS) error {
	err := target.Remove(manifest.Unfinished)
	if err == nil {
		err = target.SyncDir()
	}
	return err
}

// clearTarget removes what was written to the target, which was empty. The mark goes last, when the rest is gone for
// good, so that nobody takes that for a database: neither if something stays, nor after a power cut, which may bring it
// back.
func clearTarget(target vfs.FS) error {
	names, err := target.List()
	if err != nil {
		return err
	}
	marked := slices.Contains(names, manifest.Unfinished)
	names = slices.DeleteFunc(names, func(name string) bool {
		kind, _ := filename.Parse(name)
		return kind == filename.Unknown || kind == filename.Lock
	})
	if len(names) > 0 && !marked { // it was complete, but for the mark, which may not be gone for good
		err = mark(target)
	}
	if err == nil {
		err = removeAll(target, names)
	}
	if err == nil {
		err = target.Remove(manifest.Unfinished)
	}
	if err == nil || vfs.IsNotExist(err) {
		return nil
	}
	return fmt.Errorf("%s is no database, remove it: %w", target.Path(), err)
}

// removeAll removes files for good.
func removeAll(target vfs.FS, names []string) (err error) {
	for _, name := range names {
		err = errors.Join(err, target.Remove(name))
	}
	if err == nil && len(names) > 0 {
		err = target.SyncDir()
	}
	return err
}
