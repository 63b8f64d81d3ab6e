package iofs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"lightningdb/internal/system/vfs"
)

// content is longer than a piece.
var content = bytes.Repeat([]byte("0123456789"), pieceBytes/9)

// files have one of each kind of file: read at an offset, by seeking, and from the beginning only.
func files() map[string]fs.FS {
	mapped := fstest.MapFS{"dir/file": {Data: content}, "dir/empty": {}, "dir/sub/x": {}}
	return map[string]fs.FS{
		"at an offset": mapped,
		"by seeking":   limited{mapped, func(f fs.File) fs.File { return readSeeker{f, f.(io.Seeker)} }},
		"as a whole":   limited{mapped, func(f fs.File) fs.File { return struct{ fs.File }{f} }},
	}
}

type readSeeker struct {
	fs.File
	seeker io.Seeker
}

// Seek lets others run before its caller reads.
func (r readSeeker) Seek(off int64, whence int) (int64, error) {
	defer runtime.Gosched()
	return r.seeker.Seek(off, whence)
}

// limited changes the files of a file system.
type limited struct {
	fs.FS
	change func(fs.File) fs.File
}

func (l limited) Open(name string) (fs.File, error) {
	f, err := l.FS.Open(name)
	if _, dir := f.(fs.ReadDirFile); dir || err != nil {
		return f, err
	}
	return l.change(f), nil
}

// Each layer above relies on what a read at any place gives: the engine takes EOF for a torn log, and anything else for
// a broken disk.
func TestRead_isThatOfTheFileAtEveryPlace(t *testing.T) {
	for kind, fsys := range files() {
		d, err := New(fsys, "dir")
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Open("file")
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.NewReader(content)
		for _, off := range []int64{0, 1, pieceBytes - 1, pieceBytes, int64(len(content)) - 1, int64(len(content)),
			int64(len(content)) + 1, 1 << 40} {
			for _, n := range []int{0, 1, 2, 100, pieceBytes, pieceBytes + 1, 2 * pieceBytes} {
				got, wanted := make([]byte, n), make([]byte, n)
				gotN, gotErr := f.ReadAt(got, off)
				wantN, wantErr := want.ReadAt(wanted, off)
				if n == 0 {
					wantErr = nil
				}
				if gotN != wantN || gotErr != wantErr || !bytes.Equal(got, wanted) {
					t.Errorf("%s: %d bytes at %d: %d, %v, not %d, %v", kind, n, off, gotN, gotErr, wantN, wantErr)
				}
			}
		}
		if _, err := f.ReadAt(make([]byte, 1), -1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: before the file: %v", kind, err)
		}
		if size, err := f.Size(); size != int64(len(content)) || err != nil {
			t.Errorf("%s: %d bytes, %v", kind, size, err)
		}
	}
}

// Point reads and scans of one table meet in one file: each must get what it asked for.
func TestRead_byManyAtOnce(t *testing.T) {
	for kind, fsys := range files() {
		d, err := New(fsys, "dir")
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Open("file")
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for n := range 8 {
			readers.Go(func() {
				for i := range 500 {
					got, off := make([]byte, 100), (i*7919+n*104_729)%(len(content)-100)
					if _, err := f.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, content[off:off+100]) {
						t.Errorf("%s: 100 bytes at %d: %.20q, %v", kind, off, got, err)
						return
					}
				}
			})
		}
		readers.Wait()
	}
}

