package engine

import (
	"errors"
	"fmt"
	"io/fs"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/join"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// A second writer can come past the lock where the directory is seen through two mounts. Package owner has the argument
// why nothing is lost then; what it asks of the engine is this:
//
//   - a sync is believed only if the mark stands after it (confirmOwner), be it of a commit, an edit or a new CURRENT;
//   - before a change of what a newcomer may read or need, an edit, a rotation, a removal, the mark is looked for by
//     name, and so are CURRENT and the file that is to be changed (checkOwner);
//   - a new number is taken by creating a file that must not exist, never by renaming over a name that may;
//   - the rename over CURRENT does not fail by itself if it is late. So a newcomer removes what is to be renamed, between
//     writing its mark and reading CURRENT: a rename that was decided on before then finds nothing.

// claim marks the directory as this writer's own and stops a switch of CURRENT that another one may be about to make.
func (e *Engine) claim() error {
	mark, err := owner.Claim(e.fs, filename.Make(filename.Lock, 0), [2]uint64{e.opts.Random(), e.opts.Random()})
	if err != nil {
		return fmt.Errorf("mark the database as in use: %w", err)
	}
	e.owner = mark
	names, err := e.fs.List()
	if err != nil {
		return fmt.Errorf("list the database directory: %w", err)
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind != filename.NextCurrent {
			continue
		}
		if err := e.fs.Remove(name); err != nil && !vfs.IsNotExist(err) {
			return fmt.Errorf("remove what is left of a change of CURRENT: %w", err)
		}
		e.report.FilesRemoved = append(e.report.FilesRemoved, name)
	}
	return nil
}

// confirmOwner returns owner.ErrTakenOver if another writer may have begun to read before the call. It stops writes if it
// does not know.
func (e *Engine) confirmOwner() error {
	if err := e.stillOwner(); err != nil {
		return e.fail("look for other writers", err)
	}
	return nil
}

// stillOwner is confirmOwner for who is in changeFiles: it leaves it to the caller to stop writes.
func (e *Engine) stillOwner() error {
	stands, err := e.owner.Stands()
	if err == nil && !stands { // somebody has emptied or removed LOCK
		_, err = e.owner.Named()
		err = join.Errors(err, e.checkCurrent())
	}
	return err
}

// checkOwner is confirmOwner before something is changed, and by name. An error that passes has changed nothing.
func (e *Engine) checkOwner() error { return e.failUnlessPasses(e.isOwner()) }

// isOwner is checkOwner for who is in changeFiles: it leaves it to the caller to stop writes.
func (e *Engine) isOwner() error {
	_, err := e.owner.Named()
	if err == nil {
		err = e.checkCurrent()
	}
	return err
}

// checkFile is checkOwner of a file that this engine goes on to write, which it has written up to size.
func (e *Engine) checkFile(name string, size int64) error {
	if err := e.checkOwner(); err != nil {
		return err
	}
	return e.failUnlessPasses(owner.Unchanged(e.fs, name, size))
}

func (e *Engine) failUnlessPasses(err error) error {
	if err == nil || passes(err) {
		return err
	}
	return e.fail("look for other writers", err)
}

// checkCurrent returns owner.ErrTakenOver if CURRENT names a manifest that is not of this engine.
func (e *Engine) checkCurrent() error {
	ours, next := e.inForce.Load(), e.comingForce.Load()
	if ours == 0 {
		return nil // a database that is being created: there is none before
	}
	named, err := manifest.InForce(e.fs)
	switch {
	case vfs.IsNotExist(err):
		return fmt.Errorf("%w (CURRENT is gone)", owner.ErrTakenOver)
	case err == nil && uint64(named) != ours && uint64(named) != next:
		return fmt.Errorf("%w (CURRENT names manifest %d, not %d)", owner.ErrTakenOver, named, ours)
	}
	return err
}

// takenOver makes owner.ErrTakenOver known as the reason of err, where it may be: a file that another writer has removed is
// then no damage. That a file of a new number exists already, or not any more, is always another writer's doing, perhaps of
// one whose time is over.
func (e *Engine) takenOver(err error) error {
	switch {
	case err == nil || e.owner == nil || errors.Is(err, owner.ErrTakenOver):
		return err
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", owner.ErrTakenOver, err)
	}
	if _, reason := e.owner.Named(); errors.Is(reason, owner.ErrTakenOver) {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return err
}
