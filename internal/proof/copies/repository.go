package copies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"lightningdb/backup"
	"lightningdb/internal/checkpoint"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs"
)

// repository is backups of one source.
type repository struct {
	*Trial
	source *source
	bucket *bucket
}

// newRepository makes some backups of a source that does something in between.
func (t *Trial) newRepository() (*repository, error) {
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	r := &repository{t, s, &bucket{files: make(map[string][]byte)}}
	for range 3 {
		for range 4 {
			s.move()
		}
		if err = errors.Join(s.err, r.create(&line{bucket: r.bucket}, s)); err != nil {
			s.Abandon()
			return nil, err
		}
	}
	return r, nil
}

func (r *repository) create(to *line, from backup.Source) error {
	opened, err := backup.Open(context.Background(), to)
	if err == nil {
		_, err = opened.Create(context.Background(), from, nil)
	}
	return err
}

func (r *repository) prune(to *line) error {
	opened, err := backup.Open(context.Background(), to)
	if err == nil {
		_, err = opened.Prune(context.Background(), backup.PruneOptions{Keep: backup.Keep{Last: 1}})
	}
	return err
}

// backups are those in a bucket, whose data must be whole, the oldest first.
func (r *repository) backups(b *bucket) ([]backup.Backup, *backup.Repository, error) {
	opened, err := backup.Open(context.Background(), &line{bucket: b})
	if err == nil {
		err = opened.Verify(context.Background(), &backup.VerifyOptions{ReadData: true})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("what is in the repository: %w", err)
	}
	all, err := opened.List(context.Background())
	return all, opened, err
}

// calm is how much fewer calls a repository gets than a directory: more of them are tried.
const calm = 4

// failures are the ways in which calls of the store fail.
func failures() []failure {
	return []failure{{err: syscall.EIO}, {err: syscall.ENOSPC, after: true}, {err: errGone, gone: true},
		{err: errGone, gone: true, after: true}}
}

// interruptRepositories makes each call to the store fail, of a Create, a Prune and a Restore.
func (t *Trial) interruptRepositories() error {
	r, err := t.newRepository()
	if err != nil {
		return err
	}
	defer r.source.Abandon()
	var left []*bucket // with a claim whose owner is gone
	for _, kind := range []struct {
		what string
		do   func(to *line) error
	}{
		{"create", func(to *line) error { return r.create(to, r.source) }},
		{"prune", r.prune},
	} {
		t.each(t.stride/calm, func(n int) bool {
			more := false
			for _, how := range failures() {
				to := &line{bucket: r.bucket.clone(), failure: how, at: n + 1}
				where := fmt.Sprintf("%s, %v at call %d of the store, after its effect %v", kind.what, how.err, n, how.after)
				r.source.move()
				if err := r.interrupted(where, to, kind.do(to)); err != nil {
					t.fail(where, err)
				}
				if more = more || to.hit; len(to.names("prunes/"))+len(to.names("leases/")) > 0 {
					left = append(left, to.bucket)
				}
			}
			return more
		})
	}
	if t.Patient {
		r.outlive(left)
	}
	return r.interruptRestores()
}

// interrupted judges what a Create or Prune has left that met a failure and returned err, and makes the next backup.
// That waits for nobody, unless a Prune is gone.
func (r *repository) interrupted(where string, to *line, err error) error {
	if !to.hit {
		return err
	}
	r.Stats.Runs++
	if to.gone {
		r.Stats.Killed++
	} else {
		r.Stats.Faults++
	}
	if err == nil {
		r.Stats.Absorbed++
	} else if !errors.Is(err, to.err) && !errors.Is(err, backup.ErrLeaseLost) && !errors.Is(err, backup.ErrPruneStopped) {
		return fmt.Errorf("the error is another one: %w", err)
	}
	before, _, err := r.backups(to.bucket)
	if err != nil || len(before) == 0 {
		return fmt.Errorf("%d backups are left: %w", len(before), err)
	}
	if len(to.names("prunes/")) > 0 {
		return nil
	}
	b := to.bucket.clone()
	if err := r.create(&line{bucket: b}, r.source); err != nil {
		return fmt.Errorf("the next backup: %w", err)
	}
	all, opened, err := r.backups(b)
	if err == nil && len(all) != len(before)+1 {
		err = fmt.Errorf("of %d backups and one more there are %d", len(before), len(all))
	}
	if err != nil || r.rng.IntN(4) > 0 {
		return err
	}
	return r.restored(opened, all[r.rng.IntN(len(all))], nil)
}

