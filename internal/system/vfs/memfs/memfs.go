// Package memfs is a directory in memory that can crash: it knows what has been made durable and what has not, and
// builds the directories that a power cut may leave behind. It is also the medium of databases that live in memory
// only (NewVolatile), without that knowledge and its cost.
//
// # What may be left after a power cut
//
// Everything covered by a completed sync is kept: of a file, its contents and length (File.Sync); of the directory,
// its names (SyncDir). Neither covers the other. Of what came later, any part may be there:
//
//   - Contents are kept or lost in sectors of 512 bytes. A sector that was written and not synced holds what it held
//     at the last sync, or what it held after any write to it since, or zeros in place of all bytes written to it
//     since. If the file did not reach it at the last sync, it may also hold garbage, even what a removed file held.
//   - The length is that of the last sync, or any that the file has had since. Within a write that extends the file,
//     it may also be every multiple of a sector. Contents without length are lost; length without contents shows
//     zeros or garbage.
//   - Each creation, removal and renaming is there or not, whatever the others do. After a renaming the file may
//     also be there under both names. A name that existed is never absent because something was renamed over it.
//
// One liberty of real disks is left out: a write to some sectors never loses others that share a block with them.
//
// # Numbering
//
// Calls that change something (creations, writes, allocations, syncs, renamings, removals, directory syncs, and a
// Lock that creates the lock file) are numbered from 0 in the order in which they take effect. Calls that fail or
// have nothing to do (an empty write, an allocation below the size) have no number.
//
// # Concurrency
//
// Everything is safe for concurrent use. Reads of a file exclude only writes to the same file. With a history,
// changes exclude each other; without, only changes to the same file do. Lock order: FS.mu, then inode.mu.
package memfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"lightningdb/internal/system/vfs"
)

// ErrCrashed is the error of every call on a crashed directory and on its files: the process is dead.
var ErrCrashed = errors.New("the machine has crashed")

// FS is one directory. The zero value is not usable; see New and NewVolatile.
type FS struct {
	volatile bool // it keeps no history; set once

	crashed atomic.Bool
	used    atomic.Int64 // the sum of the sizes of files that have a name or are open, in bytes

	mu       sync.RWMutex
	closed   bool
	capacity int64 // in bytes; negative means unlimited
	names    map[string]*inode

	// History. What is not durable of a file's contents is in its inode.
	ops      int               // the number of changes so far
	crashAt  int               // the number of the change that crashes; negative means never
	inFlight bool              // the crashing change is under way: it may or may not reach the medium
	durable  map[string]*inode // the names as of the last SyncDir
	changes  []nameChange      // the changes since the last SyncDir, oldest first
	trash    []*content        // the contents of the last removed files: newly allocated sectors may show them
	nextID   uint64            // the id of the last inode
}

// maxTrashFiles bounds how many removed files have contents that images may show.
const maxTrashFiles = 4

// New returns an empty directory with a history.
func New() *FS {
	f := newFS()
	f.durable = make(map[string]*inode)
	return f
}

// NewVolatile returns an empty directory without a history. It cannot crash, and memory is freed when files are
// overwritten or removed.
func NewVolatile() *FS {
	f := newFS()
	f.volatile = true
	return f
}

func newFS() *FS {
	return &FS{capacity: -1, crashAt: -1, names: make(map[string]*inode)}
}

// SetCapacity limits the sum of all file sizes to the given number of bytes. A negative number means no limit, which
// is the default. A write that does not fit is cut short and fails with vfs.ErrNoSpace. The space of a removed file
// is free when its last handle is closed.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Ops is the number of changes so far, and thus the number of the next one.
func (f *FS) Ops() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ops
}

// CrashAt makes change n (see the package comment) and every later call of any kind fail with ErrCrashed and do
// nothing. If change n has been made already, the next change takes its place. A negative n means never.
func (f *FS) CrashAt(n int) { f.setCrash(n, false) }

// CrashDuring is like CrashAt, but change n is under way when the machine crashes: its caller gets ErrCrashed, yet
// images may show it. A sync that is under way makes nothing durable.
func (f *FS) CrashDuring(n int) { f.setCrash(n, true) }

