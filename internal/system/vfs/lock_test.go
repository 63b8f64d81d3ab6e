package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
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