// outlive prunes repositories in which the claim of a process is left that is gone. That takes ten seconds, of all at
// once. Then a backup is made, and each file is needed that is there.
func (r *repository) outlive(left []*bucket) {
	source := constant{checkpoint.Source{Tree: r.source.Engine.Tree()}}
	var wait sync.WaitGroup
	errs := make([]error, len(left))
	for i, b := range left {
		wait.Go(func() {
			errs[i] = errors.Join(r.create(&line{bucket: b}, source), r.prune(&line{bucket: b}))
		})
	}
	wait.Wait()
	for i, b := range left {
		all, _, err := r.backups(b)
		if err = errors.Join(errs[i], err); err == nil && len(all) != 1 {
			err = fmt.Errorf("there are %d backups", len(all))
		}
		for _, name := range b.names("") {
			if dir, _, ok := strings.Cut(name, "/"); ok && dir != "files" && dir != "backups" && err == nil {
				err = fmt.Errorf("%s is left", name)
			}
		}
		if err != nil {
			r.fail("after a process that is gone", err)
		}
	}
}

// constant is a source that is not used meanwhile.
type constant struct{ copies checkpoint.Source }

// Copies is that of backup.Source.
func (c constant) Copies() checkpoint.Source { return c.copies }

// target is a directory to restore to, and what ends its use.
func (t *Trial) target() (dir string, end func() error, err error) {
	parent, err := os.MkdirTemp(t.Dir, "restored-")
	return filepath.Join(parent, "db"), func() error { return os.RemoveAll(parent) }, err
}

// restored restores a backup and compares it with the state that it is of. Between the two tries first is made, if it
// is not nil, which fails.
func (r *repository) restored(opened *backup.Repository, b backup.Backup, first func(dir string) error) (err error) {
	dir, end, err := r.target()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if first != nil {
		if err := first(dir); err != nil {
			return err
		}
	}
	if err := opened.Restore(context.Background(), b.ID, dir, nil); err != nil {
		return err
	}
	if names, _ := os.ReadDir(filepath.Dir(dir)); len(names) != 1 {
		return fmt.Errorf("a restore has left %v", names)
	}
	return r.judgeDir(dir, b)
}

// judgeDir compares what was restored with the state that the backup is of.
func (r *repository) judgeDir(dir string, b backup.Backup) error {
	db, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	last, entries, err := content(db)
	if err = errors.Join(err, db.Close()); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	r.Stats.Restored++
	if last != key.SeqNum(b.Sequence) {
		return wrong("it ends at %d, and the backup at %d", last, b.Sequence)
	}
	return r.source.isState(last, entries)
}

// interruptRestores makes each call to the store fail, of a Restore.
func (r *repository) interruptRestores() error {
	all, opened, err := r.backups(r.bucket)
	if err != nil {
		return err
	}
	b := all[r.rng.IntN(len(all))]
	r.each(r.stride/calm, func(n int) bool {
		to := &line{bucket: r.bucket, failure: failure{err: syscall.EIO, gone: n%2 == 0}, at: n + 1}
		err := r.restored(opened, b, func(dir string) error {
			broken, err := backup.Open(context.Background(), to)
			if err == nil {
				err = broken.Restore(context.Background(), b.ID, dir, nil)
			}
			if !to.hit {
				return errors.Join(err, os.RemoveAll(dir))
			}
			r.Stats.Runs++
			r.Stats.Faults++
			if _, there := os.Stat(dir); !errors.Is(err, to.err) || there == nil {
				return fmt.Errorf("a restore that met it: %v; the target is there: %v", err, there == nil)
			}
			return nil
		})
		if err != nil {
			r.fail(fmt.Sprintf("restore, a failure at call %d of the store", n), err)
		}
		return to.hit
	})
	return nil
}

