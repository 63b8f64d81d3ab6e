package scratch

import (
	"os"
	"path/filepath"
	"testing"
)

// A directory of somebody's, taken for scratch space, would be written over or removed.
func TestChoose_takesNoDirectoryInUse(t *testing.T) {
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Choose("test", used, false); err == nil {
		t.Error("a directory in use was taken")
	}
	own := t.TempDir()
	named, err := Choose("test", own, false)
	if err != nil || !named.Kept {
		t.Fatalf("%+v, %v", named, err)
	}
	named.Remove()
	if _, err := os.Stat(own); err != nil {
		t.Error("a directory that was asked for is gone: ", err)
	}
	for _, keep := range []bool{false, true} {
		temporary, err := Choose("test", "", keep)
		if err != nil {
			t.Fatal(err)
		}
		temporary.Remove()
		if _, err := os.Stat(temporary.Path); (err == nil) != keep {
			t.Errorf("keep %v: %v", keep, err)
		}
		os.RemoveAll(temporary.Path)
	}
}
