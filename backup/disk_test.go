package backup_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// disk is directories in memory, for restores: its power can be cut, at a change in any of them, and their calls can
// fail. A directory in another one is a file there, with its number: so what a power cut may do to names of files it
// may do to those of directories. It is for one goroutine, but the files in it are not.
type disk struct {
	root    *folder // has the target and what is next to it
	folders []*folder
	trouble trouble
}

// folder is a directory of a disk.
type folder struct {
	name   string // as it was made
	medium *memfs.FS
	calls  *errfs.FS // before medium
}

// trouble is what becomes of a folder of some name: a power cut at change n, or during it, or a fault at call n.
type trouble struct {
	where  string
	n      int
	during bool
	fault  error // nil for a power cut
}

// newDisk is an empty disk with trouble to come.
func newDisk(t trouble) *disk {
	d := &disk{trouble: t}
	d.root = d.folder("/", memfs.New())
	return d
}

// folder adds a folder on a medium.
func (d *disk) folder(name string, medium *memfs.FS) *folder {
	rules := []*errfs.Rule{errfs.On().Call(func(errfs.Op) { d.crashAll() })}
	if t := d.trouble; t.where == name {
		switch {
		case t.fault != nil:
			rules = append(rules, errfs.On().At(t.n).Fail(t.fault))
		case t.during:
			medium.CrashDuring(t.n)
		default:
			medium.CrashAt(t.n)
		}
	}
	f := &folder{name, medium, errfs.New(medium, rules...)}
	d.folders = append(d.folders, f)
	return f
}

// crashed reports whether the power was cut.
func (d *disk) crashed() bool {
	for _, f := range d.folders {
		if f.medium.Crashed() {
			return true
		}
	}
	return false
}

// crashAll ends all folders if one has ended.
func (d *disk) crashAll() {
	if d.crashed() {
		for _, f := range d.folders {
			f.medium.Crash()
		}
	}
}

// faults is how many calls have failed.
func (d *disk) faults() (n int) {
	for _, f := range d.folders {
		n += f.calls.Faults()
	}
	return n
}

// isFolder tells the names of folders from those of files.
func isFolder(name string) bool {
	kind, _ := filename.Parse(name)
	return kind == filename.Unknown && name != manifest.Unfinished
}

// image is what a power cut at this moment may leave, or, without a policy, a kill.
func (d *disk) image(policy *memfs.Policy, seed uint64) *disk {
	img := new(disk)
	img.root = img.copyOf(d, d.root, policy, seed)
	return img
}

// copyOf adds what is left of a folder of another disk, and of all in it.
func (d *disk) copyOf(of *disk, f *folder, policy *memfs.Policy, seed uint64) *folder {
	var left *memfs.FS
	if policy == nil {
		left = f.medium.Kill()
	} else {
		left = f.medium.Image(*policy, seed)
	}
	c := d.folder(f.name, left)
	names, _ := left.List()
	for _, name := range names {
		if !isFolder(name) {
			continue
		}
		child := d.folder
		if n, ok := numberIn(left, name); ok && n < uint64(len(of.folders)) {
			child = func(string, *memfs.FS) *folder { return d.copyOf(of, of.folders[n], policy, seed) }
		}
		made := child(name, memfs.New())
		_ = setNumber(left, name, d.numberOf(made))
	}
	return c
}

func (d *disk) numberOf(f *folder) uint64 {
	for n, other := range d.folders {
		if f == other {
			return uint64(n)
		}
	}
	panic("it is of another disk")
}

// numberIn is the number of a folder in another one; not ok if a power cut has left only its name.
func numberIn(in vfs.FS, name string) (n uint64, ok bool) {
	file, err := in.Open(name)
	if err != nil {
		return 0, false
	}
	defer file.Close()
	text := make([]byte, 9)
	_, _ = file.ReadAt(text, 0)
	return binary.LittleEndian.Uint64(text), text[8] == 'F'
}

