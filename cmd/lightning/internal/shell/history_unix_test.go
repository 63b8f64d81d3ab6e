//go:build unix

package shell

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lightningdb"
	"lightningdb/cmd/internal/interrupt"
	"lightningdb/cmd/lightning/internal/userfile"
)

// remember is a session of one line, with its history in the file of that name.
func remember(db *lightningdb.DB, name string) error {
	terminal, err := NewTerminal(name, New(Config{DB: db}).Complete)
	if err != nil {
		return err
	}
	terminal.remember("put a 1")
	return terminal.Close()
}

// The lines of a session would take the place of a file of the database.
func TestTerminal_historyIsNoFileOfTheDatabase(t *testing.T) {
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock := filepath.Join(db.Path(), "LOCK")
	before, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := remember(db, lock); !errors.Is(err, userfile.ErrOfDatabase) {
		t.Errorf("the lock file of the database: %v", err)
	}
	if after, err := os.ReadFile(lock); err != nil || string(after) != string(before) {
		t.Errorf("the lock file was %q and is %q, %v", before, after, err)
	}
}

// A session whose lines go to a FIFO or behind a link would replace it when it ends, or never end.
func TestTerminal_historyReplacesNoNode(t *testing.T) {
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	remember := func(name string) error { return remember(db, name) }
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("get a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := remember(link); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil || string(text) != "get a\nput a 1\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %q, %v, mode %v, %v", text, err, info.Mode(), statErr)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("needs FIFOs: ", err)
	}
	if err := remember(fifo); err == nil || !strings.Contains(err.Error(), "history: ") {
		t.Errorf("a FIFO without a reader: %v", err)
	}
	reader, err := interrupt.Open(context.Background(), fifo, os.O_RDWR, 0) // opens at once: it is its own writer
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := remember(fifo); err != nil {
		t.Error(err)
	}
	got := make([]byte, 100)
	n, err := reader.Read(got)
	if info, statErr := os.Lstat(fifo); statErr != nil || info.Mode()&fs.ModeNamedPipe == 0 ||
		string(got[:n]) != "put a 1\n" {
		t.Errorf("the FIFO is %v, %v; its reader got %q, %v", info, statErr, got[:n], err)
	}
}
