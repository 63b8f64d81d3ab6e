package vfs

import (
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// windowBytes is how much of a file is mapped at a time; it counts as memory of the process. maxStoredBytes is the
// most that is stored at once: for more than that a system call costs little compared with the copying. It also fits
// any window.
const (
	windowBytes    = 2 << 20
	maxStoredBytes = 64 << 10
)

// writeThrough makes every StoreAt of this process a WriteAt; see WriteThrough.
var writeThrough atomic.Bool

// WriteThrough makes every StoreAt of the process a WriteAt from now on. It is for programs whose writes are
// observed as system calls, because stores into a mapping cannot be seen there.
func WriteThrough() { writeThrough.Store(true) }

// window is the mapped part of a file, through which StoreAt writes. It moves forward with what is stored.
//
// # What could go wrong with a mapping, and what is done about it
//
//   - A full disk: where a write would be refused, a store into a hole, or into blocks that must be copied first, is
//     killed by a signal. So a range is mapped only if Allocate has written it, and only on file systems that write
//     in place.
//   - A device that fails, a file that somebody truncates, or a disk that is full while the blocks are shared with a
//     copy of the file: the signal becomes an error of store. It is not known what has arrived, and a write in its
//     place decides.
//   - A sync: it finds what was stored just like what was written. But it makes the pages read-only again, and may
//     write much around the few bytes that were stored. So what is synced at once should be written.
type window struct {
	mu       sync.Mutex // held while bytes are copied
	memory   []byte     // nil if nothing is mapped
	at       int64      // where memory begins in the file
	allowed  int64      // every byte below has a block
	checked  bool       // it has been found out whether the file system may be mapped
	disabled bool       // it may not, or the file is closed, or mapping has failed
}

// allow says that every byte below size has a block of its own.
func (w *window) allow(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = size
}

// end returns what allow was last told.
func (w *window) end() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.allowed
}

// store copies p into the file at off if it can; otherwise it reports false.
func (w *window) store(f *os.File, p []byte, off int64) (stored bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := off + int64(len(p))
	if w.disabled || off < 0 || len(p) == 0 || len(p) > maxStoredBytes || end > w.allowed {
		return false, nil
	}
	if (off < w.at || end > w.at+int64(len(w.memory))) && !w.slide(f, off) {
		return false, nil
	}
	if err := copyGuarded(w.memory[off-w.at:], p); err != nil {
		w.unmap()
		w.disabled = true
		return false, pathError("store", f.Name(), err)
	}
	return true, nil
}

// slide maps the part of f that begins with the page of off. If it fails, f is not mapped any more.
func (w *window) slide(f *os.File, off int64) bool {
	w.unmap()
	if !w.checked {
		w.checked, w.disabled = true, writeThrough.Load() || !writesInPlace(f)
	}
	if w.disabled {
		return false
	}
	page := int64(unix.Getpagesize())
	w.at = off / page * page
	length := int(min(windowBytes, w.allowed-w.at))
	err := withDescriptor(f, func(fd int) (err error) {
		w.memory, err = unix.Mmap(fd, w.at, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	w.disabled = err != nil
	return err == nil
}

func (w *window) unmap() {
	if w.memory != nil {
		_ = unix.Munmap(w.memory) // it cannot fail for a whole mapping
		w.memory = nil
	}
}

func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unmap()
	w.disabled = true
}

// writesInPlace reports whether f lies on a file system that is known to write a block again where it was written
// before.
func writesInPlace(f *os.File) bool {
	switch fileSystem(f) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// copyGuarded copies src to dst, a piece of a mapping. A fault becomes an error.
func copyGuarded(dst, src []byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = &wrapped{"the mapped file could not be reached", unix.EIO}
		}
	}()
	copy(dst, src)
	return nil
}
