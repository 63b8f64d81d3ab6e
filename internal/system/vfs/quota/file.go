package quota

import (
	"sync/atomic"

	"lightningdb/internal/system/vfs"
)

// file is an open file that counts.
type file struct {
	vfs.File
	fs     *FS
	node   *node
	closed atomic.Bool
}

// WriteAt implements vfs.File. What would pass the limit is refused before anything is written.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.growing(off+int64(len(p)), func() (err error) {
		n, err = f.File.WriteAt(p, off)
		return err
	})
	return n, err
}

// StoreAt implements vfs.File.
func (f *file) StoreAt(p []byte, off int64) (n int, err error) {
	if off+int64(len(p)) <= f.node.size.Load() { // the log: it is allocated ahead
		given := f.fs.given.Load()
		n, err = f.File.StoreAt(p, off)
		if f.fs.again(err, given) {
			n, err = f.File.StoreAt(p, off)
		}
		return n, err
	}
	err = f.growing(off+int64(len(p)), func() (err error) {
		n, err = f.File.StoreAt(p, off)
		return err
	})
	return n, err
}

// Allocate implements vfs.File.
func (f *file) Allocate(size int64) error {
	return f.growing(size, func() error { return f.File.Allocate(size) })
}

// growing makes a call that may make the file as long as end, and makes it again if there was no space and the reserve
// has some.
func (f *file) growing(end int64, call func() error) error {
	return f.fs.twice(func() error { return f.grow(end, call) })
}

// grow counts the file as long as end before the call, and as long as it is after one that failed.
func (f *file) grow(end int64, call func() error) error {
	n := f.node
	if end <= n.size.Load() {
		return call()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.size.Load()
	if end <= before {
		return call()
	}
	if !f.fs.take(end - before) {
		return ErrLimit
	}
	n.size.Store(end)
	err := call()
	if err == nil {
		return nil
	}
	if size, sizeErr := f.File.Size(); sizeErr == nil && size < end { // otherwise it counts as what it may have become
		n.size.Store(size)
		f.fs.give(end - size)
	}
	return err
}

// Close implements vfs.File.
func (f *file) Close() error {
	err := f.File.Close()
	if !f.closed.Swap(true) {
		f.fs.release(f.node)
	}
	return err
}
