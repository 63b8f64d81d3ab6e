//go:build linux || darwin || freebsd || openbsd || windows

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxOpenAttempts bounds how often Lock and Open start again because the file was created, removed or replaced
// meanwhile.
const maxOpenAttempts = 10

// errLockReplaced ends one attempt to lock: the name no longer leads to the locked file.
var errLockReplaced = errors.New("lock file was replaced while it was locked")

// heldLocks are the locks that this process holds. There must be one registry for the whole process: on some file
// systems (NFS) the kernel's lock belongs to the process, which would get it again, also through any other path.
var heldLocks lockRegistry

// lockRegistry is a set of held locks. It compares files by device and inode (os.SameFile), never by name. There are
// as many as open databases, so a list is good enough. It keeps no file open.
type lockRegistry struct {
	mu   sync.Mutex
	held []*heldLock
}

type heldLock struct {
	file fs.FileInfo
	mode LockMode
}

// add enters a lock, or returns nil if it conflicts with one that is held.
func (r *lockRegistry) add(file fs.FileInfo, mode LockMode) *heldLock {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.held {
		if os.SameFile(h.file, file) && (mode == Exclusive || h.mode == Exclusive) {
			return nil
		}
	}
	h := &heldLock{file, mode}
	r.held = append(r.held, h)
	return h
}

func (r *lockRegistry) remove(lock *heldLock) {
	_ = r.release(lock, func() error { return nil })
}

// release takes out a lock, which end ends. Nobody asks for one in between: once the file is closed, a new one that
// somebody else creates may have its inode.
func (r *lockRegistry) release(lock *heldLock, end func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := end()
	if i := slices.Index(r.held, lock); i >= 0 {
		r.held = slices.Delete(r.held, i, i+1)
	}
	return err
}

// osLock is a held lock. The kernel's locks are bound to file and dir and end when these are closed.
type osLock struct {
	mu    sync.Mutex
	file  *os.File // nil when closed, and on a medium without a lock file
	dir   *os.File // the directory, which is locked too; nil when closed
	entry *heldLock
}

// Close ends the lock. The lock file stays: if it were removed, two processes could lock two files of the same name.
func (l *osLock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir == nil {
		return fs.ErrClosed
	}
	var err error
	if l.file != nil {
		err = heldLocks.release(l.entry, func() error { return errors.Join(unlockFile(l.file), l.file.Close()) })
	}
	_ = unlockFile(l.dir) // fails where directories cannot be locked, and is not needed there
	err = errors.Join(err, l.dir.Close())
	l.file, l.dir = nil, nil
	return err
}

// lock locks the file and the directory it is in. The file is what other tools and people see, and its lock keeps
// out a process that has linked it into another directory. The lock of the directory lasts when somebody removes or
// replaces the file of a running database: otherwise the next process would lock the new file, and both would write.
func (d *osDir) lock(name string, mode LockMode) (io.Closer, error) {
	if d.readOnly && mode == Exclusive {
		return nil, pathError("lock", name, errReadOnly)
	}
	l, err := d.lockNamed(name, mode)
	if err != nil {
		return nil, err
	}
	if l.dir, err = d.lockSelf(name, l.file, mode); err != nil {
		if l.file != nil {
			err = errors.Join(err, heldLocks.release(l.entry, l.file.Close))
		}
		return nil, err
	}
	return l, nil
}

// lockSelf locks the directory through a handle of its own, so that closing the handle ends the lock.
func (d *osDir) lockSelf(name string, file *os.File, mode LockMode) (*os.File, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	taken, err := lockDirectory(dir, mode)
	if err == nil && taken {
		err = lockedError(name, describeOwner(file, mode))
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// lockNamed locks the file. If there is none and the medium cannot be changed, it returns a lock without a file.
func (d *osDir) lockNamed(name string, mode LockMode) (*osLock, error) {
	last := errLockReplaced
	for range maxOpenAttempts {
		f, err := d.openLockFile(name)
		if d.readOnly && IsNotExist(err) {
			return &osLock{}, nil
		}
		if errors.Is(err, errReplaced) || IsNotExist(err) || errors.Is(err, fs.ErrExist) {
			last = err // fs.ErrNotExist at each attempt if the directory itself was removed
			continue
		}
		if err != nil {
			return nil, WrapNoSpace(err)
		}
		l, err := d.lockOpened(f, name, mode)
		if err == nil {
			return l, nil
		}
		if err := errors.Join(err, f.Close()); !errors.Is(err, errLockReplaced) {
			return nil, err
		}
	}
	return nil, pathError("lock", name, last)
}

// openLockFile opens the lock file without changing its content, and creates it if the directory may be changed.
func (d *osDir) openLockFile(name string) (*os.File, error) {
	if d.readOnly {
		return d.openRegular(name, os.O_RDONLY)
	}
	f, err := d.openRegular(name, os.O_RDWR)
	if IsNotExist(err) {
		return d.create(name)
	}
	return f, err
}

// lockOpened locks f. If that fails, the caller must still close f.
func (d *osDir) lockOpened(f *os.File, name string, mode LockMode) (*osLock, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	entry := heldLocks.add(info, mode)
	if entry == nil {
		return nil, lockedError(name, fmt.Sprintf("process %d (this one)", os.Getpid()))
	}
	if err := d.lockRegistered(f, name, entry); err != nil {
		heldLocks.remove(entry)
		return nil, err
	}
	return &osLock{file: f, entry: entry}, nil
}

func (d *osDir) lockRegistered(f *os.File, name string, entry *heldLock) error {
	taken, err := lockFile(f, entry.mode)
	if err != nil {
		return pathError("lock", name, err)
	}
	if taken {
		return lockedError(name, describeOwner(f, entry.mode))
	}
	named, err := d.lstat(name, openRetryLimit)
	if IsNotExist(err) || err == nil && !os.SameFile(named, entry.file) {
		return errLockReplaced
	}
	if err != nil {
		return err
	}
	return nil
}

// describeOwner says in words who is likely to hold the lock, by the mark that a writer puts into the lock file, see
// package owner: process id, number, program. Readers leave no trace there, so only a shared lock that fails proves
// that the owner is that writer. f may be nil.
func describeOwner(f *os.File, wanted LockMode) string {
	var buf [64]byte
	n := 0
	if f != nil {
		n, _ = f.ReadAt(buf[:], 0)
	}
	process, ok := markedProcess(string(buf[:n]))
	switch {
	case !ok && wanted == Exclusive:
		return "a process that reads it"
	case !ok:
		return "a process that has not said which"
	case wanted == Exclusive:
		return process + ", or one that reads it"
	}
	return process
}

// markedProcess is the process that a mark names, and its program, if the mark has one that can be printed.
func markedProcess(mark string) (process string, ok bool) {
	words := strings.Fields(mark)
	if len(words) == 0 {
		return "", false
	}
	pid, err := strconv.Atoi(words[0])
	if err != nil {
		return "", false
	}
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(words) != 3 || strings.ContainsFunc(words[2], unprintable) {
		return fmt.Sprintf("process %d", pid), true
	}
	return fmt.Sprintf("process %d (%s)", pid, words[2]), true
}

func lockedError(name, owner string) error { return pathError("lock", name, &LockedError{owner}) }
