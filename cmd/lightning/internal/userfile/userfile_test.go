package userfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
