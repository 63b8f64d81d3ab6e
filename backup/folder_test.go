package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
)

// withoutLinks is a Folder on a file system that has no hard links.
func withoutLinks(dir string) *Folder {
	f := NewFolder(dir)
	f.link = func(*os.Root, string, string) error { return syscall.EPERM }
	return f
}

// Every Store keeps what Store says: on it rests that no backup loses a file.
func TestFolder_isAStore(t *testing.T) {
	for what, s := range map[string]Store{
		"links":    NewFolder(filepath.Join(t.TempDir(), "a", "b")),
		"no links": withoutLinks(filepath.Join(t.TempDir(), "c")),
		"memory":   newMemory(),
	} {
		t.Run(what, func(t *testing.T) { checkStore(t, s) })
	}
}

func checkStore(t *testing.T, s Store) {
	ctx := context.Background()
	must := func(name, want string) {
		t.Helper()
		if text, err := read(ctx, s, name, 100); string(text) != want || err != nil {
			t.Errorf("%s is %q, %v, want %q", name, text, err, want)
		}
	}
	if entries, err := list(ctx, s, ""); len(entries) > 0 || err != nil {
		t.Errorf("at first there is %v, %v", entries, err)
	}
	if err := errors.Join(put(ctx, s, "beats/a", []byte("one"), Replace), put(ctx, s, "beats/a", []byte("two"), Replace),
		put(ctx, s, "files/0c/b", nil, OnlyNew), s.Remove(ctx, "beats/none"), s.Remove(ctx, "none/x")); err != nil {
		t.Fatal(err)
	}
	must("beats/a", "two")
	must("files/0c/b", "")
	if err := put(ctx, s, "beats/a", []byte("three"), OnlyNew); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over something: %v", err)
	}
	must("beats/a", "two")
	for _, content := range []string{"", "12", "1234"} {
		if err := s.Put(ctx, "beats/a", strings.NewReader(content), 3, Replace); err == nil {
			t.Errorf("%q has 3 bytes", content)
		}
	}
	broken := io.MultiReader(strings.NewReader("12"), iotest.ErrReader(errors.New("broken")))
	if err := s.Put(ctx, "beats/a", broken, 3, Replace); err == nil {
		t.Error("a reader failed")
	}
	must("beats/a", "two")
	if err := s.Copy(ctx, "beats/a", "files/0d/c"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(ctx, "beats/a"); err != nil {
		t.Error(err)
	}
	must("files/0d/c", "two")
	if err := s.Copy(ctx, "beats/a", "files/0e/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy of nothing: %v", err)
	}
	if _, err := s.Open(ctx, "beats/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	for prefix, want := range map[string]int{"": 2, "files/": 2, "files/0c/": 1, "files/0": 2, "beats/": 0, "x": 0} {
		entries, err := list(ctx, s, prefix)
		var names []string
		for _, e := range entries {
			if !strings.HasSuffix(e.Name, ".lock") {
				names = append(names, e.Name)
			}
		}
		if len(names) != want || err != nil {
			t.Errorf("%q: %v, %v", prefix, entries, err)
		}
	}
	onlyOneIsNew(t, s)
}

// onlyOneIsNew checks that of many at once one gets a name.
func onlyOneIsNew(t *testing.T, s Store) {
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := put(context.Background(), s, "backups/x", []byte{byte(i)}, OnlyNew)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were the only one", won.Load())
	}
}

// A folder may be anybody's, and full of links.
func TestFolder_staysInside(t *testing.T) {
	ctx := context.Background()
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Symlink(outside, filepath.Join(dir, "files")),
		os.Symlink(secret, filepath.Join(dir, marker)))
	if err != nil {
		t.Skip(err)
	}
	s := NewFolder(dir)
	for _, name := range []string{"files/secret", marker, "../secret", secret} {
		if text, err := read(ctx, s, name, 100); err == nil {
			t.Errorf("%s: read %q", name, text)
		}
		_ = put(ctx, s, name, []byte("changed"), Replace)
		_ = s.Remove(ctx, name)
		_ = s.Copy(ctx, name, "beats/a")
	}
	if text, err := os.ReadFile(secret); string(text) != "secret" {
		t.Errorf("it is %q, %v", text, err)
	}
	if entries, err := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