// damagedRepositories is how many damages a repository gets.
const damagedRepositories = 12

// damageRepositories changes files of a repository: what is restored is what was backed up, or nothing, and nothing is
// pruned that a backup may need.
func (t *Trial) damageRepositories() error {
	r, err := t.newRepository()
	if err != nil {
		return err
	}
	defer r.source.Abandon()
	all, _, err := r.backups(r.bucket)
	for n := 0; n < damagedRepositories && err == nil; n++ {
		t.watchdog.Reset(torture.Watchdog)
		b := all[t.rng.IntN(len(all))]
		damaged := r.bucket.clone()
		what := r.damageFile(damaged)
		if err := r.judgeDamaged(damaged, b); err != nil {
			t.fail(what, err)
		}
	}
	return err
}

// damageFile damages one file of a bucket, removes it, or puts another in its place, and says what it did.
func (r *repository) damageFile(b *bucket) (what string) {
	r.Stats.Runs++
	r.Stats.Damages++
	names := b.names("")
	name, other := names[r.rng.IntN(len(names))], names[r.rng.IntN(len(names))]
	switch r.rng.IntN(6) {
	case 0:
		delete(b.files, name)
		return name + " removed"
	case 1:
		b.files[name], b.files[other] = b.files[other], b.files[name]
		return fmt.Sprintf("%s and %s exchanged", name, other)
	default:
		b.files[name], what = r.damage(b.files[name])
		return name + ": " + what
	}
}

// judgeDamaged restores a backup of a bucket that was damaged, verifies and prunes that.
func (r *repository) judgeDamaged(damaged *bucket, b backup.Backup) (err error) {
	dir, end, err := r.target()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	opened, err := backup.Open(context.Background(), &line{bucket: damaged})
	if err == nil {
		err = opened.Restore(context.Background(), b.ID, dir, nil)
	}
	if err == nil {
		r.Stats.Harmless++
		return errors.Join(r.judgeDir(dir, b), r.prunesNothing(opened, damaged))
	}
	r.Stats.Noticed++
	if !refusesDamage(err) {
		return fmt.Errorf("it is refused as something else: %w", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) > 0 {
		return fmt.Errorf("a restore that was refused has left %v", left)
	}
	if opened == nil { // the repository as a whole was refused
		return nil
	}
	if err := opened.Verify(context.Background(), &backup.VerifyOptions{ReadData: true}); err == nil &&
		slices.Contains(damaged.names("backups/"), "backups/"+b.ID+".json") {
		return errors.New("a restore refuses what Verify takes for whole")
	}
	return r.prunesNothing(opened, damaged)
}

// refusesDamage reports whether err is one of those by which a damaged repository is refused.
func refusesDamage(err error) bool {
	return errors.Is(err, backup.ErrBadBackup) || errors.Is(err, backup.ErrNotRepository) ||
		errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "use a newer one")
}

// prunesNothing prunes. If that is refused, because a backup cannot be read, no file is removed.
func (r *repository) prunesNothing(opened *backup.Repository, damaged *bucket) error {
	before := damaged.names("files/")
	_, err := opened.Prune(context.Background(), backup.PruneOptions{Keep: backup.Keep{Last: 1}})
	if err != nil && !refusesDamage(err) {
		return fmt.Errorf("prune: %w", err)
	}
	if err != nil && !slices.Equal(before, damaged.names("files/")) {
		return errors.New("a prune that was refused has removed files")
	}
	return nil
}