func (f *FS) setCrash(n int, inFlight bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n >= 0 {
		n = max(n, f.ops) // others may have made changes since n was chosen
	}
	f.crashAt, f.inFlight = n, inFlight
}

// Crash makes every call from now on fail with ErrCrashed.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed.Store(true)
}

// Crashed reports whether the machine has crashed.
func (f *FS) Crashed() bool { return f.crashed.Load() }

// Path implements vfs.FS.
func (f *FS) Path() string { return "(memory)" }

// Close implements vfs.FS. Kill reopens the directory.
func (f *FS) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkLocked("close", f.Path()); err != nil {
		return err
	}
	f.closed = true
	return nil
}

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkNameLocked("create", name); err != nil {
		return nil, err
	}
	if f.names[name] != nil {
		return nil, pathError("create", name, fs.ErrExist)
	}
	if err := f.createLocked(name); err != nil {
		return nil, err
	}
	return f.openLocked(name, true), nil
}

func (f *FS) createLocked(name string) error {
	apply, crash := f.beginLocked()
	if apply {
		f.nextID++
		n := &inode{fs: f, id: f.nextID, links: 1}
		n.now.owner, n.durable.owner = new(owner), new(owner)
		f.names[name] = n
		f.changeLocked(nameChange{kind: created, name: name, inode: n})
	}
	return crash
}

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) { return f.open(name, false) }

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string) (vfs.File, error) { return f.open(name, true) }

func (f *FS) open(name string, write bool) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkNameLocked("open", name); err != nil {
		return nil, err
	}
	if f.names[name] == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return f.openLocked(name, write), nil
}

