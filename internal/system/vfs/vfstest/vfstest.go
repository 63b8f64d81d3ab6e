// Package vfstest is the conformance suite of vfs.FS: what the engine relies on in every implementation.
package vfstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"lightningdb/internal/system/vfs"
)

// Run tests the directories that newFS returns. Each must be empty and writable, and used by nobody else.
func Run(t *testing.T, newFS func(t *testing.T) vfs.FS) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, vfs.FS)
	}{
		{"create never touches what exists", createExclusive},
		{"open needs a file", openMissing},
		{"names are never paths", badNames},
		{"read returns what was written", readBack},
		{"read at the end is short with EOF", readEOF},
		{"writes beyond the end leave zeros", holes},
		{"random writes equal a byte slice", randomWrites},
		{"allocate extends with zeros and never shrinks", allocate},
		{"stored bytes are as good as written ones", storeAt},
		{"files opened for reading refuse changes", openReadOnly},
		{"rename replaces", rename},
		{"remove keeps open files readable", removeOpen},
		{"list is sorted and current", list},
		{"sizes are those of the files", fileSize},
		{"closed files and directories refuse calls", closed},
		{"files outlive the directory handle", closedDir},
		{"sync and space", syncAndSpace},
		{"exclusive lock excludes", lockExclusive},
		{"shared locks share", lockShared},
		{"locking keeps the content of the lock file's directory", lockFileStays},
		{"disjoint concurrent writes all arrive", concurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newFS(t)) })
	}
}

func createExclusive(t *testing.T, d vfs.FS) {
	write(t, d, "a", "first")
	if _, err := d.Create("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of an existing name = %v, want ErrExist", err)
	}
	wantContent(t, d, "a", "first")
}

func openMissing(t *testing.T, d vfs.FS) {
	for name, open := range map[string]func(string) (vfs.File, error){"Open": d.Open, "OpenReadWrite": d.OpenReadWrite} {
		if _, err := open("a"); !vfs.IsNotExist(err) {
			t.Errorf("%s of a missing file = %v, want ErrNotExist", name, err)
		}
	}
	if err := d.Remove("a"); !vfs.IsNotExist(err) {
		t.Errorf("Remove of a missing file = %v, want ErrNotExist", err)
	}
	if err := d.Rename("a", "b"); !vfs.IsNotExist(err) {
		t.Errorf("Rename of a missing file = %v, want ErrNotExist", err)
	}
	wantNames(t, d)
}

func badNames(t *testing.T, d vfs.FS) {
	write(t, d, "good", "kept")
	for _, name := range []string{"", ".", "..", "a/b", "/a", "../a", `a\b`, "a\x00", "c:"} {
		calls := map[string]func() error{
			"Create":        func() error { _, err := d.Create(name); return err },
			"Open":          func() error { _, err := d.Open(name); return err },
			"OpenReadWrite": func() error { _, err := d.OpenReadWrite(name); return err },
			"Remove":        func() error { return d.Remove(name) },
			"Rename from":   func() error { return d.Rename(name, "new") },
			"Rename to":     func() error { return d.Rename("good", name) },
			"Lock":          func() error { _, err := d.Lock(name, vfs.Exclusive); return err },
		}
		for call, do := range calls {
			if err := do(); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q = %v, want ErrInvalid", call, name, err)
			}
		}
	}
	wantNames(t, d, "good")
}

func readBack(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	writeAt(t, f, "hello world", 0)
	writeAt(t, f, "W", 6)
	if n, err := f.WriteAt(nil, 100); n != 0 || err != nil {
		t.Errorf("empty WriteAt = %d, %v", n, err)
	}
	check(t, f.Close())
	wantContent(t, d, "a", "hello World")
	f, err := d.OpenReadWrite("a")
	check(t, err)
	writeAt(t, f, "!", 11)
	check(t, f.Sync())
	check(t, f.Close())
	wantContent(t, d, "a", "hello World!")
}

func readEOF(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	defer f.Close()
	writeAt(t, f, "abcd", 0)
	buf := make([]byte, 4)
	for _, test := range []struct {
		off  int64
		want int
		err  error
	}{{0, 4, nil}, {1, 3, io.EOF}, {4, 0, io.EOF}, {1 << 40, 0, io.EOF}} {
		n, err := f.ReadAt(buf, test.off)
		if n != test.want || err != test.err {
			t.Errorf("ReadAt 4 bytes at %d of 4 = %d, %v, want %d, %v", test.off, n, err, test.want, test.err)
		}
	}
	if _, err := f.ReadAt(buf, -1); err == nil || err == io.EOF {
		t.Errorf("ReadAt at -1 = %v, want an error", err)
	}
	if _, err := f.WriteAt(buf, -1); err == nil {
		t.Error("WriteAt at -1 succeeded")
	}
}

func holes(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	writeAt(t, f, "x", 100_000)
	check(t, f.Close())
	wantContent(t, d, "a", string(make([]byte, 100_000))+"x")
}

