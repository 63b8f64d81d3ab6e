//go:build linux || darwin || freebsd || openbsd || windows

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// OpenDir opens a directory of the operating system. Everything goes through one handle of the directory, so nothing
// can lead out of it, and renaming or replacing the directory's path does not redirect an open database.
func OpenDir(dir string, o OpenDirOptions) (FS, error) {
	if o.ReadOnly && o.Create {
		return nil, pathError("open directory", dir, fs.ErrInvalid)
	}
	if o.Create {
		if err := createDir(dir, o.DurableIf); err != nil {
			return nil, fmt.Errorf("create directory: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open directory: %w", err), root.Close())
	}
	return &osDir{root: root, self: self, path: dir, readOnly: o.ReadOnly, readsLag: readsLag(self)}, nil
}

// createDir makes dir and its missing parents, and makes their names durable.
//
// A directory that exists needs that too, because an earlier process may have made it and died before the sync. It
// does not if it has the file durableIf, which is written later. If the parent cannot be synced, the existing name is
// somebody else's work, such as a mount point in a read-only image, and theirs to keep: if this program had made it,
// the creation would have failed.
func createDir(dir, durableIf string) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	err := os.Mkdir(dir, dirMode)
	if (errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission)) && removeUnfinished(dir) {
		err = os.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := createDir(parent, ""); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrExist) {
		if _, err := os.Lstat(filepath.Join(dir, durableIf)); durableIf != "" && err == nil {
			return nil
		}
		if err := syncPath(parent); err != nil && !cannotSync(err) {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := finishDir(dir, parent); err != nil {
		return errors.Join(err, os.Remove(dir)) // otherwise the next attempt would take it for somebody else's
	}
	return nil
}

// SyncPath makes the names in the directory at path durable, where that is possible.
func SyncPath(path string) error {
	if err := syncPath(path); err != nil && !cannotSync(err) {
		return err
	}
	return nil
}

// removeUnfinished removes dir, or the nearest directory above it that can be seen, if createDir has made it and was
// killed before it could finish it, under a umask that takes the owner's rights: nobody could use it, ever. Such a
// directory is empty, ours, and has no rights but some of the owner's. It is removed and not changed, because that
// fails for one that is not empty, whoever writes into it at the same time. Root needs no rights.
func removeUnfinished(dir string) bool {
	info, err := os.Lstat(dir)
	for err != nil {
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
		info, err = os.Lstat(dir)
	}
	rights := info.Mode().Perm()
	return info.IsDir() && rights != dirMode && rights&^dirMode == 0 && os.Geteuid() != 0 &&
		os.Chmod(dir, info.Mode()) == nil && // which only its owner may
		os.Remove(dir) == nil
}

// finishDir gives the new directory dir its mode and makes its name durable.
func finishDir(dir, parent string) error {
	if err := os.Chmod(dir, dirMode); err != nil {
		return err
	}
	err := syncPath(parent)
	if err != nil && cannotSync(err) && syncAround(dir) == nil {
		return nil // the parent may be writable but not readable, for example
	}
	return err
}

// osDir is a directory of the operating system. It is immutable, and its handles are safe for concurrent use.
type osDir struct {
	root     *os.Root
	self     *os.File // the directory itself, open so that SyncDir never lacks a descriptor
	path     string
	readOnly bool
	readsLag bool
}

func (d *osDir) Path() string { return d.path }

func (d *osDir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

func (d *osDir) Create(name string) (File, error) {
	if err := d.checkChange("create", name); err != nil {
		return nil, err
	}
	f, err := d.create(name)
	if err != nil {
		return nil, WrapNoSpace(err)
	}
	return &osFile{f: f}, nil
}

func (d *osDir) create(name string) (*os.File, error) {
	f, err := d.openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if f, err = aboveStandardStreams(f); err != nil {
		return nil, errors.Join(err, d.root.Remove(name))
	}
	// The umask may have taken bits away, and then the next open of our own file would fail.
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close(), d.root.Remove(name))
	}
	return f, nil
}

