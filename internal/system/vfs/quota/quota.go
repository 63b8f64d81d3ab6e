// Package quota is a directory whose files together never pass a limit, and that keeps a reserve for when the medium
// is full.
//
// It counts the length of each file that it has created, or has found at Count: from its first byte until it has
// neither a name nor an open handle. What would pass the limit is refused like a write to a full disk, so whoever
// survives that needs to know nothing of a limit. What other processes create is not counted.
//
// # The reserve
//
// The reserve is a file of zeros that nobody reads. When a call that needs space finds none, on the medium or under
// the limit, the reserve is removed and the call made once more. Calls are made at a place in a file or with a name, so
// that a second one changes nothing that the first one did. A Sync is not repeated: after one that failed nothing is
// known about what was written before.
//
// The file is made under a name of its own, synced, and renamed: so under its name it is whole. Where the system
// compresses what is written, or copies what is overwritten, its space is worth less than its length.
//
// Lock order: FS.making, then FS.mu, then the mutex of a node. I/O happens under the first and the last only.
package quota

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"lightningdb/internal/system/vfs"
)

// ErrLimit says that something was refused because of the limit, and not of the medium. It matches vfs.ErrNoSpace.
var ErrLimit = fmt.Errorf("%w: its limit is reached", vfs.ErrNoSpace)

// Options configures a quota.
type Options struct {
	Limit        int64         // bytes of all files together
	Reserve      string        // the name of the reserve
	NextReserve  func() string // a name for the next reserve before its rename, which nobody else chooses
	ReserveBytes int64         // its length; at least 1
	OnSpend      func()        // called when it was given back; it must not wait for a call of the directory
}

// FS is a directory under a quota. Its methods are safe for concurrent use.
type FS struct {
	vfs.FS
	opts Options

	used  atomic.Int64 // bytes of all files that count
	bound atomic.Int64 // what used must not pass: the limit, or more while what Count found is more

	full  atomic.Bool  // the medium was full since the reserve was last made
	whole atomic.Bool  // the reserve is there
	given atomic.Int64 // how often it was given back

	making sync.Mutex // held while the reserve is made or removed
	mu     sync.Mutex
	names  map[string]*node
}

// node is a file that counts.
type node struct {
	links, handles int // guarded by FS.mu

	mu   sync.Mutex // held while the file grows
	size atomic.Int64
}

// New returns fs under a quota. Nothing counts before Count, and nothing is refused.
func New(fs vfs.FS, o Options) *FS {
	q := &FS{FS: fs, opts: o, names: make(map[string]*node)}
	q.bound.Store(1 << 62)
	return q
}

