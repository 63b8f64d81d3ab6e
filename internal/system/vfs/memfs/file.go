package memfs

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
)

// sectorSize is the size in bytes of what a medium writes as a whole or not at all.
const sectorSize = 512

// inode is a file without its names.
type inode struct {
	fs      *FS
	id      uint64 // seeds the fate of its sectors
	links   int    // how many names it has; guarded by fs.mu
	handles int    // how many open files it has; guarded by fs.mu
	writers int    // holders of the exclusive lock, 0 or 1; guarded by fs.mu
	readers int    // holders of the shared lock; guarded by fs.mu

	mu      sync.RWMutex
	now     content // what readers see
	durable content // what the last sync made durable; unused without a history
	pending []write // the writes since the last sync, oldest first
	lost    bool    // some write will never become durable, see DropUnsynced
}

// write is a write or an allocation that is not durable. It is immutable, so that images may share it.
type write struct {
	op       int    // the number of the change
	off, end int64  // the bytes that it wrote
	size     int64  // the size of the file after it
	first    int64  // the offset of the first sector in after
	after    []byte // whole sectors as they were after it; nil if they are all zeros
}

// sectors calls do with the offset of every sector that the write touched, and its content after the write.
func (w *write) sectors(do func(at int64, after []byte)) {
	for at := w.first; at < w.end; at += sectorSize {
		after := zeroSector[:]
		if w.after != nil {
			after = w.after[at-w.first : at-w.first+sectorSize]
		}
		do(at, after)
	}
}

// zeroSector is never written to.
var zeroSector [sectorSize]byte

// releaseLocked frees the space of a file that has neither a name nor a handle any more. It needs fs.mu.
func (n *inode) releaseLocked() {
	if n.links > 0 || n.handles > 0 {
		return
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	n.fs.used.Add(-n.now.size)
}

// file is an open file.
type file struct {
	inode  *inode
	name   string // the name under which the file was opened
	write  bool
	closed atomic.Bool
}

func (f *file) check(op string) error {
	if f.inode.fs.crashed.Load() {
		return ErrCrashed
	}
	if f.closed.Load() {
		return pathError(op, f.name, fs.ErrClosed)
	}
	return nil
}

func (f *file) checkChange(op string, off int64) error {
	if err := f.check(op); err != nil {
		return err
	}
	if !f.write {
		return pathError(op, f.name, fmt.Errorf("file is open read-only: %w", fs.ErrPermission))
	}
	if off < 0 {
		return pathError(op, f.name, fs.ErrInvalid)
	}
	return nil
}

// lockChange excludes other changes: of the whole directory if it has a history, and otherwise only of this file. It
// returns the capacity of the directory.
func (f *file) lockChange() (capacity int64) {
	d, n := f.inode.fs, f.inode
	if d.volatile {
		d.mu.RLock()
		capacity = d.capacity
		d.mu.RUnlock()
	} else {
		d.mu.Lock()
		capacity = d.capacity
	}
	n.mu.Lock()
	return capacity
}

func (f *file) unlockChange() {
	f.inode.mu.Unlock()
	if !f.inode.fs.volatile {
		f.inode.fs.mu.Unlock()
	}
}

// beginLocked numbers a change; see FS.beginLocked. Without a history nothing is numbered.
func (f *file) beginLocked() (apply bool, crash error) {
	if f.inode.fs.volatile {
		return true, nil
	}
	return f.inode.fs.beginLocked()
}

func (f *file) Close() error {
	if err := f.check("close"); err != nil {
		return err
	}
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	d := f.inode.fs
	d.mu.Lock()
	defer d.mu.Unlock()
	f.inode.handles--
	f.inode.releaseLocked()
	return nil
}

func (f *file) Size() (int64, error) {
	if err := f.check("size"); err != nil {
		return 0, err
	}
	f.inode.mu.RLock()
	defer f.inode.mu.RUnlock()
	return f.inode.now.size, nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, fs.ErrInvalid)
	}
	n := f.inode
	n.mu.RLock()
	defer n.mu.RUnlock()
	got := int(max(0, min(int64(len(p)), n.now.size-off)))
	n.now.readAt(p[:got], off)
	if got < len(p) {
		return got, io.EOF
	}
	return got, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.checkChange("write", off); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	capacity := f.lockChange()
	defer f.unlockChange()
	n := f.inode
	fits := n.reserve(off+int64(len(p)), capacity)
	kept := p[:max(0, min(int64(len(p)), fits-off))]
	if len(kept) == 0 {
		n.release(fits)
		return 0, noSpaceError("write", f.name)
	}
	apply, crash := f.beginLocked()
	if apply {
		n.write(kept, off)
	} else {
		n.release(fits)
	}
	if crash != nil {
		return 0, crash
	}
	if len(kept) < len(p) {
		return len(kept), noSpaceError("write", f.name)
	}
	return len(p), nil
}

