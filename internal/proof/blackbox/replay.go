package blackbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Moment is the directory after one recorded call that changed it.
type Moment struct {
	FS     *memfs.FS
	Line   int    // calls so far
	Call   string // the last of them
	Acked  int    // the last step whose acknowledgement had begun to be written
	Opened bool   // the driver had said that the store is open
	// Rooted reports that the name of the directory itself is durable.
	Rooted bool
}

// Replay performs the calls of a trace on an empty directory that stands for dir, and calls do after each that changed
// it or that acknowledged a step. It refuses a trace with a call that it cannot follow.
//
// A write takes effect at its end, a sync at its end too, but for what had been done at its beginning. An
// acknowledgement counts from its beginning, because then the store has returned.
func Replay(trace io.Reader, dir string, do func(Moment) error) error {
	return ReadTrace(trace, newReplay(dir, do).call)
}

func newReplay(dir string, do func(Moment) error) *replay {
	return &replay{dir: filepath.Clean(dir), fs: memfs.New(), files: make(map[int64]*openFile),
		began: make(map[int]int), rooted: true, do: do}
}

type replay struct {
	dir   string
	fs    *memfs.FS
	files map[int64]*openFile // by descriptor
	began map[int]int         // by thread: the changes made when its sync began
	do    func(Moment) error
	tree  *Tree // nil but for ReplayTree

	lines  int
	acked  int
	opened bool
	rooted bool
}

// openFile is the file that a descriptor leads to. Copies of a descriptor share it.
type openFile struct {
	path string
	file vfs.File // nil for everything but a file of the directory
	at   int64    // where write writes

	node   *node // of the tree; nil if it is not there
	treeAt int   // where write writes in it
}

// ignored is a file without content that matters, which may shrink.
const ignored = "LOCK"

func (r *replay) call(c *Call) error {
	r.lines++
	if c.Begins {
		if err := r.begin(c); err != nil {
			return err
		}
	}
	if !c.Ends || c.Result < 0 {
		return nil
	}
	changed, err := r.end(c)
	if err == nil && r.tree != nil {
		inTree := false
		inTree, err = r.tree.end(r, c)
		changed = changed || inTree
	}
	if err != nil || !changed {
		return err
	}
	return r.show(c)
}

func (r *replay) show(c *Call) error {
	return r.do(Moment{FS: r.fs, Line: r.lines, Call: c.Name, Acked: r.acked, Opened: r.opened, Rooted: r.rooted})
}

func (r *replay) begin(c *Call) error {
	if r.tree != nil {
		r.tree.begin(r, c)
	}
	switch c.Name {
	case "close":
		fd, err := c.number(0)
		delete(r.files, fd) // the number may be given out again before the call ends
		return err
	case "fsync", "fdatasync", "syncfs", "sync":
		r.began[c.Thread] = r.fs.Ops()
	case "write":
		fd, err := c.number(0)
		if err != nil || fd != 1 {
			return err
		}
		said, err := c.text(1)
		if err != nil {
			return err
		}
		return r.acknowledge(c, string(said))
	}
	return nil
}

func (r *replay) acknowledge(c *Call, said string) error {
	answer, ok := strings.CutPrefix(strings.TrimSpace(said), "ok ")
	if !ok {
		return nil
	}
	if answer == "open" {
		r.opened = true
	} else if n, err := strconv.Atoi(answer); err != nil || n <= r.acked {
		return fmt.Errorf("acknowledgement %q after %d", answer, r.acked)
	} else {
		r.acked = n
	}
	return r.show(c)
}

