// Package target is a directory in which a new database is made, by a salvage or as a copy of another one. Until it is
// complete, nobody takes it for a database: it has the file manifest.Unfinished, durably, before all else. A Staging is
// the way of a restore, which verifies what it has made before that has its name.
package target

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// Inside is the name of a directory in a target. A restore makes its database there, so that the mark of the target
// holds for it until the database has been verified and has been moved to its own name.
const Inside = "database"

// ErrNotEmpty says that there is something in the directory.
var ErrNotEmpty = fmt.Errorf("the directory to write to is not empty (%w)", fs.ErrExist)

// Make calls write, which makes a database of dir, and holds the lock of dir meanwhile. What write has made must be
// durable in content, not in name. dir must be empty, but for the file LOCK. After an error or a panic it is that
// again.
func Make(dir vfs.FS, write func() error) error {
	return build(dir, checkEmpty, func(error) bool { return false }, write)
}

// Continue is Make for a directory that may also have what is left of something that was interrupted: the mark, and
// files of a database, or the directory Inside. write finds them there. After an error for which stays is true, the
// next Continue finds what has been written. If write leaves Inside there with an error, the mark stays.
func Continue(dir vfs.FS, stays func(err error) bool, write func() error) error {
	return build(dir, checkOurs, stays, write)
}

// build is Make in a directory that check does not refuse. What is written stays after some errors.
func build(dir vfs.FS, check func(vfs.FS) error, stays func(err error) bool, write func() error) (err error) {
	if err := check(dir); err != nil {
		return err
	}
	lock, err := dir.Lock(filename.Make(filename.Lock, 0), vfs.Exclusive)
	if err != nil {
		return fmt.Errorf("lock the new database: %w", err)
	}
	complete := false
	defer func() { // after a panic, too
		released := lock.Close()
		if !complete { // what is complete is durable: nothing rests on its lock
			err = errors.Join(err, released)
		}
	}()
	if err := check(dir); err != nil { // somebody was faster
		return err
	}
	defer func() {
		if !complete && !(err != nil && stays(err)) {
			err = errors.Join(err, clearOut(dir))
		}
	}()
	if err := Mark(dir); err != nil {
		return err
	}
	err = write()
	if err == nil {
		err = unmark(dir)
	}
	complete = err == nil
	return err
}

// Clear removes what is left in dir of something that was interrupted, and does nothing if that still runs, or if dir
// has something else: then Make refuses.
func Clear(dir vfs.FS) error {
	if _, err := dir.FileSize(manifest.Unfinished); err != nil {
		return nil
	}
	lock, err := dir.Lock(filename.Make(filename.Lock, 0), vfs.Exclusive)
	if err != nil {
		return fmt.Errorf("clear %s: %w", dir.Path(), err)
	}
	return errors.Join(clearOut(dir), lock.Close())
}

// Remove removes all files of a database from dir, and its lock: then the directory is empty, unless somebody else has
// put something there.
func Remove(dir vfs.FS) error {
	err := clearOut(dir)
	if err == nil {
		err = dir.Remove(filename.Make(filename.Lock, 0))
	}
	if vfs.IsNotExist(err) {
		err = nil
	}
	return err
}

// checkEmpty refuses a directory in which there is anything but LOCK, which stays of what has failed.
func checkEmpty(dir vfs.FS) error {
	names, err := dir.List()
	if err != nil {
		return err
	}
	other := false
	for _, name := range names {
		if name == manifest.Unfinished {
			return fmt.Errorf("%w: %s has what is left of a salvage or copy that was interrupted, unless that still runs: "+
				"remove the directory, and run it again", ErrNotEmpty, dir.Path())
		}
		other = other || name != filename.Make(filename.Lock, 0)
	}
	if other {
		return fmt.Errorf("%w: %s", ErrNotEmpty, dir.Path())
	}
	return nil
}

// checkOurs refuses a directory with anything but the mark, LOCK, files of a database that has the mark, or Inside.
func checkOurs(dir vfs.FS) error {
	if _, err := dir.FileSize(manifest.Unfinished); err != nil {
		return checkEmpty(dir)
	}
	names, err := dir.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		kind, _ := filename.Parse(name)
		if kind == filename.Unknown && name != manifest.Unfinished && name != Inside {
			return fmt.Errorf("%w: %s has %s", ErrNotEmpty, dir.Path(), name)
		}
	}
	return nil
}

// Mark makes sure that nobody takes dir for a database, whatever is written to it and ends this process.
func Mark(dir vfs.FS) error {
	f, err := dir.Create(manifest.Unfinished)
	if errors.Is(err, fs.ErrExist) { // that it is durable is not known
		return dir.SyncDir()
	}
	if err == nil {
		err = errors.Join(f.Close(), dir.SyncDir())
	}
	return err
}

// unmark makes dir, which has its CURRENT, a database.
func unmark(dir vfs.FS) error {
	err := dir.SyncDir()
	if err == nil {
		err = dir.Remove(manifest.Unfinished)
	}
	if err == nil {
		err = dir.SyncDir()
	}
	return err
}

// clearOut removes what was written to dir. The mark goes last, when the rest is gone for good, so that nobody takes
// that for a database: neither if something stays, nor after a power cut, which may bring it back.
func clearOut(dir vfs.FS) error {
	names, err := dir.List()
	if err != nil {
		return err
	}
	marked, inside := slices.Contains(names, manifest.Unfinished), slices.Contains(names, Inside)
	names = slices.DeleteFunc(names, func(name string) bool {
		kind, _ := filename.Parse(name)
		return kind == filename.Unknown || kind == filename.Lock
	})
	if len(names) > 0 && !marked { // it was complete, but for the mark, which may not be gone for good
		err = Mark(dir)
	}
	if err == nil {
		err = removeAll(dir, names)
	}
	if err == nil && !(marked && inside) {
		err = dir.Remove(manifest.Unfinished)
	}
	if err == nil || vfs.IsNotExist(err) {
		return nil
	}
	return fmt.Errorf("%s is no database, remove it: %w", dir.Path(), err)
}

// removeAll removes files for good, with whatever was removed before.
func removeAll(dir vfs.FS, names []string) (err error) {
	for _, name := range names {
		err = errors.Join(err, dir.Remove(name))
	}
	if err != nil {
		return err
	}
	return dir.SyncDir()
}