// reserve takes the space to extend the file to end, and returns how far it has got, which is at least the size.
func (n *inode) reserve(end, capacity int64) (fits int64) {
	return n.now.size + n.fs.reserve(max(0, end-n.now.size), capacity)
}

// release frees what reserve took and extending the file has not used.
func (n *inode) release(fits int64) { n.fs.used.Add(n.now.size - fits) }

// write changes what readers see and records the change as not durable.
func (n *inode) write(p []byte, off int64) {
	end := off + int64(len(p))
	n.now.writeAt(p, off)
	n.now.size = max(n.now.size, end)
	if n.fs.volatile {
		return
	}
	w := write{op: n.fs.ops, off: off, end: end, size: n.now.size, first: off / sectorSize * sectorSize}
	w.after = make([]byte, roundUp(end, sectorSize)-w.first)
	n.now.readAt(w.after, w.first)
	n.pending = append(n.pending, w)
}

// StoreAt is WriteAt: a power cut treats both alike.
func (f *file) StoreAt(p []byte, off int64) (int, error) { return f.WriteAt(p, off) }

// WriteOut changes nothing: a power cut may leave any part of what was not synced, written out or not.
func (f *file) WriteOut(off, _ int64) error { return f.checkChange("write out", off) }

// Allocate stores nothing: bytes that were never written are zero anyway. But the space counts from now on.
func (f *file) Allocate(size int64) error {
	if err := f.checkChange("allocate", size); err != nil {
		return err
	}
	capacity := f.lockChange()
	defer f.unlockChange()
	n := f.inode
	if size <= n.now.size {
		return nil
	}
	fits := n.reserve(size, capacity)
	if fits == n.now.size {
		return noSpaceError("allocate", f.name)
	}
	apply, crash := f.beginLocked()
	if apply {
		n.extend(fits)
	} else {
		n.release(fits)
	}
	if crash == nil && fits < size {
		return noSpaceError("allocate", f.name)
	}
	return crash
}

// extend makes the file longer. The sector in which it ended already has zeros behind the end.
func (n *inode) extend(size int64) {
	off := n.now.size
	n.now.size = size
	if n.fs.volatile {
		return
	}
	first := min(roundUp(off, sectorSize), size)
	n.pending = append(n.pending, write{op: n.fs.ops, off: off, end: size, size: size, first: first})
}

func (f *file) Sync() error {
	if err := f.check("sync"); err != nil {
		return err
	}
	f.lockChange()
	defer f.unlockChange()
	_, crash := f.beginLocked()
	if crash == nil && !f.inode.fs.volatile {
		f.inode.makeDurable()
	}
	return crash
}

func (n *inode) makeDurable() {
	if !n.lost {
		if len(n.pending) > 0 {
			n.durable = n.now.clone()
			n.pending = nil
		}
		return
	}
	for i := range n.pending {
		n.pending[i].sectors(func(at int64, after []byte) { n.durable.writeAt(after, at) })
	}
	n.durable.size = n.now.size
	n.pending = nil
}

// DropUnsynced does what Linux does when a sync fails: the pages that were not written are marked clean. Readers
// still see their contents, and the length stays, but no later sync makes them durable. A crash shows the sectors as
// they were before, or zeros where the file was shorter, unless they have been written again.
func (f *file) DropUnsynced() error {
	if err := f.check("drop"); err != nil {
		return err
	}
	if f.inode.fs.volatile {
		return nil
	}
	f.lockChange()
	defer f.unlockChange()
	n := f.inode
	if len(n.pending) > 0 {
		n.lost = true
		last := n.pending[len(n.pending)-1]
		n.pending = []write{{op: last.op, off: last.size, end: last.size, size: last.size, first: last.size}}
	}
	return nil
}

// SyncAsOf makes durable what the first ops changes of the directory did to the file, and nothing later. It is the
// end of a Sync that began when Ops was that number, while other changes went on.
func (f *file) SyncAsOf(ops int) error {
	if err := f.check("sync"); err != nil {
		return err
	}
	f.lockChange()
	defer f.unlockChange()
	if _, crash := f.beginLocked(); crash != nil || f.inode.fs.volatile {
		return crash
	}
	f.inode.makeDurableAsOf(ops)
	return nil
}

func (n *inode) makeDurableAsOf(ops int) {
	for len(n.pending) > 0 && n.pending[0].op <= ops {
		w := &n.pending[0]
		w.sectors(func(at int64, after []byte) { n.durable.writeAt(after, at) })
		n.durable.size = w.size
		n.pending = n.pending[1:]
	}
}
