package cli

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lightningdb/cmd/internal/console"
)

// A user who is told to free space on a disk that has some would free it in vain: the inodes are used up.
func TestNoSpace_saysWhatIsMissing(t *testing.T) {
	noise := make([]byte, 300<<10) // does not compress
	_, _ = rand.Read(noise)
	value := string(noise)
	for options, want := range map[string]string{
		"size=1m":      "; free some space and run it again\n",
		"nr_inodes=10": "the file system is out of inodes\n",
	} {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
			t.Skip("needs to mount a file system: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		db := filepath.Join(dir, "db")
		var got outcome
		for i := 0; i < 60 && got.code == console.ExitOK; i++ {
			got = lightning(t, value, "put", db, "k"+strconv.Itoa(i), "-")
			if strings.HasPrefix(options, "nr_inodes") {
				_ = os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600) // until no more can be made
			}
		}
		if got.code != console.ExitNoSpace || !strings.HasSuffix(got.err, want) ||
			strings.Count(got.err, "no space left") != 1 {
			t.Errorf("%s: %+v", options, got)
		}
		source := filepath.Join(t.TempDir(), "db")
		must(t, "put", source, "k", strings.Repeat(value, 6))
		got = lightning(t, "", "export", source, filepath.Join(dir, "x.jsonl"))
		if got.code != console.ExitNoSpace || !strings.HasSuffix(got.err, want) ||
			strings.Count(got.err, "no space left") != 1 {
			t.Errorf("%s: export: %+v", options, got)
		}
	}
}
