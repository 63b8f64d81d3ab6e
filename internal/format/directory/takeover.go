package directory

import (
	"errors"
	"fmt"
	"io/fs"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
)

// A second writer can come past the lock if the directory is seen through two mounts. Package owner has the argument
// why nothing is lost then. This is what the argument asks of a writer:
//
//   - It believes a sync, be it of a commit, an edit or a new CURRENT, only if the mark stands after it
//     (ConfirmOwner).
//   - Before it changes what a newcomer may read or need, by an edit, a rotation or a removal, it looks for the mark
//     by name, and checks CURRENT and the file that it is about to change (CheckOwner).
//   - It takes a new number by creating a file that must not exist, never by renaming over a name that may.
//   - A rename over CURRENT that comes late does not fail by itself. So a newcomer removes what is to be renamed,
//     between writing its mark and reading CURRENT: a rename that was decided on before then finds nothing.

// lookForOthers is what errors call these checks.
const lookForOthers = "look for other writers"

// Claim marks the directory as this writer's own, and stops a switch of CURRENT or STATUS that another writer may be
// about to make. It returns the files that it has removed for that.
func (d *Directory) Claim() (removed []string, err error) {
	mark, err := owner.Claim(d.opts.FS, filename.Make(filename.Lock, 0), [2]uint64{d.opts.Random(), d.opts.Random()})
	if err != nil {
		return nil, fmt.Errorf("mark the database as in use: %w", err)
	}
	d.mark = mark
	names, err := d.opts.FS.List()
	if err != nil {
		return nil, fmt.Errorf("list the database directory: %w", err)
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind != filename.NextCurrent && kind != filename.NextStatus {
			continue
		}
		if err := d.opts.FS.Remove(name); err != nil && !vfs.IsNotExist(err) {
			return nil, fmt.Errorf("remove what is left of a change of CURRENT: %w", err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// SetCurrent makes isOurs the function that says whether CURRENT is still what this writer has left there. It is
// called once, before the directory is written to.
func (d *Directory) SetCurrent(isOurs func() error) { d.current = isOurs }

// ConfirmOwner returns owner.ErrTakenOver if another writer may have begun to read before the call. If it cannot
// tell, it ends writes too.
func (d *Directory) ConfirmOwner() error {
	if err := d.StillOwner(); err != nil {
		return d.Fail(lookForOthers, err)
	}
	return nil
}

// StillOwner is ConfirmOwner inside Change: the caller must end writes.
func (d *Directory) StillOwner() error {
	stands, err := d.mark.Stands()
	if err == nil && !stands { // somebody has emptied or removed LOCK
		_, err = d.mark.Named()
		err = errors.Join(err, d.current())
	}
	return err
}

// CheckOwner is ConfirmOwner by name, for use before something is changed. A transient error has changed nothing.
func (d *Directory) CheckOwner() error { return d.FailUnlessTransient(lookForOthers, d.IsOwner()) }

// IsOwner is CheckOwner inside Change: the caller must end writes.
func (d *Directory) IsOwner() error {
	_, err := d.mark.Named()
	if err == nil {
		err = d.current()
	}
	return err
}

// CheckFile is CheckOwner before this writer goes on with a file of its own, which it has written up to size.
func (d *Directory) CheckFile(name string, size int64) error {
	if err := d.CheckOwner(); err != nil {
		return err
	}
	return d.FailUnlessTransient(lookForOthers, owner.Unchanged(d.opts.FS, name, size))
}

// TakenOver adds owner.ErrTakenOver to err if that is the reason: a file that another writer has removed is no
// damage then. If a file with a new number exists already, or does not exist any more, another writer has always
// done it, perhaps one that has lost the database since.
func (d *Directory) TakenOver(err error) error {
	switch {
	case err == nil || d.mark == nil || errors.Is(err, owner.ErrTakenOver):
		return err
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", owner.ErrTakenOver, err)
	}
	if _, reason := d.mark.Named(); errors.Is(reason, owner.ErrTakenOver) {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return err
}
