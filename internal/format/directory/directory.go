// Package directory is the directory of an open database, which the log and the tree share. It knows which file
// numbers are taken, which files nothing needs any more, whether the directory still belongs to this writer, and
// whether a failure has ended all changes.
//
// It knows no format and decides nothing about the content of a file: the log knows its segments, the manifest the
// tables.
//
// # Failure
//
// The first failed write, sync, rename or close on the way to durability ends all writes of the handle (Fail). From
// then on the files stay as they are, because what a failed sync has lost may still be there in files that would
// otherwise be needless. So everything that renames, removes, or makes files needless runs inside Change, which
// refuses after the first failure. A transient error is different (Transient): the operation that met it failed
// cleanly, and is tried again.
//
// # Lock order
//
// Change, then the mutex of numbers and obsolete files, which is held for moments and never during I/O.
package directory

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/system/vfs"
)

// ErrReadOnly refuses a write to a database that was opened read-only, or whose writes a failure has ended.
var ErrReadOnly = errors.New("database accepts no writes")

// Options configures a directory.
type Options struct {
	FS       vfs.FS
	ReadOnly bool
	Gate     *calls.Gate   // once it is closed, nothing new is begun
	Random   func() uint64 // for the owner's mark

	Followers bool            // other processes may follow: there is a page for them, and their leases count
	Clock     clock.Monotonic // that tells whether a lease lives
	MaxHold   time.Duration   // a file is kept for followers no longer than this; 0 for as long as they live

	Failed    func(error) // called once, after the first failure
	Discarded func()      // called when there are files to remove
	Unread    func(error) // called when followers cannot be told anything any more
}

// Directory is an open directory. Its methods are safe for concurrent use, unless they say otherwise.
type Directory struct {
	opts Options
	lock io.Closer
	mark *owner.Mark // nil if read-only

	current func() error // fails if CURRENT is not what this writer has left there; see SetCurrent

	page    *status.Page   // what followers are told; nil if there are none, or before Publish
	holders *lease.Holders // for the one goroutine that cleans up

	changing sync.RWMutex            // held for reading while files change, for writing to set failed
	failed   atomic.Pointer[failure] // why writes ended; set once

	mu       sync.Mutex
	next     filename.Num // the next file number
	obsolete []obsolete   // files to remove
	held     bool         // followers hold some of them
}

// obsolete is a file that is to be removed.
type obsolete struct {
	name  string
	since filename.Num  // the first version that does not need it; 0 if none ever did
	at    clock.Instant // when that became known
}

// failure is why writes ended.
type failure struct{ cause error }

// New returns the directory behind o.FS, which Close will close. Nothing is locked yet.
func New(o Options) *Directory {
	return &Directory{opts: o, next: 1, holders: lease.Watch(o.FS, o.Clock)}
}

// FS returns the file system of the directory. Every change of what counts must go through Change, and whoever
// creates a table must call ConfirmOwner.
func (d *Directory) FS() vfs.FS { return d.opts.FS }

// Lock takes the lock of the directory, shared if it is read-only.
func (d *Directory) Lock() error {
	mode := vfs.Exclusive
	if d.opts.ReadOnly {
		mode = vfs.Shared
	}
	lock, err := d.opts.FS.Lock(filename.Make(filename.Lock, 0), mode)
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	d.lock = lock
	return nil
}

// Close closes the page of the followers, and releases the mark, the lock and the file system, in this order.
func (d *Directory) Close() error {
	errs := []error{d.page.Close()}
	if d.mark != nil {
		errs = append(errs, d.mark.Release())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(append(errs, d.opts.FS.Close())...)
}

// NewNum gives out the next file number.
func (d *Directory) NewNum() filename.Num {
	d.mu.Lock()
	defer d.mu.Unlock()
	num := d.next
	d.next++
	return num
}

// PeekNum returns a number above all that were given out.
func (d *Directory) PeekNum() filename.Num {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.next
}

// NumberFrom makes next the next file number.
func (d *Directory) NumberFrom(next filename.Num) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = next
}

// Discard records files that no version of the tree names, and none ever has, for RemoveObsolete.
func (d *Directory) Discard(names ...string) { d.Retire(0, names...) }

// Retire records files that no version needs from since on (its next file number), for RemoveObsolete. A directory that
// is only read leaves them to its writer.
func (d *Directory) Retire(since filename.Num, names ...string) {
	if d.opts.ReadOnly {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.obsolete = append(d.obsolete, obsolete{name, since, d.opts.Clock.Now()})
	}
	d.opts.Discarded()
}

