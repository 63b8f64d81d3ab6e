package copies_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"lightningdb"
	"lightningdb/backup"
)

// These tests know nothing but what the documents promise.

// newDB is a database with some rows.
func newDB(t *testing.T, o *lightningdb.Options) *lightningdb.DB {
	t.Helper()
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for i := range 300 {
		if err := db.Put(fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte{byte(i)}, 200)); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// mustBe demands that dir is a database with the rows of newDB, at least.
func mustBe(t *testing.T, what, dir string) {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{MustExist: true})
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer db.Close()
	for i := range 300 {
		v, err := db.Get(fmt.Appendf(nil, "%d", i))
		if err != nil || !bytes.Equal(v, bytes.Repeat([]byte{byte(i)}, 200)) {
			t.Errorf("%s: row %d: %d bytes, %v", what, i, len(v), err)
			return
		}
	}
}

// Close would wait for ever for a copy, or a copy that it has ended would be taken for one.
func TestPublic_closeDuringCopies(t *testing.T) {
	for round := range 4 {
		db := newDB(t, nil)
		dir := t.TempDir()
		repository, err := backup.OpenFolder(filepath.Join(dir, "repository"))
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		errs := make(map[string]error)
		var mu sync.Mutex
		var wait sync.WaitGroup
		for what, do := range map[string]func() error{
			"checkpoint": func() error {
				_, err := db.Checkpoint(t.Context(), filepath.Join(dir, "checkpoint"), nil)
				return err
			},
			"stream":     func() error { _, err := db.Backup(t.Context(), &stream, nil); return err },
			"repository": func() error { _, err := repository.Create(t.Context(), db, nil); return err },
		} {
			wait.Go(func() {
				err := do()
				mu.Lock()
				defer mu.Unlock()
				errs[what] = err
			})
		}
		for range rand.IntN(3000) {
			runtime.Gosched()
		}
		if err := db.Close(); err != nil {
			t.Errorf("round %d: close: %v", round, err)
		}
		wait.Wait()
		for what, err := range errs {
			if err != nil && !errors.Is(err, lightningdb.ErrClosed) {
				t.Errorf("round %d: %s: %v", round, what, err)
			}
		}
		if errs["checkpoint"] == nil {
			mustBe(t, "checkpoint", filepath.Join(dir, "checkpoint"))
		} else if names, _ := os.ReadDir(filepath.Join(dir, "checkpoint")); len(names) > 1 {
			t.Errorf("round %d: a checkpoint has left %v", round, names)
		}
		_, err = backup.Restore(t.Context(), &stream, filepath.Join(dir, "restored"), nil)
		switch {
		case errs["stream"] == nil && err == nil:
			mustBe(t, "stream", filepath.Join(dir, "restored"))
		case errs["stream"] == nil || err != nil && !errors.Is(err, backup.ErrBadBackup):
			t.Errorf("round %d: the stream (%v): %v", round, errs["stream"], err)
		}
		backups, err := repository.List(t.Context())
		if errs["repository"] == nil && (err != nil || len(backups) != 1) ||
			errs["repository"] != nil && len(backups) > 0 {
			t.Errorf("round %d: Create: %v; there are %d backups: %v", round, errs["repository"], len(backups), err)
		}
		if _, err := repository.Create(t.Context(), db, nil); !errors.Is(err, lightningdb.ErrClosed) {
			t.Errorf("Create of a closed database: %v", err)
		}
	}
}