// end performs a call that succeeded.
func (r *replay) end(c *Call) (changed bool, err error) {
	switch c.Name {
	case "open":
		return r.open(c, "AT_FDCWD", 0)
	case "creat":
		c.Args = append(c.Args[:1:1], "O_WRONLY|O_CREAT|O_TRUNC")
		return r.open(c, "AT_FDCWD", 0)
	case "openat":
		return r.open(c, c.Args[0], 1)
	case "dup", "dup2", "dup3":
		return false, r.copy(c)
	case "fcntl":
		if c.has(1, "F_DUPFD") {
			return false, r.copy(c)
		}
		return false, nil
	case "write", "pwrite64":
		return r.write(c)
	case "fallocate":
		return r.allocate(c)
	case "ftruncate":
		return r.truncate(c)
	case "fsync", "fdatasync":
		return r.sync(c)
	case "rename":
		return r.rename(c, "AT_FDCWD", 0, "AT_FDCWD", 1)
	case "renameat", "renameat2":
		return r.rename(c, c.Args[0], 1, c.Args[2], 3)
	case "unlink":
		return r.remove(c, "AT_FDCWD", 0)
	case "unlinkat":
		return r.remove(c, c.Args[0], 1)
	case "mkdir":
		return r.mkdir(c, "AT_FDCWD", 0)
	case "mkdirat":
		return r.mkdir(c, c.Args[0], 1)
	}
	return false, r.refuse(c)
}

// refuse fails for a call that may have changed the directory in a way that is not understood.
func (r *replay) refuse(c *Call) error {
	touches := false
	switch c.Name {
	case "mmap":
		f := r.descriptor(c, 4)
		touches = f != nil && f.file != nil && c.has(2, "PROT_WRITE") && c.has(3, "MAP_SHARED")
	case "writev", "pwritev", "pwritev2", "lseek":
		f := r.descriptor(c, 0)
		touches = f != nil && f.file != nil
	case "copy_file_range", "splice", "sendfile":
		for i := range c.Args {
			f := r.descriptor(c, i)
			touches = touches || f != nil && f.file != nil
		}
	case "close", "fork", "vfork", "sync", "syncfs": // a sync too many makes less durable here than there
	case "linkat":
		touches = r.tree == nil
	case "truncate", "link", "symlink", "symlinkat", "openat2", "io_uring_setup":
		touches = true
	}
	if touches {
		return fmt.Errorf("%s: cannot follow this call", c.Name)
	}
	return nil
}

// descriptor is the open file that argument i leads to, nil if it is none of interest.
func (r *replay) descriptor(c *Call, i int) *openFile {
	fd, err := c.number(i)
	if err != nil {
		return nil
	}
	return r.files[fd]
}

// resolve is the path that a call names by a directory descriptor and argument i.
func (r *replay) resolve(c *Call, at string, i int) (string, error) {
	name, err := c.text(i)
	if err != nil || filepath.IsAbs(string(name)) {
		return filepath.Clean(string(name)), err
	}
	fd, err := strconv.ParseInt(at, 0, 64)
	if err != nil { // AT_FDCWD: drivers are given absolute paths
		return string(name), nil
	}
	f := r.files[fd]
	if f == nil {
		return string(name), nil
	}
	return filepath.Join(f.path, string(name)), nil
}

// inside is the name of a path in the directory.
func (r *replay) inside(path string) (name string, ok bool) {
	return filepath.Base(path), filepath.Dir(path) == r.dir
}

func (r *replay) open(c *Call, at string, i int) (changed bool, err error) {
	path, err := r.resolve(c, at, i)
	if err != nil {
		return false, err
	}
	f := &openFile{path: path}
	r.files[c.Result] = f
	name, ok := r.inside(path)
	if !ok {
		return false, nil
	}
	if c.has(i+1, "O_APPEND") {
		return false, errors.New("cannot follow O_APPEND")
	}
	f.file, err = r.fs.OpenReadWrite(name)
	switch {
	case vfs.IsNotExist(err) && c.has(i+1, "O_CREAT"):
		f.file, err = r.fs.Create(name)
		return true, err
	case err != nil:
		return false, err
	case c.has(i+1, "O_TRUNC"):
		if size, err := f.file.Size(); err != nil || size > 0 {
			return false, errors.Join(errors.New("cannot follow O_TRUNC of a file with content"), err)
		}
	}
	return false, nil
}

func (r *replay) copy(c *Call) error {
	if f := r.descriptor(c, 0); f != nil {
		r.files[c.Result] = f
	} else {
		delete(r.files, c.Result)
	}
	return nil
}

