package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"lightningdb/internal/join"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// OpenDirOptions says how OpenDir opens a directory. The zero value opens an existing one for reading and writing.
type OpenDirOptions struct {
	// Create makes the directory, and missing parents, with mode 0700 whatever the umask, and makes its name
	// durable. A directory that exists keeps its mode.
	Create bool

	// ReadOnly refuses every change with an error that is fs.ErrPermission, and needs no permission to write:
	// nothing is created, not even the lock file.
	ReadOnly bool
}

// OpenDir opens a directory of the operating system. Everything goes through one handle of the directory, so that
// nothing can lead out of it, and renaming or replacing the directory's path does not redirect an open database.
func OpenDir(dir string, o OpenDirOptions) (FS, error) {
	if o.ReadOnly && o.Create {
		return nil, pathError("open directory", dir, fs.ErrInvalid)
	}
	if o.Create {
		if err := createDir(dir); err != nil {
			return nil, fmt.Errorf("create directory: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, join.Errors(fmt.Errorf("open directory: %w", err), root.Close())
	}
	return &osDir{root: root, self: self, path: dir, readOnly: o.ReadOnly, readsLag: readsLag(self)}, nil
}

// createDir makes dir and its missing parents, and makes their names durable. It syncs the parent of a directory
// that exists too: an earlier process may have died between the creation and the sync.
func createDir(dir string) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := createDir(parent); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if errors.Is(err, fs.ErrExist) {
		// The parent of a directory somebody else provided may be closed to us; its name is then theirs to keep.
		if err := syncPath(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return err
	}
	return syncPath(parent)
}

// syncPath makes the names in the directory at path durable.
func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return join.Errors(syncDirectory(d), d.Close())
}

// osDir is a directory of the operating system. It is immutable; its handles are safe for concurrent use.
type osDir struct {
	root     *os.Root
	self     *os.File // the directory itself, kept open so that SyncDir never fails for want of a descriptor
	path     string
	readOnly bool
	readsLag bool
}

func (d *osDir) Path() string { return d.path }

func (d *osDir) Close() error { return join.Errors(d.self.Close(), d.root.Close()) }

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
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if f, err = aboveStandardStreams(f); err != nil {
		return nil, join.Errors(err, d.root.Remove(name))
	}
	// The umask may have taken bits away, which would lock us out of our own file at the next open.
	if err := f.Chmod(fileMode); err != nil {
		return nil, join.Errors(err, f.Close(), d.root.Remove(name))
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

// openRegular opens name if it is a regular file and no symbolic link, without ever waiting for a pipe. os.Root
// follows links that stay inside the directory, so the name is looked at before and compared after the opening:
// a link or pipe put there in between is another file.
func (d *osDir) openRegular(name string, flag int) (*os.File, error) {
	if !ValidName(name) {
		return nil, pathError("open", name, fs.ErrInvalid)
	}
	named, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, pathError("open", name, notRegular(named))
	}
	f, err := d.root.OpenFile(name, flag|openNoWait, 0)
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
		return nil, join.Errors(err, f.Close())
	}
	return f, nil
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
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return pathError("remove", name, notRegular(info))
	}
	return WrapNoSpace(d.root.Remove(name))
}

func (d *osDir) Rename(oldName, newName string) error {
	if err := join.Errors(d.checkChange("rename", oldName), d.checkChange("rename", newName)); err != nil {
		return err
	}
	return WrapNoSpace(d.root.Rename(oldName, newName))
}

// checkChange refuses names that are none and every change to a read-only directory.
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
	if err := join.Errors(err, f.Close()); err != nil {
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
		return 0, err
	}
	if stored {
		return len(p), nil
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
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// zeros is what Allocate writes, one piece at a time. Nothing ever writes to it.
var zeros [256 << 10]byte

// Allocate writes zeros instead of reserving space: on the common file systems, the first write into space that
// is merely reserved costs a sync as much as an append does, and some of them charge the space only then.
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
