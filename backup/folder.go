package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
)

// uploads is where a Folder writes a file until it has its name.
const uploads = "uploads/"

// repositoryLock is a file that a Folder locks for moments where its file system has no hard links.
const repositoryLock = "lightning-repository.lock"

// Folder is the Store of a directory. It is made by the first Put, for its owner alone. Nothing in it that leads out of
// it is followed. Several machines may use it at once if what one of them does the others see at once: over NFS that
// needs the mount option noac, unless only one of them makes and prunes backups at a time.
//
// A file is written to uploads/, synced, and gets its name by a rename; by a link if it has to be new, because no
// rename can refuse to replace. Directories are synced after each change.
type Folder struct {
	dir     string
	durable sync.Map // directories whose own names this Folder has synced, by path from dir
	link    func(root *os.Root, from, to string) error
}

// NewFolder returns the Store of directory dir, which need not be there.
func NewFolder(dir string) *Folder {
	return &Folder{dir: filepath.Clean(dir), link: (*os.Root).Link}
}

// Put is that of Store.
func (f *Folder) Put(ctx context.Context, name string, r io.Reader, size int64, mode PutMode) (err error) {
	if err := checkName(name); err != nil {
		return err
	}
	root, err := f.make(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	upload := fmt.Sprintf("%s%016x", uploads, rand.Uint64())
	if err = writeUpload(root, upload, untilDone{ctx, r}, size); err == nil {
		err = f.name(ctx, root, upload, name, mode)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("put %s: %w", name, vfs.WrapNoSpace(err)), removeIfThere(root, upload))
	}
	return f.sync(path.Dir(name))
}

// make opens the directory, and makes what is missing of it up to where name is, durably.
func (f *Folder) make(name string) (*os.Root, error) {
	if _, done := f.durable.Load("."); !done {
		dir, err := vfs.OpenDir(f.dir, vfs.OpenDirOptions{Create: true})
		if err == nil {
			err = dir.Close()
		}
		if err != nil {
			return nil, err
		}
		f.durable.Store(".", true)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{path.Dir(uploads), path.Dir(name)} {
		if err := f.makeInside(root, dir); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	return root, nil
}

// makeInside makes dir and what is above it. Also a directory that is there may be one that a kill has left before its
// name was durable.
func (f *Folder) makeInside(root *os.Root, dir string) error {
	if _, done := f.durable.Load(dir); done || dir == "." {
		return nil
	}
	if err := f.makeInside(root, path.Dir(dir)); err != nil {
		return err
	}
	err := root.Mkdir(dir, 0o700)
	if err == nil {
		err = root.Chmod(dir, 0o700) // a umask may have taken the owner's rights
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return vfs.WrapNoSpace(err)
	}
	vfs.GiveRights(root, dir)
	if err := f.sync(path.Dir(dir)); err != nil {
		return err
	}
	f.durable.Store(dir, true)
	return nil
}

// sync makes the names in a directory durable.
func (f *Folder) sync(dir string) error {
	return vfs.SyncPath(filepath.Join(f.dir, filepath.FromSlash(dir)))
}

// writeUpload writes a new file, durable in content.
func writeUpload(root *os.Root, name string, r io.Reader, size int64) error {
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(r, size+1))
	err = errors.Join(err, out.Chmod(0o600)) // a umask may have taken the owner's rights
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes, or more, in the place of %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func removeIfThere(root *os.Root, name string) error {
	if err := root.Remove(name); err != nil && !vfs.IsNotExist(err) {
		return err
	}
	return nil
}

// name gives an upload its name.
func (f *Folder) name(ctx context.Context, root *os.Root, upload, name string, mode PutMode) error {
	if mode == Replace {
		return root.Rename(upload, name)
	}
	err := f.link(root, upload, name)
	switch {
	case err == nil:
		_ = root.Remove(upload) // a Prune will
		return nil
	case errors.Is(err, fs.ErrExist) || vfs.IsNotExist(err):
		return err
	default: // there are no links here
		return f.locked(ctx, func() error {
			if _, err := root.Lstat(name); !vfs.IsNotExist(err) {
				return errors.Join(err, fmt.Errorf("%s: %w", name, fs.ErrExist))
			}
			return root.Rename(upload, name)
		})
	}
}

// locked calls do while no other process is here.
func (f *Folder) locked(ctx context.Context, do func() error) (err error) {
	dir, err := vfs.OpenDir(f.dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		lock, err := dir.Lock(repositoryLock, vfs.Exclusive)
		if err == nil {
			return errors.Join(do(), lock.Close())
		}
		if errors.Is(err, vfs.ErrLocked) {
			err = calls.Sleep(ctx, 10*time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
}

// Copy is that of Store: a hard link, or a copy where there are no links.
func (f *Folder) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	root, err := f.make(to)
	if err != nil {
		return err
	}
	err = f.link(root, from, to)
	if err = errors.Join(err, root.Close()); err == nil {
		return f.sync(path.Dir(to))
	}
	if errors.Is(err, fs.ErrExist) || vfs.IsNotExist(err) {
		return err
	}
	in, size, err := f.open(from)
	if err != nil {
		return err
	}
	return errors.Join(f.Put(ctx, to, in, size, OnlyNew), in.Close())
}

// Open is that of Store.
func (f *Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	file, _, err := f.open(name)
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *Folder) open(name string) (file *os.File, size int64, err error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	info, err := root.Lstat(name) // to open a pipe could take for ever
	if err == nil && !info.Mode().IsRegular() {
		err = bad("%s is no regular file", name) // whatever was put in its place, it is damage
	}
	if err != nil {
		return nil, 0, err
	}
	file, err = root.Open(name)
	return file, info.Size(), err
}

// List is that of Store. What is no directory it yields, whatever it is.
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		root, err := os.OpenRoot(f.dir)
		if vfs.IsNotExist(err) {
			return
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer root.Close()
		err = fs.WalkDir(root.FS(), path.Dir(prefix+"x"), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				vfs.GiveRights(root, name)
			}
			if vfs.IsNotExist(err) || err == nil && (d.IsDir() || !strings.HasPrefix(name, prefix)) {
				return nil // what vanishes meanwhile is not there
			}
			var info fs.FileInfo
			if err == nil {
				info, err = d.Info()
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				if vfs.IsNotExist(err) {
					return nil
				}
				return err
			}
			if !yield(Entry{name, info.Size()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// Remove is that of Store.
func (f *Folder) Remove(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.dir)
	if vfs.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = root.Remove(name)
	if err = errors.Join(err, root.Close()); vfs.IsNotExist(err) {
		return nil
	}
	if err == nil {
		err = f.sync(path.Dir(name))
	}
	return err
}