func (f *FS) openLocked(name string, write bool) *file {
	n := f.names[name]
	n.handles++
	return &file{inode: n, name: name, write: write}
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkNameLocked("remove", name); err != nil {
		return err
	}
	n := f.names[name]
	if n == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	apply, crash := f.beginLocked()
	if apply {
		delete(f.names, name)
		f.unlinkLocked(n)
		f.changeLocked(nameChange{kind: removed, name: name})
	}
	return crash
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldName, newName string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(f.checkNameLocked("rename", oldName), f.checkNameLocked("rename", newName)); err != nil {
		return err
	}
	n := f.names[oldName]
	if n == nil {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	replaced := f.names[newName]
	if replaced == n { // as in POSIX; also if a crash has left one file under both names
		return nil
	}
	apply, crash := f.beginLocked()
	if apply {
		delete(f.names, oldName)
		f.names[newName] = n
		if replaced != nil {
			f.unlinkLocked(replaced)
		}
		f.changeLocked(nameChange{kind: renamed, name: newName, oldName: oldName, inode: n})
	}
	return crash
}

// Link implements vfs.FS for a file of another FS that is durable, as what is linked here is before: from then on the
// two can not be told from copies, so it is one.
func (f *FS) Link(from vfs.FS, name string) error {
	source, ok := vfs.Innermost(from).(*FS)
	if !ok || source == f {
		return pathError("link", name, errors.ErrUnsupported)
	}
	linked, err := source.linked(name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkNameLocked("link", name); err != nil {
		return err
	}
	if f.names[name] != nil {
		return pathError("link", name, fs.ErrExist)
	}
	apply, crash := f.beginLocked()
	if apply {
		f.nextID++
		n := &inode{fs: f, id: f.nextID, links: 1, now: linked, durable: linked.clone()}
		f.used.Add(linked.size)
		f.names[name] = n
		f.changeLocked(nameChange{kind: created, name: name, inode: n})
	}
	return crash
}

// linked is the content of the file name, which is durable.
func (f *FS) linked(name string) (content, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.checkNameLocked("link", name); err != nil {
		return content{}, err
	}
	n := f.names[name]
	if n == nil {
		return content{}, pathError("link", name, fs.ErrNotExist)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) > 0 {
		return content{}, pathError("link", name, errors.New("its content is not durable"))
	}
	return n.now.clone(), nil
}

// List implements vfs.FS.
func (f *FS) List() ([]string, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.checkLocked("list", f.Path()); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(f.names)), nil
}

// FileSize implements vfs.FS.
func (f *FS) FileSize(name string) (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.checkNameLocked("stat", name); err != nil {
		return 0, err
	}
	n := f.names[name]
	if n == nil {
		return 0, pathError("stat", name, fs.ErrNotExist)
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.now.size, nil
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkLocked("sync directory", f.Path()); err != nil {
		return err
	}
	_, crash := f.beginLocked()
	if crash == nil && !f.volatile {
		f.durable = maps.Clone(f.names)
		f.changes = nil
	}
	return crash
}

// SyncDirAsOf makes durable what the first ops changes did to the names. It is the end of a SyncDir that began when
// Ops was that number, while other changes went on.
func (f *FS) SyncDirAsOf(ops int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkLocked("sync directory", f.Path()); err != nil {
		return err
	}
	if _, crash := f.beginLocked(); crash != nil || f.volatile {
		return crash
	}
	for len(f.changes) > 0 && f.changes[0].op <= ops {
		f.changes[0].apply(f.durable)
		f.changes = f.changes[1:]
	}
	return nil
}

// ReadsLag implements vfs.FS.
func (f *FS) ReadsLag() bool { return false }

// FreeBytes implements vfs.FS.
func (f *FS) FreeBytes() (uint64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.checkLocked("free space", f.Path()); err != nil {
		return 0, err
	}
	if f.capacity < 0 {
		return math.MaxInt64, nil
	}
	return uint64(max(0, f.capacity-f.used.Load())), nil
}

// Lock implements vfs.FS. Locks end with the process: images have none.
func (f *FS) Lock(name string, mode vfs.LockMode) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkNameLocked("lock", name); err != nil {
		return nil, err
	}
	if f.names[name] == nil {
		if err := f.createLocked(name); err != nil {
			return nil, err
		}
	}
	n := f.names[name]
	if n.writers > 0 || mode == vfs.Exclusive && n.readers > 0 {
		return nil, pathError("lock", name, &vfs.LockedError{Owner: "this process"})
	}
	l := &heldLock{fs: f, holders: &n.writers}
	if mode == vfs.Shared {
		l.holders = &n.readers
	}
	*l.holders++
	return l, nil
}

// heldLock is guarded by fs.mu.
type heldLock struct {
	fs      *FS
	holders *int // the counter that counts it; nil when closed
}

func (l *heldLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.holders == nil {
		return fs.ErrClosed
	}
	*l.holders--
	l.holders = nil
	return nil
}

// checkLocked fails if the directory has crashed or is closed.
func (f *FS) checkLocked(op, name string) error {
	if f.crashed.Load() {
		return ErrCrashed
	}
	if f.closed {
		return pathError(op, name, fs.ErrClosed)
	}
	return nil
}

func (f *FS) checkNameLocked(op, name string) error {
	if err := f.checkLocked(op, name); err != nil {
		return err
	}
	if !vfs.ValidName(name) {
		return pathError(op, name, fs.ErrInvalid)
	}
	return nil
}

// beginLocked numbers a change. apply says whether it takes effect, and crash is what its caller is told. For a
// change that is under way in the crash, both are set.
func (f *FS) beginLocked() (apply bool, crash error) {
	if f.crashed.Load() {
		return false, ErrCrashed
	}
	if !f.volatile && f.ops == f.crashAt {
		f.crashed.Store(true)
		if f.inFlight {
			f.ops++
		}
		return f.inFlight, ErrCrashed
	}
	f.ops++
	return true, nil
}

// unlinkLocked takes one name from n.
func (f *FS) unlinkLocked(n *inode) {
	n.links--
	n.releaseLocked()
	if f.volatile || n.links > 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now.size == 0 {
		return
	}
	old := n.now.clone()
	f.trash = append(f.trash, &old)
	if len(f.trash) > maxTrashFiles {
		f.trash = slices.Clone(f.trash[1:])
	}
}

// reserve takes up to n bytes of space and returns how many it got.
func (f *FS) reserve(n, capacity int64) int64 {
	for {
		used := f.used.Load()
		got := n
		if capacity >= 0 {
			got = min(n, max(0, capacity-used))
		}
		if f.used.CompareAndSwap(used, used+got) {
			return got
		}
	}
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func noSpaceError(op, name string) error {
	return vfs.WrapNoSpace(pathError(op, name, syscall.ENOSPC))
}
