package torture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// copiesVariable names the directory in which a process that writes until it is killed makes copies as well.
const copiesVariable = "LIGHTNING_TORTURE_COPIES"

// copyRounds is how many kills there are for each one of a process that makes copies.
const copyRounds = 4

// What is in the directory of copies.
const (
	copyCheckpoint = "checkpoint"
	copyStream     = "stream.tar"
	copyRestored   = "restored" // of the stream
	copyFetched    = "fetched"  // of the repository
	copyRepository = "repository"
	copyOld        = "old" // what is being removed
)

// copiesDir is where the copies of a database are.
func (k *Killer) copiesDir() string { return k.Dir + "-copies" }

// makeDir makes a directory as the product does, under any umask.
func makeDir(name string) error {
	dir, err := vfs.OpenDir(name, vfs.OpenDirOptions{Create: true})
	if err == nil {
		err = dir.Close()
	}
	return err
}

// copyOn makes one copy after the other of each kind, until it is killed or one fails.
func copyOn(db *lightningdb.DB, dir string) error {
	ctx := context.Background()
	repository, err := backup.OpenFolder(filepath.Join(dir, copyRepository))
	for n := 1; err == nil; n++ {
		if err = discard(dir, copyCheckpoint); err == nil {
			_, err = db.Checkpoint(ctx, filepath.Join(dir, copyCheckpoint), nil)
		}
		if err == nil {
			err = streamTo(db, filepath.Join(dir, copyStream))
		}
		if err = errors.Join(err, discard(dir, copyRestored)); err == nil {
			err = restoreFrom(filepath.Join(dir, copyStream), filepath.Join(dir, copyRestored))
		}
		var made *backup.Created
		if err == nil {
			made, err = repository.Create(ctx, db, nil)
		}
		if err = errors.Join(err, discard(dir, copyFetched)); err == nil {
			err = repository.Restore(ctx, made.ID, filepath.Join(dir, copyFetched), nil)
		}
		if err == nil && n%3 == 0 {
			_, err = repository.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 2}})
		}
	}
	return fmt.Errorf("copy: %w", err)
}

// discard removes a directory. While that goes on it has another name.
func discard(dir, name string) error {
	err := os.RemoveAll(filepath.Join(dir, copyOld))
	if err == nil {
		err = os.Rename(filepath.Join(dir, name), filepath.Join(dir, copyOld))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func streamTo(db *lightningdb.DB, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // with what a umask has left it
		return err
	}
	out, err := os.Create(name)
	if err == nil {
		_, err = db.Backup(context.Background(), out, nil)
		err = errors.Join(err, out.Close())
	}
	return err
}

func restoreFrom(name, dir string) error {
	_ = os.Chmod(name, 0o600) // a umask may have left nothing of its mode
	in, err := os.Open(name)
	if err == nil {
		_, err = backup.Restore(context.Background(), in, dir, nil)
		err = errors.Join(err, in.Close())
	}
	return err
}

// judgeCopies judges what a kill has left of the copies of db.
func (k *Killer) judgeCopies(db *lightningdb.DB) error {
	k.Stats.Copies++
	dir := k.copiesDir()
	for _, name := range []string{copyCheckpoint, copyRestored, copyFetched} {
		err := k.judgeCopy(db, filepath.Join(dir, name))
		if errors.Is(err, errUnfinished) && name == copyCheckpoint {
			k.Stats.CopiesUnfinished++
			err = nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	again := filepath.Join(dir, "again")
	err := restoreFrom(filepath.Join(dir, copyStream), again)
	switch {
	case err == nil:
		err = errors.Join(k.judgeCopy(db, again), os.RemoveAll(again))
	case errors.Is(err, backup.ErrBadBackup):
		k.Stats.CopiesUnfinished++
		err = nil
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", copyStream, err)
	}
	return k.judgeRepository(db, again)
}

// errUnfinished says of a directory that it is refused as a copy that was interrupted.
var errUnfinished = errors.New("the copy is unfinished")

// judgeCopy demands that the database in dir, if there is one, is db after a commit.
func (k *Killer) judgeCopy(db *lightningdb.DB, dir string) (err error) {
	opts := killOptions()
	opts.MustExist = true
	copied, err := lightningdb.Open(dir, opts)
	_, marked := os.Stat(filepath.Join(dir, manifest.Unfinished))
	switch {
	case errors.Is(err, lightningdb.ErrNotDatabase) && marked == nil && strings.Contains(err.Error(), "remove"):
		return errUnfinished
	case errors.Is(err, lightningdb.ErrNoDatabase) || errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	for w := range writers {
		n, err := head(copied, w)
		if err != nil {
			return err
		}
		all, err := head(db, w)
		if err == nil && n > all {
			k.Stats.WrongData++
			err = fmt.Errorf("of writer %d it has commit %d, and the database ends at %d", w, n, all)
		}
		if err != nil {
			return err
		}
		if err := checkWriter(copied, w, n); err != nil {
			k.Stats.TornTxns++
			return fmt.Errorf("writer %d: %w", w, err)
		}
	}
	k.Stats.CopiesWhole++
	return copied.Verify(context.Background(), nil)
}

// judgeRepository demands that every backup in the repository is whole, and restores the newest to a directory.
func (k *Killer) judgeRepository(db *lightningdb.DB, to string) error {
	ctx := context.Background()
	repository, err := backup.OpenFolder(filepath.Join(k.copiesDir(), copyRepository))
	if err == nil {
		err = repository.Verify(ctx, &backup.VerifyOptions{ReadData: true})
	}
	if errors.Is(err, backup.ErrNotRepository) { // nothing had begun
		return nil
	}
	if err != nil {
		return err
	}
	backups, err := repository.List(ctx)
	if err != nil || len(backups) == 0 {
		return err
	}
	if err := repository.Restore(ctx, backups[len(backups)-1].ID, to, nil); err != nil {
		return err
	}
	return errors.Join(k.judgeCopy(db, to), os.RemoveAll(to))
}

// CopiesEnd waits until the processes that made copies pass for dead, and demands that nothing of them is in the way.
func (k *Killer) CopiesEnd() (err error) {
	db, err := lightningdb.Open(k.Dir, killOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	repository, err := backup.OpenFolder(filepath.Join(k.copiesDir(), copyRepository))
	if err == nil {
		_, err = repository.Create(context.Background(), db, nil)
	}
	if err != nil {
		return err
	}
	report, err := repository.Prune(context.Background(), backup.PruneOptions{Keep: backup.Keep{Last: 1}})
	if err == nil && (report.InUse || len(report.Kept) != 1) {
		err = fmt.Errorf("a prune at the end: in use %v, %d kept", report.InUse, len(report.Kept))
	}
	return errors.Join(err, k.judgeRepository(db, filepath.Join(k.copiesDir(), "again")))
}