// What is only read must refuse every change, and say why.
func TestChanges_areRefused(t *testing.T) {
	d, err := New(files()["at an offset"], "dir")
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Create":        func() error { _, err := d.Create("new"); return err },
		"OpenReadWrite": func() error { _, err := d.OpenReadWrite("file"); return err },
		"Remove":        func() error { return d.Remove("file") },
		"Rename":        func() error { return d.Rename("file", "new") },
		"SyncDir":       d.SyncDir,
		"Lock":          func() error { _, err := d.Lock("LOCK", vfs.Exclusive); return err },
		"WriteAt":       func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		"StoreAt":       func() error { _, err := f.StoreAt([]byte("x"), 0); return err },
		"Sync":          f.Sync,
		"WriteOut":      func() error { return f.WriteOut(0, 1) },
		"Allocate":      func() error { return f.Allocate(1) },
	} {
		if err := call(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v", name, err)
		}
	}
	first, err1 := d.Lock("LOCK", vfs.Shared)
	second, err2 := d.Lock("LOCK", vfs.Shared)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

// Only files of the directory itself are files; a name never leads out of it.
func TestOpen_leadsToFilesOfTheDirectoryOnly(t *testing.T) {
	for kind, fsys := range files() {
		d, err := New(fsys, "dir")
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]error{"missing": fs.ErrNotExist, "sub": fs.ErrInvalid, "sub/x": fs.ErrInvalid,
			"..": fs.ErrInvalid, "": fs.ErrInvalid} {
			if _, err := d.Open(name); !errors.Is(err, want) {
				t.Errorf("%s: Open(%q) = %v", kind, name, err)
			}
			if _, err := d.FileSize(name); !errors.Is(err, want) {
				t.Errorf("%s: FileSize(%q) = %v", kind, name, err)
			}
		}
		if names, err := d.List(); strings.Join(names, " ") != "empty file sub" || err != nil {
			t.Errorf("%s: %q, %v", kind, names, err)
		}
		if n, err := d.FileSize("file"); n != int64(len(content)) || err != nil {
			t.Errorf("%s: %d bytes, %v", kind, n, err)
		}
	}
}

// After Close every call says so, as those of a directory of the system do; files stay readable.
func TestClosed_saysSo(t *testing.T) {
	for kind, fsys := range files() {
		d, err := New(fsys, "dir")
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Open("file")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(make([]byte, 10), 5); err != nil {
			t.Errorf("%s: a file of a closed directory: %v", kind, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for name, call := range map[string]func() error{
			"Open":     func() error { _, err := d.Open("file"); return err },
			"List":     func() error { _, err := d.List(); return err },
			"FileSize": func() error { _, err := d.FileSize("file"); return err },
			"Lock":     func() error { _, err := d.Lock("LOCK", vfs.Shared); return err },
			"Close":    d.Close,
			"ReadAt":   func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
			"Size":     func() error { _, err := f.Size(); return err },
			"f.Close":  f.Close,
		} {
			if err := call(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: %s = %v", kind, name, err)
			}
		}
	}
}

// lying says that it has another length than it has.
type lying struct {
	fs.File
	size int64
}

func (l lying) Stat() (fs.FileInfo, error) { return lyingInfo{l.size}, nil }

type lyingInfo struct{ size int64 }

func (i lyingInfo) Name() string     { return "file" }
func (i lyingInfo) Size() int64      { return i.size }
func (lyingInfo) Mode() fs.FileMode  { return 0 }
func (lyingInfo) ModTime() time.Time { return time.Time{} }
func (lyingInfo) IsDir() bool        { return false }
func (lyingInfo) Sys() any           { return nil }

// An archive may say of a file that it has any length: memory must not be taken on its word, and a part of the file
// must not pass for the whole.
func TestWhole_believesNoLength(t *testing.T) {
	long := int64(len(content))
	for size, want := range map[int64]string{ // by what the error says
		-1: "-1 bytes", maxWholeBytes + 1: "are the most", 1 << 62: "are the most", maxWholeBytes: "unexpected EOF",
		long - 1: "more than", long + 1: "unexpected EOF", 0: "more than",
	} {
		lie := func(f fs.File) fs.File { return lying{struct{ fs.File }{f}, size} }
		d, err := New(limited{fstest.MapFS{"dir/file": {Data: content}}, lie}, "dir")
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = d.Open("file")
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%d bytes: it took %d bytes of memory", size, took)
		}
	}
}