func randomWrites(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	var model []byte
	for i := range 300 {
		off, n := i*i*7919%150_000, 1+i*31%40_000
		if off > len(model) {
			off = len(model)
		}
		data := bytes.Repeat([]byte{byte(i + 1)}, n)
		writeAt(t, f, string(data), int64(off))
		model = slices.Grow(model, n)
		model = model[:max(len(model), off+n)]
		copy(model[off:], data)
	}
	check(t, f.Close())
	wantContent(t, d, "a", string(model))
}

func allocate(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	writeAt(t, f, "abc", 0)
	check(t, f.Allocate(600_000))
	check(t, f.Allocate(10))
	if size, err := f.Size(); size != 600_000 || err != nil {
		t.Errorf("Size after Allocate = %d, %v", size, err)
	}
	writeAt(t, f, "z", 500_000)
	check(t, f.Close())
	want := make([]byte, 600_000)
	copy(want, "abc")
	want[500_000] = 'z'
	wantContent(t, d, "a", string(want))
}

// storeAt stores inside and beyond what was allocated, in pieces of all sizes and twice in the same place, between
// writes.
func storeAt(t *testing.T, d vfs.FS) {
	const allocated, size = 5 << 20, 5<<20 + 300_000
	f := create(t, d, "a")
	check(t, f.Allocate(allocated))
	want, piece := make([]byte, size), make([]byte, 200_000)
	random := rand.New(rand.NewPCG(1, 2))
	for off, i := 0, 0; off < size; i++ {
		n := min(1+random.IntN(1<<random.IntN(18)), size-off)
		for j := range piece[:n] {
			piece[j] = byte(random.Uint32())
		}
		put := f.StoreAt
		if i%5 == 0 {
			put = f.WriteAt
		}
		if got, err := put(piece[:n], int64(off)); got != n || err != nil {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
		}
		copy(want[off:], piece[:n])
		if i%7 == 0 {
			check(t, f.Sync())
		}
		if i%11 != 0 {
			off += n
		}
	}
	if n, err := f.StoreAt(nil, 3); n != 0 || err != nil {
		t.Errorf("empty StoreAt = %d, %v", n, err)
	}
	if _, err := f.StoreAt(piece, -1); err == nil {
		t.Error("StoreAt at -1 succeeded")
	}
	wantFile(t, f, string(want))
	check(t, f.Close())
	wantContent(t, d, "a", string(want))
}

func openReadOnly(t *testing.T, d vfs.FS) {
	write(t, d, "a", "abc")
	f, err := d.Open("a")
	check(t, err)
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("WriteAt to a file opened for reading succeeded")
	}
	if _, err := f.StoreAt([]byte("x"), 0); err == nil {
		t.Error("StoreAt to a file opened for reading succeeded")
	}
	if err := f.Allocate(10); err == nil {
		t.Error("Allocate of a file opened for reading succeeded")
	}
	wantContent(t, d, "a", "abc")
}

func rename(t *testing.T, d vfs.FS) {
	write(t, d, "a", "new")
	write(t, d, "b", "old")
	old, err := d.Open("b")
	check(t, err)
	check(t, d.Rename("a", "b"))
	wantNames(t, d, "b")
	wantContent(t, d, "b", "new")
	wantFile(t, old, "old")
	check(t, old.Close())
	check(t, d.Rename("b", "b"))
	check(t, d.Rename("b", "c"))
	wantNames(t, d, "c")
	wantContent(t, d, "c", "new")
}

func removeOpen(t *testing.T, d vfs.FS) {
	write(t, d, "a", "kept")
	f, err := d.Open("a")
	check(t, err)
	check(t, d.Remove("a"))
	wantNames(t, d)
	write(t, d, "a", "other")
	wantFile(t, f, "kept")
	check(t, f.Close())
	wantContent(t, d, "a", "other")
}

func list(t *testing.T, d vfs.FS) {
	for _, name := range []string{"c", "a", "b", "Z"} {
		write(t, d, name, "")
	}
	wantNames(t, d, "Z", "a", "b", "c")
	check(t, d.Remove("b"))
	wantNames(t, d, "Z", "a", "c")
}

func fileSize(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	want := func(name string, size int64) {
		t.Helper()
		if n, err := d.FileSize(name); n != size || err != nil {
			t.Errorf("FileSize(%s) = %d, %v, want %d", name, n, err, size)
		}
	}
	want("a", 0)
	writeAt(t, f, "12345", 0)
	want("a", 5)
	check(t, f.Allocate(1000))
	want("a", 1000)
	check(t, d.Rename("a", "b"))
	want("b", 1000)
	check(t, f.Close())
	want("b", 1000)
	if _, err := d.FileSize("a"); !vfs.IsNotExist(err) {
		t.Errorf("FileSize of a missing file = %v, want ErrNotExist", err)
	}
	if _, err := d.FileSize("../b"); err == nil {
		t.Error("FileSize took a path for a name")
	}
}

