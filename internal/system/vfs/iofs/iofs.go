// Package iofs shows a directory of an io/fs.FS as a vfs.FS that nobody can change: files that are part of the program
// (embed.FS) or of an archive (zip.Reader), or that another program has made (os.DirFS).
//
// There is no lock: what such a file system shows should not change while it is open. If it does all the same, a
// reader meets files that are gone or do not fit, which are errors.
//
// # How files are read
//
// A file that is an io.ReaderAt is read where something is asked for, and so is an io.Seeker, one read at a time. Any
// other can only be read from its beginning, such as one of an archive. It is read whole when it is opened, and is in
// memory until it is closed; a file of more than 1 GiB is refused then.
//
// Everything is safe for concurrent use, as far as the file system is.
package iofs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync/atomic"

	"lightningdb/internal/system/vfs"
)

// FS is one directory.
type FS struct {
	files  fs.FS
	dir    string
	closed atomic.Bool
}

// New returns the directory dir of files, whose path is one of package io/fs: "." is the whole, and there is no slash
// before or after it. If there is no such directory, the error matches fs.ErrNotExist.
func New(files fs.FS, dir string) (*FS, error) {
	if files == nil {
		return nil, pathError("open", dir, errors.New("no file system was given"))
	}
	if !fs.ValidPath(dir) {
		return nil, pathError("open", dir, fmt.Errorf(`%w: not a path of io/fs, such as "data" or "."`, fs.ErrInvalid))
	}
	info, err := fs.Stat(files, dir)
	if err == nil && !info.IsDir() {
		err = pathError("open", dir, errors.New("not a directory"))
	}
	if err != nil {
		return nil, err
	}
	return &FS{files: files, dir: dir}, nil
}

// Path implements vfs.FS.
func (d *FS) Path() string { return d.dir }

// Close implements vfs.FS. The file system behind it stays as it is.
func (d *FS) Close() error {
	if d.closed.Swap(true) {
		return fs.ErrClosed
	}
	return nil
}

// at is the path of a file.
func (d *FS) at(op, name string) (string, error) {
	if d.closed.Load() {
		return "", pathError(op, name, fs.ErrClosed)
	}
	if !vfs.ValidName(name) {
		return "", pathError(op, name, fs.ErrInvalid)
	}
	return path.Join(d.dir, name), nil
}

// Open implements vfs.FS.
func (d *FS) Open(name string) (vfs.File, error) {
	at, err := d.at("open", name)
	if err != nil {
		return nil, err
	}
	f, err := d.files.Open(at)
	if err != nil {
		return nil, d.missing("open", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = pathError("open", name, notRegular(info))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return open(name, f, info.Size())
}

// List implements vfs.FS.
func (d *FS) List() ([]string, error) {
	if d.closed.Load() {
		return nil, pathError("list", d.dir, fs.ErrClosed)
	}
	entries, err := fs.ReadDir(d.files, d.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// FileSize implements vfs.FS.
func (d *FS) FileSize(name string) (int64, error) {
	at, err := d.at("stat", name)
	if err != nil {
		return 0, err
	}
	info, err := fs.Stat(d.files, at)
	if err != nil {
		return 0, d.missing("stat", name, err)
	}
	if !info.Mode().IsRegular() {
		return 0, pathError("stat", name, notRegular(info))
	}
	return info.Size(), nil
}

// missing is the error of a file that cannot be opened. A link that leads nowhere, or out of the file system, is there:
// it must not look like a file that is not.
func (d *FS) missing(op, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, listed := fs.ReadDir(d.files, d.dir)
	if i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name }); listed == nil && i >= 0 &&
		entries[i].Type() != 0 {
		return pathError(op, name, fmt.Errorf("%w: a link that leads to no file (mode %v)", fs.ErrInvalid, entries[i].Type()))
	}
	return err
}

// Lock implements vfs.FS. A shared lock is granted and keeps nobody out: there is nothing to lock.
func (d *FS) Lock(name string, mode vfs.LockMode) (io.Closer, error) {
	if _, err := d.at("lock", name); err != nil {
		return nil, err
	}
	if mode == vfs.Exclusive {
		return nil, refused("lock", name)
	}
	return &lock{}, nil
}

// lock is a shared lock.
type lock struct{ closed atomic.Bool }

func (l *lock) Close() error {
	if l.closed.Swap(true) {
		return fs.ErrClosed
	}
	return nil
}

// ReadsLag implements vfs.FS: nothing is written to these files.
func (d *FS) ReadsLag() bool { return false }

// FreeBytes implements vfs.FS: nothing can be added.
func (d *FS) FreeBytes() (uint64, error) { return 0, nil }

// Create implements vfs.FS, and is refused, as are all changes.
func (d *FS) Create(name string) (vfs.File, error) { return nil, refused("create", name) }

// OpenReadWrite implements vfs.FS.
func (d *FS) OpenReadWrite(name string) (vfs.File, error) { return nil, refused("open", name) }

// Remove implements vfs.FS.
func (d *FS) Remove(name string) error { return refused("remove", name) }

// Rename implements vfs.FS.
func (d *FS) Rename(oldName, _ string) error { return refused("rename", oldName) }

// Link implements vfs.FS.
func (d *FS) Link(_ vfs.FS, name string) error { return refused("link", name) }

// SyncDir implements vfs.FS.
func (d *FS) SyncDir() error { return refused("sync directory", d.dir) }

// refused is the error of a change.
func refused(op, name string) error {
	return pathError(op, name, fmt.Errorf("%w: an io/fs.FS is only read", fs.ErrPermission))
}

func notRegular(info fs.FileInfo) error {
	return fmt.Errorf("%w: not a regular file (mode %v)", fs.ErrInvalid, info.Mode())
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
