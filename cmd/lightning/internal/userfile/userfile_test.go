package userfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/internal/format/filename"
)

// says writes text.
func says(text string) func(io.Writer) error {
	return func(out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	}
}

func create(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// noneLeft fails if dir has temporary files, or others than it should.
func noneLeft(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != want {
		t.Errorf("%v, %v; want %d files", entries, err, want)
	}
}

// A file that somebody else needs would be gone.
func TestWrite_replacesOnlyWhenAsked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	create(t, path, "precious")
	if err := Write(t.Context(), path, Options{}, says("new")); !errors.Is(err, fs.ErrExist) ||
		content(t, path) != "precious" {
		t.Errorf("not asked: %v, %q", err, content(t, path))
	}
	if err := Write(t.Context(), path, Options{Replace: true}, says("new")); err != nil || content(t, path) != "new" {
		t.Errorf("asked: %v, %q", err, content(t, path))
	}
	if err := Write(t.Context(), dir, Options{}, says("new")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a directory: %v", err)
	}
	if err := Write(t.Context(), dir, Options{Replace: true}, says("new")); err == nil ||
		!strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	noneLeft(t, dir, 1)
}

// Half a file under the name that was asked for passes for a whole one.
func TestWrite_leavesNoHalfFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	broken := errors.New("broken")
	fail := func(out io.Writer) error { return errors.Join(says("half")(out), broken) }
	if err := Write(t.Context(), path, Options{}, fail); !errors.Is(err, broken) {
		t.Error(err)
	}
	noneLeft(t, dir, 0)
	create(t, path, "precious")
	if err := Write(t.Context(), path, Options{Replace: true}, fail); !errors.Is(err, broken) ||
		content(t, path) != "precious" {
		t.Errorf("%v, %q", err, content(t, path))
	}
	meanwhile := func(out io.Writer) error { create(t, path+".2", "theirs"); return says("ours")(out) }
	if err := Write(t.Context(), path+".2", Options{}, meanwhile); !errors.Is(err, fs.ErrExist) ||
		content(t, path+".2") != "theirs" {
		t.Errorf("a file that appeared meanwhile: %v, %q", err, content(t, path+".2"))
	}
	noneLeft(t, dir, 2)
}

// The longest name that a file may have leaves no room for the name of a temporary file made of it.
func TestWrite_takesTheLongestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := Write(t.Context(), path, Options{}, says("new")); err != nil {
		t.Error(err)
	}
}

// A database loses its lock, or a file of its data, to an export of itself.
func TestWrite_refusesFilesOfADatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, key := range []string{"in a table", "in the log"} {
		if err := errors.Join(db.Put([]byte(key), []byte("value")), db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	linked := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(dir, linked); err != nil {
		t.Skip("needs symbolic links: ", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 5 {
		t.Fatalf("%v, %v", entries, err)
	}
	names := []string{"000099.tbl", "MANIFEST-000099", "CURRENT-81617271"} // these are not there
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	for _, name := range names {
		path, link := filepath.Join(dir, name), filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Stat(path)
		for _, to := range []string{path, filepath.Join(linked, name), link} {
			if err := Write(t.Context(), to, Options{Replace: true}, says("new")); !errors.Is(err, ErrOfDatabase) {
				t.Errorf("%s: %v", to, err)
			}
		}
		if after, _ := os.Stat(path); (before != nil || after != nil) && !os.SameFile(before, after) {
			t.Errorf("%s was replaced", path)
		}
	}
	for _, free := range []string{filepath.Join(dir, "export.jsonl"), filepath.Join(t.TempDir(), "LOCK")} {
		if err := Write(t.Context(), free, Options{}, says("new")); err != nil {
			t.Errorf("%s: %v", free, err)
		}
	}
}

// A new kind of file would not be protected until this package, which cannot import the names, was told of it.
func TestIsOfDatabase_knowsEachKindOfFile(t *testing.T) {
	names := namesOfKinds()
	if len(names) < 6 {
		t.Fatalf("there are %d kinds", len(names))
	}
	for kind, name := range names {
		if parsed, _ := filename.Parse(name); parsed != kind || !isOfDatabase(name) {
			t.Errorf("%s, a file of kind %d, is not taken for one of the database", name, kind)
		}
	}
	for _, name := range []string{"", "7.tbl", "000007.tmp", "000007.wal.gz", "MANIFEST-7", "CURRENT-", "lock"} {
		if parsed, _ := filename.Parse(name); parsed != filename.Unknown || isOfDatabase(name) {
			t.Errorf("%s is taken for a file of the database", name)
		}
	}
}

// namesOfKinds are names of files of a database, one of each kind that there is.
func namesOfKinds() (names map[filename.Kind]string) {
	names = make(map[filename.Kind]string)
	defer func() { _ = recover() }() // there is no name for the kind behind the last
	for kind := filename.Unknown + 1; ; kind++ {
		names[kind] = filename.Make(kind, 7)
	}
}
