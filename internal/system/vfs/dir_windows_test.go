package vfs_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"lightningdb/internal/system/vfs"
)

// A virus scanner that looks at a file for a tenth of a second would stop the database.
func TestRename_waitsForAnotherProgram(t *testing.T) {
	for name, call := range map[string]func(d vfs.FS) error{
		"rename": func(d vfs.FS) error { return d.Rename("held", "new") },
		"remove": func(d vfs.FS) error { return d.Remove("held") },
		"open": func(d vfs.FS) error {
			f, err := d.OpenReadWrite("held")
			if err == nil {
				err = f.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			f, err := d.Create("held")
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			path, err := windows.UTF16PtrFromString(filepath.Join(dir, "held"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := windows.CreateFile(path, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0) // shares nothing
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(100*time.Millisecond, func() { windows.CloseHandle(h) })
			if err := call(d); err != nil {
				t.Error(err)
			}
		})
	}
}

// A program that goes on after Close would be told of a handle that is invalid, and look for a broken disk.
func TestClosed_saysSo(t *testing.T) {
	d, err := vfs.OpenDir(t.TempDir(), vfs.OpenDirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Size":      func() error { _, err := f.Size(); return err },
		"Sync":      f.Sync,
		"WriteOut":  func() error { return f.WriteOut(0, 1) },
		"Allocate":  func() error { return f.Allocate(1) },
		"ReadAt":    func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"WriteAt":   func() error { _, err := f.WriteAt(make([]byte, 1), 0); return err },
		"Close":     f.Close,
		"SyncDir":   d.SyncDir,
		"FreeBytes": func() error { _, err := d.FreeBytes(); return err },
		"List":      func() error { _, err := d.List(); return err },
		"Open":      func() error { _, err := d.Open("f"); return err },
		"Lock":      func() error { _, err := d.Lock("LOCK", vfs.Exclusive); return err },
	} {
		if err := call(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s = %v", name, err)
		}
	}
}