// Obsolete returns how many files wait to be removed.
func (d *Directory) Obsolete() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.obsolete)
}

// RemoveObsolete removes the files that nothing needs any more. A file whose removal fails stays on the list, and so
// does one that a follower holds. After a failure that has ended writes all of them stay, for the next Open. Only one
// goroutine at a time may call it.
func (d *Directory) RemoveObsolete() error {
	d.mu.Lock()
	files := d.obsolete // meanwhile it only grows at its end
	d.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	if d.Intact() == nil {
		if err := d.CheckOwner(); err != nil {
			return err
		}
	}
	isHeld, failed := d.heldByFollowers()
	var kept []obsolete
	held := false
	for _, f := range files {
		if isHeld(f.since, f.at) {
			held, kept = true, append(kept, f)
			continue
		}
		err := d.Change(func() error { return d.opts.FS.Remove(f.name) })
		if err == nil || vfs.IsNotExist(err) {
			continue
		}
		kept = append(kept, f)
		if !errors.Is(err, ErrReadOnly) {
			failed = err // tried again later
		}
	}
	d.mu.Lock()
	d.obsolete, d.held = append(kept, d.obsolete[len(files):]...), held
	d.mu.Unlock()
	return failed
}

// Held reports whether RemoveObsolete has left a file to a follower that holds it.
func (d *Directory) Held() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held
}

// DiskBytes returns how long the files of the database are, whatever they are for. It asks the file system, because
// what the database believes does not fill a disk. A file that cannot be looked at counts nothing.
func (d *Directory) DiskBytes() (total int64) {
	names, err := d.opts.FS.List()
	if err != nil {
		return 0
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind != filename.Unknown {
			if size, err := d.opts.FS.FileSize(name); err == nil { // otherwise it has just been removed
				total += size
			}
		}
	}
	return total
}

// Transient reports whether err is of a kind that passes by itself: a full disk, or no file descriptors left.
func Transient(err error) bool {
	return errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Fail ends all writes of this handle because of cause. The first cause stays.
func (d *Directory) Fail(operation string, cause error) error {
	err := fmt.Errorf("%s: %w", operation, d.TakenOver(cause))
	if d.noteFailure(err) {
		d.opts.Failed(err)
	}
	return err
}

// FailUnlessTransient is Fail, unless cause is nil or transient; after a transient one the operation is tried again.
func (d *Directory) FailUnlessTransient(operation string, cause error) error {
	if cause == nil {
		return nil
	}
	if Transient(cause) {
		return fmt.Errorf("%s: %w", operation, cause)
	}
	return d.Fail(operation, cause)
}

// noteFailure ends all writes because of err, and reports whether it was the first to do so. It waits for changes of
// files that are in progress.
func (d *Directory) noteFailure(err error) bool {
	d.changing.Lock()
	defer d.changing.Unlock()
	return d.failed.CompareAndSwap(nil, &failure{err})
}

// Change calls do, which changes what counts in the directory: it appends to the manifest or begins the next one,
// renames or removes a file, or goes on in another log segment. After the first failure Change returns ErrReadOnly
// instead. Once Fail has returned, no change is in progress, and none begins. do must not call Fail.
func (d *Directory) Change(do func() error) error {
	d.changing.RLock()
	defer d.changing.RUnlock()
	if err := d.Intact(); err != nil {
		return err
	}
	return do()
}

// Closing reports whether the database has begun to close.
func (d *Directory) Closing() bool { return d.opts.Gate.Closed() }

// Cause returns why writes have ended, or nil if they have not.
func (d *Directory) Cause() error {
	if f := d.failed.Load(); f != nil {
		return f.cause
	}
	return nil
}

// Intact returns nil until the first failure, and then ErrReadOnly with the cause.
func (d *Directory) Intact() error {
	if f := d.failed.Load(); f != nil {
		return fmt.Errorf("%w since a failure; reopen it after the cause is mended: %w", ErrReadOnly, f.cause)
	}
	return nil
}

// Writable returns nil while writes are accepted.
func (d *Directory) Writable() error {
	if d.opts.Gate.Closed() {
		return calls.ErrClosed
	}
	if d.opts.ReadOnly {
		return fmt.Errorf("%w: it was opened read-only", ErrReadOnly)
	}
	return d.Intact()
}
