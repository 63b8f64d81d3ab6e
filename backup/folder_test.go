package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