func (d *osDir) Open(name string) (File, error) {
	f, err := d.openRegular(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (d *osDir) OpenReadWrite(name string) (File, error) {
	if err := d.checkChange("open", name); err != nil {
		return nil, err
	}
	f, err := d.openRegular(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// openRegular opens name if it is a regular file and no symbolic link, and never waits for the other end of a pipe. A
// file that takes the place of another meanwhile is opened in its place.
func (d *osDir) openRegular(name string, flag int) (f *os.File, err error) {
	for range maxOpenAttempts {
		if f, err = d.openNamed(name, flag); !errors.Is(err, errReplaced) {
			break
		}
	}
	return f, err
}

// openNamed is one attempt of openRegular. os.Root follows links that stay inside the directory. So the file that the
// name leads to is looked up before and compared after the opening: a link or pipe that was put there in between is
// another file.
func (d *osDir) openNamed(name string, flag int) (*os.File, error) {
	if !ValidName(name) {
		return nil, pathError("open", name, fs.ErrInvalid)
	}
	named, err := d.lstat(name, openRetryLimit)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, pathError("open", name, notRegular(named))
	}
	f, err := d.openFile(name, flag|openNoWait, 0)
	if errors.Is(err, fs.ErrPermission) && d.restoreMode(name, named) {
		f, err = d.openFile(name, flag|openNoWait, 0)
	}
	if err != nil {
		return nil, err
	}
	if f, err = aboveStandardStreams(f); err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(named, opened) {
		err = pathError("open", name, errReplaced)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// restoreMode gives a file of ours that could not be opened the owner's bits that a umask took at its creation: a
// kill between the creation and the Chmod leaves it without them. It reports whether it changed anything.
func (d *osDir) restoreMode(name string, info fs.FileInfo) bool {
	return !d.readOnly && info.Mode().Perm()&fileMode != fileMode && d.root.Chmod(name, fileMode) == nil
}

func (d *osDir) openFile(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
	err = retry(openRetryLimit, func() (err error) {
		f, err = d.root.OpenFile(name, flag, mode)
		return err
	})
	return f, err
}

func (d *osDir) lstat(name string, limit time.Duration) (info fs.FileInfo, err error) {
	err = retry(limit, func() (err error) {
		info, err = d.root.Lstat(name)
		return err
	})
	return info, err
}

var errReplaced = errors.New("file was replaced while it was opened")

// notRegular refuses links, pipes, devices, sockets and directories; none of them is a database file.
func notRegular(info fs.FileInfo) error {
	return &wrapped{fmt.Sprintf("not a regular file (mode %v)", info.Mode()), fs.ErrInvalid}
}

func (d *osDir) Remove(name string) error {
	if err := d.checkChange("remove", name); err != nil {
		return err
	}
	info, err := d.lstat(name, removeRetryLimit)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return pathError("remove", name, notRegular(info))
	}
	return WrapNoSpace(retry(removeRetryLimit, func() error { return d.root.Remove(name) }))
}

func (d *osDir) Link(from FS, name string) error {
	if err := d.checkChange("link", name); err != nil {
		return err
	}
	source, ok := Innermost(from).(*osDir)
	if !ok {
		return pathError("link", name, errors.ErrUnsupported)
	}
	if _, err := source.FileSize(name); err != nil { // it is no regular file, or is not there
		return err
	}
	if err := linkFile(source, d, name); err != nil {
		return WrapNoSpace(pathError("link", name, err))
	}
	return nil
}

func (d *osDir) Rename(oldName, newName string) error {
	if err := errors.Join(d.checkChange("rename", oldName), d.checkChange("rename", newName)); err != nil {
		return err
	}
	return WrapNoSpace(retry(openRetryLimit, func() error { return d.root.Rename(oldName, newName) }))
}

// checkChange refuses invalid names, and every change to a read-only directory.
func (d *osDir) checkChange(op, name string) error {
	if !ValidName(name) {
		return pathError(op, name, fs.ErrInvalid)
	}
	if d.readOnly {
		return pathError(op, name, errReadOnly)
	}
	return nil
}

func (d *osDir) List() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (d *osDir) FileSize(name string) (int64, error) {
	if !ValidName(name) {
		return 0, pathError("stat", name, fs.ErrInvalid)
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, pathError("stat", name, notRegular(info))
	}
	return info.Size(), nil
}

func (d *osDir) SyncDir() error {
	if d.readOnly {
		return pathError("sync directory", d.path, errReadOnly)
	}
	return WrapNoSpace(syncDirectory(d.self))
}

func (d *osDir) ReadsLag() bool { return d.readsLag }

func (d *osDir) FreeBytes() (uint64, error) {
	free, err := freeBytes(d.self)
	if err != nil {
		return 0, pathError("free space", d.path, err)
	}
	return free, nil
}

func (d *osDir) Lock(name string, mode LockMode) (io.Closer, error) {
	if !ValidName(name) {
		return nil, pathError("lock", name, fs.ErrInvalid)
	}
	return d.lock(name, mode)
}

// osFile is an open file of the operating system.
type osFile struct {
	f      *os.File
	window window
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, WrapNoSpace(err)
}

func (f *osFile) StoreAt(p []byte, off int64) (int, error) {
	stored, err := f.window.store(f.f, p, off)
	if err != nil {
		return f.writeInstead(p, off, err)
	}
	if stored {
		return len(p), nil
	}
	return f.WriteAt(p, off)
}

// writeInstead writes what could not be stored, perhaps in part, because of cause. After a copy of the file by
// reference, blocks must be copied before they are stored into, and then a full disk shows as a fault. A write gets
// an error that says so. From now on everything is written.
func (f *osFile) writeInstead(p []byte, off int64, cause error) (int, error) {
	if size, err := f.Size(); err != nil || size < f.window.end() {
		return 0, cause // somebody has truncated the file: what was in it is gone
	}
	return f.WriteAt(p, off)
}

func (f *osFile) Close() error {
	f.window.close()
	return WrapNoSpace(f.f.Close())
}

func (f *osFile) Sync() error { return WrapNoSpace(syncContent(f.f)) }

func (f *osFile) WriteOut(off, n int64) error { return WrapNoSpace(writeOut(f.f, off, n)) }

func (f *osFile) Size() (int64, error) {
	if err := checkOpen(f.f); err != nil {
		return 0, err
	}
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// zeros is what Allocate writes, piece by piece. Nothing ever changes it.
var zeros [256 << 10]byte

// Allocate writes zeros instead of reserving space. On the common file systems the first write into space that is
// merely reserved makes a sync as slow as an append does, and some of them take the space only then.
func (f *osFile) Allocate(size int64) error {
	at, err := f.Size()
	if err != nil {
		return err
	}
	for at < size {
		n, err := f.WriteAt(zeros[:min(size-at, int64(len(zeros)))], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	f.window.allow(at)
	return nil
}
