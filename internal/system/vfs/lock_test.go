//go:build linux || darwin || freebsd || openbsd || windows

package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A lock on a file that its name does not lead to any more excludes nobody: two writers would both have one.
func TestLock_noticesThatTheFileWasReplaced(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opened, err := OpenDir(dir, OpenDirOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			d := opened.(*osDir)
			f, err := d.openLockFile("LOCK")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := replace(filepath.Join(dir, "LOCK")); err != nil {
				t.Fatal(err)
			}
			if _, err := d.lockOpened(f, "LOCK", Exclusive); !errors.Is(err, errLockReplaced) {
				t.Errorf("locking the file that is gone = %v, want errLockReplaced", err)
			}
			l, err := d.Lock("LOCK", Exclusive)
			if err != nil {
				t.Fatalf("locking anew: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whoever is locked out would not know whom to ask, or would be told what somebody wrote to the file by hand, with
// whatever that does to a terminal.
func TestDescribeOwner_readsMarks(t *testing.T) {
	const number = "0123456789abcdef0123456789abcdef"
	for mark, want := range map[string]string{
		"":                                      "a process that has not said which",
		"closed   \n":                           "a process that has not said which",
		"4711":                                  "process 4711",
		"4711 " + number + "               \n":  "process 4711", // as before marks named the program
		"4711 " + number + " myprogram     \n":  "process 4711 (myprogram)",
		"4711 " + number + " \x1b[1m        \n": "process 4711",
		"4711 " + number + " a-name-of-19-bytes!": "process 4711 (a-name-of-19-bytes!)",
	} {
		path := filepath.Join(t.TempDir(), "LOCK")
		if err := os.WriteFile(path, []byte(mark), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := describeOwner(f, Shared); got != want {
			t.Errorf("%q is %q, want %q", mark, got, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	var locked *LockedError
	err := lockedError("LOCK", describeOwner(nil, Exclusive))
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.Owner != "a process that reads it" {
		t.Errorf("%v", err)
	}
}

// Where the kernel's lock belongs to the process (NFS), the registry alone keeps a second writer out.
func TestLockRegistry_comparesFiles(t *testing.T) {
	dir := t.TempDir()
	path, twin, other := filepath.Join(dir, "LOCK"), filepath.Join(dir, "twin"), filepath.Join(dir, "other")
	err := errors.Join(os.WriteFile(path, nil, 0o600), os.Link(path, twin), os.WriteFile(other, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var r lockRegistry
	add := func(path string, mode LockMode) *heldLock {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return r.add(info, mode)
	}
	first := add(path, Exclusive)
	if first == nil || add(path, Exclusive) != nil || add(twin, Shared) != nil {
		t.Error("an exclusive lock does not exclude, or not under the other name")
	}
	if add(other, Exclusive) == nil {
		t.Error("an exclusive lock excludes another file")
	}
	r.remove(first)
	a, b := add(path, Shared), add(twin, Shared)
	if a == nil || b == nil || add(path, Exclusive) != nil {
		t.Error("shared locks do not share, or do not exclude a writer")
	}
	r.remove(a)
	r.remove(b)
	if add(path, Exclusive) == nil {
		t.Error("a released lock still excludes")
	}
}

// A file that is closed, and whose name is gone, leaves its inode to the next file that anybody creates.
func TestLockRegistry_aClosedFileExcludesNoNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path) // also that of the next file
	if err != nil {
		t.Fatal(err)
	}
	var r lockRegistry
	added := make(chan *heldLock, 1)
	err = r.release(r.add(info, Exclusive), func() error {
		go func() { added <- r.add(info, Exclusive) }()
		select {
		case next := <-added:
			added <- next
		case <-time.After(20 * time.Millisecond): // it waits
		}
		return nil
	})
	if next := <-added; err != nil || next == nil {
		t.Errorf("a new file is locked, because one was that is closed (%v)", err)
	}
}

// Databases are locked, removed while they are, and closed, all at the same time: nobody else has locked any of them.
func TestLock_besideOnesThatAreRemoved(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			dir := filepath.Join(parent, fmt.Sprint(n))
			for range 200 {
				if err := lockAndRemove(dir); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func lockAndRemove(dir string) error {
	d, err := OpenDir(dir, OpenDirOptions{Create: true})
	if err != nil {
		return err
	}
	l, err := d.Lock("LOCK", Exclusive)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	return errors.Join(d.Remove("LOCK"), l.Close(), d.Close(), os.Remove(dir))
}
