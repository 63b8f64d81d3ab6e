//go:build unix

package backup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

// Whoever finds a link or a pipe in the place of a file of a repository would take it for a failure of the disk, and
// the exit code of the command with them; or wait for ever for somebody to write to the pipe.
func TestRepository_refusesWhatIsNoFile(t *testing.T) {
	place := filepath.Join(t.TempDir(), "repository")
	r := open(t, backup.NewFolder(place))
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), &lightningdb.Options{Archive: backup.NewArchive(r),
		ArchiveInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 0, 100, "")
	made := create(t, r, db, nil)
	waitForArchive(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	description := filepath.Join(place, "backups", made.ID+".json")
	text, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(place, "files", "*", "*"))
	named := files[0]
	for _, file := range files { // others are those of the archive's own backup, perhaps with the same content
		digest, upload, _ := strings.Cut(filepath.Base(file), "-")
		if strings.Contains(string(text), digest) && strings.Contains(string(text), upload) {
			named = file
		}
	}
	pieces, _ := filepath.Glob(filepath.Join(place, "archive", "*", "*", "*"))
	for _, name := range []string{description, named, pieces[0], pieces[len(pieces)-1]} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, put := range map[string]func() error{
			"a pipe":      func() error { return syscall.Mkfifo(name, 0o600) },
			"a directory": func() error { return os.Mkdir(name, 0o700) },
			"a link":      func() error { return os.Symlink(strings.Repeat("x", min(len(content), 1000)), name) },
		} {
			if err := errors.Join(os.Remove(name), put()); err != nil {
				t.Fatal(err)
			}
			err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: true})
			isPiece := strings.Contains(name, "archive")
			if unseen := what == "a directory" && isPiece || what == "a directory" && name == description; !unseen &&
				!errors.Is(err, backup.ErrBadBackup) && !errors.Is(err, backup.ErrBadPiece) {
				t.Errorf("%s in the place of %s: verify: %v", what, name, err) // an empty directory List does not show
			}
			if err := r.Restore(t.Context(), made.ID, filepath.Join(t.TempDir(), "db"), nil); !isPiece &&
				!errors.Is(err, backup.ErrBadBackup) {
				t.Errorf("%s in the place of %s: restore: %v", what, name, err)
			}
			if err := errors.Join(os.Remove(name), os.WriteFile(name, content, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Errorf("with all of them back: %v", err)
	}
}
