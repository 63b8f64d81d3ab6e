// Package userfile reads and writes the files that people name. It decides what becomes of a name that is taken:
//
//	nothing            the file appears when it is complete and durable, or not at all
//	a regular file     is replaced in the same way, by a rename of a file next to it, and only if that was asked for
//	a symbolic link    is followed to its end, and stays
//	FIFO, device       is opened and written into, never replaced; a block device only if that was asked for
//	directory, socket  is an error
//	file of a database is an error, also through a link
//
// The descriptors of a process that have names (/dev/stdout, /proc/self/fd/1) are written into, at their end. It holds
// no state.
package userfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/interrupt"
)

// Options say what Write may do.
type Options struct {
	Replace bool // a regular file, or what is on a block device
	Private bool // only the owner may read the file, also if it replaces one that others could read
}

// maxLinks bounds how many symbolic links are followed, as the kernel does.
const maxLinks = 40

// Write lets write make what belongs under the name path. Without Options.Replace a name that is taken is fs.ErrExist.
// The end of ctx ends the wait for the other end of a FIFO.
func Write(ctx context.Context, path string, o Options, write func(io.Writer) error) error {
	to, err := check(path, o)
	if err != nil {
		return err
	}
	if to.into {
		return to.writeInto(ctx, write)
	}
	return to.replace(path, o, write)
}

// Check returns the error with which Write would refuse to begin, for who writes only at the end.
func Check(path string, o Options) error {
	_, err := check(path, o)
	return err
}

// check finds what path leads to, if that may be written.
func check(path string, o Options) (target, error) {
	to, err := find(path)
	if err == nil {
		err = to.mayBeWritten(path, o)
	}
	return to, err
}

// target is the file that a name leads to.
type target struct {
	path string      // behind all links
	info fs.FileInfo // nil if there is nothing
	into bool        // it is written into, not replaced
}

// find follows path.
func find(path string) (target, error) {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return target{}, err
	}
	if err == nil && !info.Mode().IsRegular() {
		return target{path: path, info: info, into: true}, nil
	}
	to := target{path: path, info: info}
	if err != nil {
		to.info = nil
	}
	for range maxLinks {
		link, err := os.Lstat(to.path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && link.Mode()&fs.ModeSymlink == 0 {
			return to, nil
		}
		if err == nil {
			err = to.follow()
		}
		if err != nil || to.into {
			return to, err
		}
	}
	return target{}, fmt.Errorf("%s: more than %d symbolic links", path, maxLinks)
}

// follow goes on to where the link at t.path leads. The name of a descriptor in /proc looks like a link but is the open
// file itself, which may have another name by now, or none.
func (t *target) follow() error {
	dir, _ := folderOf(t.path)
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if runtime.GOOS == "linux" && strings.HasPrefix(dir, "/proc/") && t.info != nil {
		t.into = true
		return nil
	}
	next, err := os.Readlink(t.path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(next) {
		next = dir + string(filepath.Separator) + next
	}
	t.path = next
	return nil
}

// folderOf splits path into its directory, up to the last separator, and its name there. Unlike filepath.Dir it cleans
// nothing by its letters: behind a link, ".." is another directory.
func folderOf(path string) (dir, name string) {
	dir, name = filepath.Split(path)
	if dir == "" {
		dir = "." + string(filepath.Separator)
	}
	return dir, name
}

// mayBeWritten refuses what cannot be written, and what may not be replaced.
func (t target) mayBeWritten(path string, o Options) error {
	switch {
	case t.ofDatabase():
		return &fs.PathError{Op: "write", Path: path, Err: ErrOfDatabase}
	case t.info == nil:
		return nil
	case t.replaces() && !o.Replace:
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	case t.info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case t.info.Mode()&fs.ModeSocket != 0:
		return fmt.Errorf("%s is a socket, into which files cannot be written", path)
	}
	return nil
}

// replaces reports whether writing loses what was there.
func (t target) replaces() bool {
	mode := t.info.Mode()
	block := mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
	return block || mode.IsDir() || !t.into
}

// writeInto writes into what is there.
func (t target) writeInto(ctx context.Context, write func(io.Writer) error) error {
	flag := os.O_WRONLY
	if t.info.Mode().IsRegular() {
		flag |= os.O_APPEND
	}
	file, err := interrupt.Open(ctx, t.path, flag, 0)
	if err != nil {
		return err
	}
	if now, err := file.Stat(); err != nil || !os.SameFile(t.info, now) {
		return errors.Join(fmt.Errorf("%s was replaced meanwhile", t.path), err, file.Close())
	}
	return errors.Join(write(interrupt.Writer(ctx, file)), file.Close())
}

// replace writes a new file next to the target and renames it.
func (t target) replace(path string, o Options, write func(io.Writer) error) (err error) {
	dir, _ := folderOf(t.path)
	temp, err := os.CreateTemp(dir, ".lightning-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	mode := fs.FileMode(0o600) // whatever the umask
	if t.info != nil && !o.Private {
		mode = t.info.Mode().Perm()
	}
	if err = temp.Chmod(mode); err == nil {
		err = write(temp)
	}
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := t.unchanged(path, o); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), t.path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// unchanged looks again before the rename: somebody may have made a file or a FIFO of the name while we wrote.
func (t target) unchanged(path string, o Options) error {
	now, err := find(path)
	if err != nil {
		return err
	}
	if now.into || now.path != t.path {
		return fmt.Errorf("%s was replaced meanwhile", path)
	}
	return now.mayBeWritten(path, o)
}

// syncDir makes a rename durable where the system can; the file itself is complete in any case.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Advise says what to do where the name of a file to be written is taken.
func Advise(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return console.Advise(err, "choose another name, or --force to replace it")
	case errors.Is(err, ErrOfDatabase):
		return console.Advise(err, "choose another name")
	}
	return err
}

// Input is Read, or for "-" standard input, which is stdin.
func Input(ctx context.Context, path string, stdin io.Reader) (in io.ReadCloser, size int64, err error) {
	if path == "-" {
		return io.NopCloser(interrupt.Reader(ctx, stdin)), 0, nil
	}
	return Read(ctx, path)
}

// Read opens a file to be read from its beginning, and returns its size in bytes, or 0 if that is not known. The end of
// ctx ends the wait for the other end of a FIFO, and for what it sends.
func Read(ctx context.Context, path string) (in io.ReadCloser, size int64, err error) {
	file, err := interrupt.Open(ctx, path, os.O_RDONLY, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if info.Mode().IsRegular() {
		return file, info.Size(), nil
	}
	return struct {
		io.Reader
		io.Closer
	}{interrupt.Reader(ctx, file), file}, 0, nil
}