// Arguments that make no sense would be taken, or leave something behind.
func TestPublic_argumentsAtTheirLimits(t *testing.T) {
	db := newDB(t, nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var whole bytes.Buffer
	if _, err := db.Backup(t.Context(), &whole, nil); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	fresh, half := filepath.Join(dir, "fresh"), whole.Bytes()[:whole.Len()/2]
	more := io.MultiReader(bytes.NewReader(whole.Bytes()), bytes.NewReader(noise))
	restore := func(r io.Reader, to string) error { _, err := backup.Restore(t.Context(), r, to, nil); return err }
	checkpoint := func(ctx context.Context, to string) error { _, err := db.Checkpoint(ctx, to, nil); return err }
	for what, c := range map[string]struct{ got, want error }{
		"checkpoint over the database itself":  {checkpoint(t.Context(), db.Path()), fs.ErrExist},
		"checkpoint over somebody's files":     {checkpoint(t.Context(), dir), fs.ErrExist},
		"checkpoint after its context's end":   {checkpoint(ended, fresh), context.Canceled},
		"restore over the database itself":     {restore(bytes.NewReader(whole.Bytes()), db.Path()), fs.ErrExist},
		"restore over somebody's files":        {restore(bytes.NewReader(whole.Bytes()), dir), fs.ErrExist},
		"restore of noise":                     {restore(bytes.NewReader(noise), fresh), backup.ErrBadBackup},
		"restore of nothing":                   {restore(bytes.NewReader(nil), fresh), backup.ErrBadBackup},
		"restore of a backup and more":         {restore(more, fresh), backup.ErrBadBackup},
		"a repository among somebody's files":  {second(backup.OpenFolder(dir)), backup.ErrNotRepository},
		"restore from a reader that has ended": {restore(bytes.NewReader(half), fresh), backup.ErrBadBackup},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	for what, err := range map[string]error{
		"checkpoint to a file":   checkpoint(t.Context(), file),
		"checkpoint to no name":  checkpoint(t.Context(), ""),
		"restore to a file":      restore(bytes.NewReader(whole.Bytes()), file),
		"restore to no name":     restore(bytes.NewReader(whole.Bytes()), ""),
		"a repository in a file": second(backup.OpenFolder(file)),
		"a backup to nobody":     func() error { _, err := db.Backup(t.Context(), nil, nil); return err }(),
	} {
		if err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("somebody's file has %q, %v", text, err)
	}
	if _, err := os.Stat(".restoring"); err == nil {
		t.Error("it left .restoring in the working directory")
	}
	mustBeOpen(t, db)
}

func mustBeOpen(t *testing.T, db *lightningdb.DB) {
	t.Helper()
	if err := errors.Join(db.Put([]byte("after"), nil), db.Verify(t.Context(), nil)); err != nil {
		t.Error(err)
	}
}

func second(_ *backup.Repository, err error) error { return err }

// A disk that is full at the other end would be taken for a backup.
func TestPublic_fullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	db := newDB(t, nil)
	if _, err := db.Backup(t.Context(), full, nil); err == nil {
		t.Error("a full disk took a backup")
	}
	mustBeOpen(t, db)
}

// Names of backups that lead elsewhere, and rules that keep nothing, are refused.
func TestPublic_repositoryAtItsLimits(t *testing.T) {
	db := newDB(t, nil)
	folder := filepath.Join(t.TempDir(), "repository")
	repository, err := backup.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.List(t.Context()); !errors.Is(err, backup.ErrNotRepository) {
		t.Errorf("a list of nothing: %v", err)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("to open a repository made it")
	}
	made, err := repository.Create(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "restored")
	for _, id := range []string{"", ".", "..", "../" + made.ID, made.ID + "/", made.ID + ".json", "nothing", "\x00"} {
		if err := repository.Restore(t.Context(), id, to, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("restore of %q: %v", id, err)
		}
		if _, err := repository.Diff(t.Context(), id, made.ID); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("difference to %q: %v", id, err)
		}
	}
	if _, err := repository.Prune(t.Context(), backup.PruneOptions{}); err == nil {
		t.Error("a rule that keeps nothing was taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repository.Create(ended, db, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("create after its context's end: %v", err)
	}
	if err := repository.Restore(ended, made.ID, to, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("restore after its context's end: %v", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("the target of a restore that has failed is there")
	}
	if err := repository.Restore(t.Context(), made.ID, to, nil); err != nil {
		t.Error(err)
	}
	mustBe(t, "restored", to)
	if err := repository.Verify(t.Context(), &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Error(err)
	}
}

// Databases of all kinds, each of which the documents let be copied: in memory, with followers, while a writer writes.
func TestPublic_copiesOfAllKinds(t *testing.T) {
	memory, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for i := range 300 {
		if err := memory.Put(fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte{byte(i)}, 200)); err != nil {
			t.Fatal(err)
		}
	}
	disk := newDB(t, nil)
	follower, err := lightningdb.OpenFollower(disk.Path(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	repository, err := backup.OpenFolder(filepath.Join(t.TempDir(), "repository"))
	if err != nil {
		t.Fatal(err)
	}
	type copied interface {
		backup.Source
		Checkpoint(ctx context.Context, dir string, progress func(done, total int64)) (uint64, error)
		Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (uint64, error)
	}
	for what, from := range map[string]copied{"in memory": memory, "on disk": disk, "a follower": follower} {
		dir := t.TempDir()
		var wait sync.WaitGroup
		for n := range 3 { // at once
			wait.Go(func() {
				to := filepath.Join(dir, fmt.Sprint("checkpoint", n))
				if _, err := from.Checkpoint(t.Context(), to, nil); err != nil {
					t.Errorf("%s: checkpoint: %v", what, err)
				}
				mustBe(t, what+": checkpoint", to)
				var stream bytes.Buffer
				if _, err := from.Backup(t.Context(), &stream, nil); err != nil {
					t.Errorf("%s: backup: %v", what, err)
				}
				to = filepath.Join(dir, fmt.Sprint("restored", n))
				if _, err := backup.Restore(t.Context(), &stream, to, nil); err != nil {
					t.Errorf("%s: restore: %v", what, err)
				}
				mustBe(t, what+": stream", to)
				made, err := repository.Create(t.Context(), from, nil)
				if err != nil {
					t.Errorf("%s: create: %v", what, err)
					return
				}
				to = filepath.Join(dir, fmt.Sprint("fetched", n))
				if err := repository.Restore(t.Context(), made.ID, to, nil); err != nil {
					t.Errorf("%s: restore of a repository: %v", what, err)
				}
				mustBe(t, what+": repository", to)
			})
		}
		wait.Wait()
	}
}

// Of restores to one target one wins, and the others are refused, whatever comes between what one of them looks at and
// what it does then. Nothing but the target is left.
func TestPublic_restoresToOneTarget(t *testing.T) {
	db := newDB(t, nil)
	var whole bytes.Buffer
	if _, err := db.Backup(t.Context(), &whole, nil); err != nil {
		t.Fatal(err)
	}
	repository, err := backup.OpenFolder(filepath.Join(t.TempDir(), "repository"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := repository.Create(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		above := t.TempDir()
		to := filepath.Join(above, "restored")
		var wait sync.WaitGroup
		errs := make([]error, 4)
		for n := range errs {
			wait.Go(func() {
				if n%2 == 0 {
					_, errs[n] = backup.Restore(t.Context(), bytes.NewReader(whole.Bytes()), to, nil)
				} else {
					errs[n] = repository.Restore(t.Context(), made.ID, to, nil)
				}
			})
		}
		wait.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, lightningdb.ErrLocked) && !errors.Is(err, fs.ErrExist):
				t.Errorf("round %d: refused by: %v", round, err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d of them report that they have made it: %v", round, won, errs)
		}
		if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
			t.Errorf("round %d: there is %v, %v", round, left, err)
		}
		mustBe(t, "restored", to)
	}
}
