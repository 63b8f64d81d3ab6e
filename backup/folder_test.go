package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// A umask that takes the owner's rights leaves a directory without any if a kill comes before they are given back.
func TestFolder_letsItselfIntoWhatAKillHasLeft(t *testing.T) {
	dir := t.TempDir()
	store := NewFolder(dir)
	put := func(name string) error {
		return store.Put(t.Context(), name, strings.NewReader("x"), 1, OnlyNew)
	}
	if err := put("files/00/a"); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"files/11", "files/22"} {
		if err := os.Mkdir(filepath.Join(dir, left), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := NewFolder(dir).Put(t.Context(), "files/11/b", strings.NewReader("x"), 1, OnlyNew); err != nil {
		t.Error(err)
	}
	n := 0
	for _, err := range store.List(t.Context(), "files/") {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "files", "22")); n != 2 || err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%d files, %v, %v", n, info.Mode(), err)
	}
}