// Count counts the files that isOurs names, and begins to hold the limit. Nobody else may change the directory, nor use
// q. What is there may be more than the limit: then it may become longer by the reserve, until it has become less. It
// removes what is left of the making of a reserve.
func (q *FS) Count(isOurs, isNextReserve func(name string) bool) error {
	names, err := q.FS.List()
	if err != nil {
		return fmt.Errorf("count the files of the database: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	reserve := int64(0)
	for _, name := range names {
		if isNextReserve(name) {
			if err := q.FS.Remove(name); err != nil && !vfs.IsNotExist(err) {
				return fmt.Errorf("remove what is left of a reserve: %w", err)
			}
			continue
		}
		if !isOurs(name) || q.names[name] != nil {
			continue
		}
		size, err := q.FS.FileSize(name)
		if err != nil {
			return fmt.Errorf("count the files of the database: %w", err)
		}
		q.names[name] = &node{links: 1}
		q.names[name].size.Store(size)
		q.used.Add(size)
		if name == q.opts.Reserve {
			q.whole.Store(true) // though perhaps not as long as it is to be now: see Make
			reserve = size
		}
	}
	q.bound.Store(max(q.opts.Limit, q.used.Load()-reserve+q.opts.ReserveBytes))
	q.lower()
	return nil
}

// Inner implements vfs.Wrapper.
func (q *FS) Inner() vfs.FS { return q.FS }

// Link implements vfs.FS. A file that has a second name elsewhere would count here while it takes no space, so there
// are none.
func (q *FS) Link(vfs.FS, string) error { return errors.ErrUnsupported }

// Used is the bytes of all files that count.
func (q *FS) Used() int64 { return q.used.Load() }

// Bound is what Used never passes: the limit, but for a directory that had more when it was counted.
func (q *FS) Bound() int64 { return q.bound.Load() }

// lower brings the bound down to the limit when what is there allows it.
func (q *FS) lower() {
	if q.bound.Load() > q.opts.Limit && q.used.Load() <= q.opts.Limit {
		q.bound.Store(q.opts.Limit)
	}
}

// take counts n bytes more, if they do not pass the bound.
func (q *FS) take(n int64) bool {
	if q.used.Add(n) <= q.bound.Load() {
		return true
	}
	q.used.Add(-n)
	return false
}

// give counts n bytes less.
func (q *FS) give(n int64) {
	q.used.Add(-n)
	q.lower()
}

// twice makes a call, and makes it again if there was no space and the reserve has some.
func (q *FS) twice(call func() error) error {
	given := q.given.Load()
	err := call()
	if q.again(err, given) {
		err = call()
	}
	return err
}

// again reports whether a call that met err may be made again, because the reserve was given back since it was the
// given-th time. It notes that the medium is full.
func (q *FS) again(err error, given int64) bool {
	if !errors.Is(err, vfs.ErrNoSpace) {
		return false
	}
	if !errors.Is(err, ErrLimit) {
		q.full.Store(true)
	}
	return q.Spend() || q.given.Load() != given
}

// Create implements vfs.FS.
func (q *FS) Create(name string) (vfs.File, error) {
	var f vfs.File
	err := q.twice(func() (err error) {
		f, err = q.FS.Create(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	n := &node{links: 1, handles: 1}
	q.mu.Lock()
	defer q.mu.Unlock()
	if old := q.names[name]; old != nil { // somebody else has removed it
		q.unlinkLocked(old)
	}
	q.names[name] = n
	return &file{File: f, fs: q, node: n}, nil
}

// Open implements vfs.FS.
func (q *FS) Open(name string) (vfs.File, error) { return q.open(name, q.FS.Open) }

// OpenReadWrite implements vfs.FS.
func (q *FS) OpenReadWrite(name string) (vfs.File, error) { return q.open(name, q.FS.OpenReadWrite) }

func (q *FS) open(name string, open func(string) (vfs.File, error)) (vfs.File, error) {
	q.mu.Lock()
	n := q.names[name]
	if n != nil {
		n.handles++ // before it is opened: its removal meanwhile leaves it counted
	}
	q.mu.Unlock()
	f, err := open(name)
	if n == nil {
		return f, err
	}
	if err != nil {
		q.release(n)
		return nil, err
	}
	return &file{File: f, fs: q, node: n}, nil
}

// Remove implements vfs.FS.
func (q *FS) Remove(name string) error {
	err := q.twice(func() error { return q.FS.Remove(name) }) // where names are copied, that needs space
	if err == nil || vfs.IsNotExist(err) {
		q.mu.Lock()
		defer q.mu.Unlock()
		if n := q.names[name]; n != nil {
			delete(q.names, name)
			q.unlinkLocked(n)
		}
	}
	return err
}

// Rename implements vfs.FS.
func (q *FS) Rename(oldName, newName string) error {
	err := q.twice(func() error { return q.FS.Rename(oldName, newName) })
	if err != nil || oldName == newName {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.names[oldName]
	if n == nil {
		return nil
	}
	delete(q.names, oldName)
	if replaced := q.names[newName]; replaced != nil {
		q.unlinkLocked(replaced)
	}
	q.names[newName] = n
	return nil
}

// Lock implements vfs.FS.
func (q *FS) Lock(name string, mode vfs.LockMode) (l io.Closer, err error) {
	err = q.twice(func() (err error) {
		l, err = q.FS.Lock(name, mode)
		return err
	})
	return l, err
}

// unlinkLocked takes a name from n.
func (q *FS) unlinkLocked(n *node) {
	n.links--
	q.freeLocked(n)
}

// release takes a handle from n.
func (q *FS) release(n *node) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n.handles--
	q.freeLocked(n)
}

// freeLocked counts n no more if it is gone.
func (q *FS) freeLocked(n *node) {
	if n.links == 0 && n.handles == 0 {
		q.give(n.size.Load())
	}
}