func (r *replay) write(c *Call) (changed bool, err error) {
	f := r.descriptor(c, 0)
	if f == nil || f.file == nil || filepath.Base(f.path) == ignored || c.Result == 0 {
		return false, nil
	}
	data, err := c.text(1)
	if err != nil {
		return false, err
	}
	if int64(len(data)) < c.Result {
		return false, fmt.Errorf("%d bytes recorded of %d", len(data), c.Result)
	}
	off := f.at
	if c.Name == "pwrite64" {
		if off, err = c.number(3); err != nil {
			return false, err
		}
	} else {
		f.at += c.Result
	}
	_, err = f.file.WriteAt(data[:c.Result], off)
	return true, err
}

func (r *replay) allocate(c *Call) (changed bool, err error) {
	f := r.descriptor(c, 0)
	if f == nil || f.file == nil {
		return false, nil
	}
	if mode, err := c.number(1); err != nil || mode != 0 {
		return false, errors.Join(errors.New("cannot follow this fallocate"), err)
	}
	off, err := c.number(2)
	if err != nil {
		return false, err
	}
	n, err := c.number(3)
	if err != nil {
		return false, err
	}
	return true, f.file.Allocate(off + n)
}

func (r *replay) truncate(c *Call) (changed bool, err error) {
	f := r.descriptor(c, 0)
	if f == nil || f.file == nil || filepath.Base(f.path) == ignored {
		return false, nil
	}
	n, err := c.number(1)
	if err != nil {
		return false, err
	}
	size, err := f.file.Size()
	if err != nil {
		return false, err
	}
	if n < size {
		return false, errors.New("cannot follow a file that shrinks")
	}
	return true, f.file.Allocate(n)
}

func (r *replay) sync(c *Call) (changed bool, err error) {
	f := r.descriptor(c, 0)
	if f == nil {
		return false, nil
	}
	switch asOf := r.began[c.Thread]; {
	case f.path == r.dir:
		return true, r.fs.SyncDirAsOf(asOf)
	case f.path == filepath.Dir(r.dir):
		r.rooted = true
	case f.file != nil:
		return true, f.file.(interface{ SyncAsOf(int) error }).SyncAsOf(asOf)
	}
	return false, nil
}

func (r *replay) rename(c *Call, oldAt string, old int, newAt string, new int) (changed bool, err error) {
	from, err := r.resolve(c, oldAt, old)
	if err != nil {
		return false, err
	}
	to, err := r.resolve(c, newAt, new)
	if err != nil {
		return false, err
	}
	oldName, inFrom := r.inside(from)
	newName, inTo := r.inside(to)
	if inFrom != inTo || from == r.dir || to == r.dir {
		return false, errors.New("cannot follow a renaming into or out of the directory")
	}
	if !inFrom {
		return false, nil
	}
	return true, r.fs.Rename(oldName, newName)
}

func (r *replay) remove(c *Call, at string, i int) (changed bool, err error) {
	path, err := r.resolve(c, at, i)
	if err != nil {
		return false, err
	}
	name, ok := r.inside(path)
	if !ok {
		return false, nil
	}
	return true, r.fs.Remove(name)
}

func (r *replay) mkdir(c *Call, at string, i int) (changed bool, err error) {
	path, err := r.resolve(c, at, i)
	if err != nil {
		return false, err
	}
	if path == r.dir {
		r.rooted = false
	}
	if _, ok := r.inside(path); ok {
		return false, errors.New("cannot follow directories in the directory")
	}
	return false, nil
}

// equalFiles compares an image with a real directory, the ignored file left out. It shows that Replay followed the
// trace to its end.
func equalFiles(img vfs.FS, dir vfs.FS) error {
	a, err := img.List()
	if err != nil {
		return err
	}
	b, err := dir.List()
	if err != nil {
		return err
	}
	if fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("files %v, in the directory %v", a, b)
	}
	for _, name := range a {
		if name == ignored {
			continue
		}
		x, err := readAll(img, name)
		if err != nil {
			return err
		}
		y, err := readAll(dir, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(x, y) {
			return fmt.Errorf("%s: %d bytes, in the directory %d others", name, len(x), len(y))
		}
	}
	return nil
}

func readAll(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	data := make([]byte, size)
	if size > 0 {
		_, err = f.ReadAt(data, 0)
	}
	return data, errors.Join(err, f.Close())
}