// setNumber makes a file of a folder lead to that with number n.
func setNumber(in vfs.FS, name string, n uint64) error {
	file, err := in.OpenReadWrite(name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(binary.LittleEndian.AppendUint64(nil, n), 'F'), 0)
	return errors.Join(err, file.Sync(), file.Close())
}

// at is the folder with a path; nil if there is none.
func (d *disk) at(dir string) *folder {
	if dir == "." || dir == "/" {
		return d.root
	}
	in := d.at(path.Dir(dir))
	if in == nil {
		return nil
	}
	n, ok := numberIn(in.medium, path.Base(dir))
	if !ok || n >= uint64(len(d.folders)) {
		return nil
	}
	return d.folders[n]
}

func notThere(dir string) error { return fmt.Errorf("%s: %w", dir, fs.ErrNotExist) }

// Open is that of target.Disk.
func (d *disk) Open(dir string, create bool) (vfs.FS, error) {
	d.crashAll()
	in := d.at(path.Dir(dir))
	if d.crashed() || in == nil {
		return nil, errors.Join(notThere(dir), memfs.ErrCrashed)
	}
	if d.at(dir) == nil && create {
		if err := d.name(d.folder(path.Base(dir), memfs.New()), in, path.Base(dir)); err != nil {
			return nil, err
		}
	}
	if create {
		if err := in.calls.SyncDir(); err != nil {
			return nil, err
		}
	}
	if f := d.at(dir); f != nil {
		return opened{f.calls}, nil
	}
	return nil, notThere(dir)
}

// name gives a folder a name in another one.
func (d *disk) name(f, in *folder, name string) error {
	file, err := in.calls.Create(name)
	if err == nil {
		err = errors.Join(file.Close(), setNumber(in.medium, name, d.numberOf(f)))
	}
	return err
}

// List is that of target.Disk.
func (d *disk) List(dir string) ([]string, error) {
	if f := d.at(dir); f != nil {
		return f.calls.List()
	}
	return nil, notThere(dir)
}

// Rename is that of target.Disk.
func (d *disk) Rename(from, to string) error {
	if err := d.name(d.at(from), d.at(path.Dir(to)), path.Base(to)); err != nil {
		return err
	}
	return d.at(path.Dir(from)).medium.Remove(path.Base(from))
}

// Remove is that of target.Disk.
func (d *disk) Remove(dir string) error {
	names, err := d.List(dir)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s: %w", dir, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	return d.at(path.Dir(dir)).calls.Remove(path.Base(dir))
}

// Sync is that of target.Disk.
func (d *disk) Sync(dir string) error { return d.at(dir).calls.SyncDir() }

// opened is a folder that outlives whoever has opened it.
type opened struct{ vfs.FS }

// Close is that of vfs.FS.
func (opened) Close() error { return nil }

// verify is what a restore does with a directory of the system.
func (d *disk) verify(ctx context.Context, dir string, progress func(done, total int64)) error {
	in, err := d.Open(dir, false)
	if err != nil {
		return err
	}
	e, err := engine.Open(engine.Options{FS: in, MustExist: true, ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(e.Verify(ctx, progress), e.Close())
}

// content is everything in the database in a directory; nil if there is nothing.
func (d *disk) content(t *testing.T, dir string) map[string]string {
	t.Helper()
	f := d.at(dir)
	if f == nil {
		return nil
	}
	if names, err := f.medium.List(); err != nil || len(names) == 0 {
		return nil
	}
	e, err := engine.Open(engine.Options{FS: f.medium.Image(memfs.All, 0), MustExist: true, ReadOnly: true, Manual: true})
	if err != nil {
		t.Errorf("the target is there, and no database: %v", err)
		return nil
	}
	defer e.Close()
	it, err := e.NewIterator(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	all := make(map[string]string)
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[string(it.Key())] = string(v)
	}
	if it.Err() != nil {
		t.Error(it.Err())
	}
	return all
}