func closed(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	check(t, f.Close())
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, writeErr := f.WriteAt([]byte("x"), 0)
	_, storeErr := f.StoreAt([]byte("x"), 0)
	_, sizeErr := f.Size()
	for call, err := range map[string]error{"ReadAt": readErr, "WriteAt": writeErr, "StoreAt": storeErr, "Size": sizeErr,
		"Sync": f.Sync(), "WriteOut": f.WriteOut(0, 1), "Allocate": f.Allocate(1), "Close": f.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s of a closed file = %v, want ErrClosed", call, err)
		}
	}
	check(t, d.Close())
	_, createErr := d.Create("b")
	_, listErr := d.List()
	_, statErr := d.FileSize("a")
	for call, err := range map[string]error{"Create": createErr, "List": listErr, "FileSize": statErr,
		"SyncDir": d.SyncDir()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s of a closed directory = %v, want ErrClosed", call, err)
		}
	}
}

func closedDir(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	check(t, d.Close())
	writeAt(t, f, "late", 0)
	check(t, f.Sync())
	wantFile(t, f, "late")
	check(t, f.Close())
}

func syncAndSpace(t *testing.T, d vfs.FS) {
	f := create(t, d, "a")
	writeAt(t, f, "x", 0)
	check(t, f.Sync())
	check(t, f.Close())
	check(t, d.SyncDir())
	if free, err := d.FreeBytes(); free == 0 || err != nil {
		t.Errorf("FreeBytes = %d, %v", free, err)
	}
	if d.Path() == "" {
		t.Error("the directory has no name for messages")
	}
}

func lockExclusive(t *testing.T, d vfs.FS) {
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	for _, mode := range []vfs.LockMode{vfs.Exclusive, vfs.Shared} {
		if _, err := d.Lock("LOCK", mode); !errors.Is(err, vfs.ErrLocked) {
			t.Errorf("second Lock, mode %d = %v, want ErrLocked", mode, err)
		}
	}
	check(t, l.Close())
	if err := l.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close of a lock = %v, want ErrClosed", err)
	}
	l, err = d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
}

func lockShared(t *testing.T, d vfs.FS) {
	first, err := d.Lock("LOCK", vfs.Shared)
	check(t, err)
	second, err := d.Lock("LOCK", vfs.Shared)
	check(t, err)
	check(t, first.Close())
	if _, err := d.Lock("LOCK", vfs.Exclusive); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("exclusive Lock while there is a shared one = %v, want ErrLocked", err)
	}
	check(t, second.Close())
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
}

func lockFileStays(t *testing.T, d vfs.FS) {
	write(t, d, "a", "abc")
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
	wantNames(t, d, "LOCK", "a")
	wantContent(t, d, "a", "abc")
}

func concurrent(t *testing.T, d vfs.FS) {
	const writers, pieces, size = 4, 50, 1000
	f := create(t, d, "a")
	check(t, f.Allocate(writers*pieces*size))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			buf := make([]byte, size)
			for i := range pieces {
				off := int64(i*writers+w) * size
				if _, err := f.WriteAt(bytes.Repeat([]byte{byte(w + 1)}, size), off); err != nil {
					t.Errorf("WriteAt: %v", err)
				}
				if _, err := f.ReadAt(buf, off); err != nil || buf[0] != byte(w+1) {
					t.Errorf("ReadAt = %d, %v, want %d", buf[0], err, w+1)
				}
				name := fmt.Sprintf("%d-%d", w, i)
				if _, err := d.Create(name); err != nil {
					t.Errorf("Create: %v", err)
				}
				if err := d.Remove(name); err != nil {
					t.Errorf("Remove: %v", err)
				}
			}
		})
	}
	wg.Wait()
	check(t, f.Close())
	var want []byte
	for i := range writers * pieces {
		want = append(want, bytes.Repeat([]byte{byte(i%writers + 1)}, size)...)
	}
	wantContent(t, d, "a", string(want))
	wantNames(t, d, "a")
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := d.Create(name)
	check(t, err)
	return f
}

func writeAt(t *testing.T, f vfs.File, data string, off int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(data), off); n != len(data) || err != nil {
		t.Fatalf("WriteAt %d bytes at %d = %d, %v", len(data), off, n, err)
	}
}

func write(t *testing.T, d vfs.FS, name, data string) {
	t.Helper()
	f := create(t, d, name)
	writeAt(t, f, data, 0)
	check(t, f.Close())
}

func wantFile(t *testing.T, f vfs.File, want string) {
	t.Helper()
	size, err := f.Size()
	check(t, err)
	if size != int64(len(want)) {
		t.Fatalf("size %d, want %d", size, len(want))
	}
	buf := make([]byte, size)
	if n, err := f.ReadAt(buf, 0); n != len(buf) || err != nil && err != io.EOF {
		t.Fatalf("ReadAt %d bytes = %d, %v", len(buf), n, err)
	}
	if string(buf) != want {
		i := 0
		for buf[i] == want[i] {
			i++
		}
		t.Fatalf("content differs at offset %d of %d", i, size)
	}
}

func wantContent(t *testing.T, d vfs.FS, name, want string) {
	t.Helper()
	f, err := d.Open(name)
	check(t, err)
	wantFile(t, f, want)
	check(t, f.Close())
}

func wantNames(t *testing.T, d vfs.FS, want ...string) {
	t.Helper()
	got, err := d.List()
	check(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("List = %q, want %q", got, want)
	}
}
