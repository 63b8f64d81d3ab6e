package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"

	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
)

var (
	// ErrNotRepository says that a folder or another Store has something else, or nothing yet. Use errors.Is.
	ErrNotRepository = errors.New("this is no repository of backups")

	// ErrLeaseLost says that a Create stood still for so long that a Prune took it for dead, and that its backup is not
	// there. What it has moved need not be moved again, unless a Prune has removed it. Use errors.Is.
	ErrLeaseLost = errors.New("the backup took a break that was too long, and was given up: make it again")

	// ErrPruning says that another Prune is at work. Use errors.Is.
	ErrPruning = errors.New("the repository is being pruned: wait until that has ended")

	// ErrPruneStopped says that a Prune stood still for so long that it was taken for dead. What it has removed was to
	// be removed. Use errors.Is.
	ErrPruneStopped = errors.New("the prune took a break that was too long, and ends: begin it again")
)

// Repository is a Store with backups; see the package.
type Repository struct {
	store  Store
	random func() uint64
}

// OpenFolder opens the repository in directory dir. An empty directory, or one that is not there, becomes a repository
// by the first Create. One with anything else is refused with ErrNotRepository.
func OpenFolder(dir string) (*Repository, error) { return Open(context.Background(), NewFolder(dir)) }

// Open opens the repository in a Store, as OpenFolder does.
func Open(ctx context.Context, s Store) (*Repository, error) {
	ctx = calls.OrBackground(ctx)
	r := &Repository{store: s, random: rand.Uint64}
	err := r.check(ctx)
	if errors.Is(err, ErrNotRepository) {
		err = r.checkEmpty(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	return r, nil
}

// checkEmpty refuses a Store in which there is something, unless somebody has made it a repository just now.
func (r *Repository) checkEmpty(ctx context.Context) error {
	for e, err := range r.store.List(ctx, "") {
		if err != nil {
			return err
		}
		if strings.HasPrefix(e.Name, uploads) { // somebody is about to, or was killed then
			continue
		}
		if err := r.check(ctx); err != nil {
			return fmt.Errorf("%w, and it holds %s", err, e.Name)
		}
		return nil
	}
	return nil
}

// marker is what makes a Store a repository: its first file.
const marker = "lightning-repository.json"

// identity is the marker's content.
type identity struct {
	Format int    `json:"format"`
	ID     string `json:"id"` // random, in hexadecimal
}

// check refuses a Store that is no repository, or one of a newer program.
func (r *Repository) check(ctx context.Context) error {
	text, err := read(ctx, r.store, marker, 1<<20)
	if vfs.IsNotExist(err) {
		return fmt.Errorf("%w: there is no %s", ErrNotRepository, marker)
	}
	if err != nil {
		return err
	}
	var i identity
	if err := json.Unmarshal(text, &i); err != nil || i.Format < 1 {
		return fmt.Errorf("%w: its %s is damaged", ErrNotRepository, marker)
	}
	if i.Format > repositoryFormat {
		return newer("the repository", i.Format)
	}
	return nil
}

// make makes the Store a repository, unless it is one.
func (r *Repository) make(ctx context.Context) error {
	if found, err := exists(ctx, r.store, marker); found || err != nil {
		return errors.Join(err, r.check(ctx))
	}
	id := fmt.Sprintf("%016x%016x", r.random(), r.random())
	text, err := json.MarshalIndent(identity{repositoryFormat, id}, "", "\t")
	if err == nil {
		err = put(ctx, r.store, marker, append(text, '\n'), OnlyNew)
	}
	if errors.Is(err, fs.ErrExist) { // another Create was faster
		err = r.check(ctx)
	}
	return err
}

// List returns all backups, the oldest first. The error lists those that cannot be read; the others are returned all
// the same.
func (r *Repository) List(ctx context.Context) (backups []Backup, err error) {
	ctx = calls.OrBackground(ctx)
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	var damage []error
	err = r.each(ctx, func(_ string, d *description, err error) error {
		if err != nil {
			damage = append(damage, err)
			return nil
		}
		backups = append(backups, d.backup())
		return nil
	})
	slices.SortStableFunc(backups, func(a, b Backup) int { // several of one second have no order by their ids
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Sequence, b.Sequence))
	})
	return backups, errors.Join(append(damage, err)...)
}

// each calls fn for each backup, in the order of their ids, with the error why it cannot be read in the place of its
// description. It ends with an error of fn, and with its own.
func (r *Repository) each(ctx context.Context, fn func(id string, d *description, err error) error) error {
	entries, err := list(ctx, r.store, backupDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := parseDescriptionName(e.Name)
		if !ok {
			continue
		}
		d, err := r.description(ctx, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fn(id, d, err); err != nil {
			return err
		}
	}
	return nil
}

func noBackup(id string) error {
	return fmt.Errorf("there is no backup %q in the repository: %w", id, fs.ErrNotExist)
}

// Difference is how much of two backups is the same. Files are the same if their contents are.
type Difference struct {
	OnlyA, OnlyB, Both Amount
}

// Diff compares two backups. The error is fs.ErrNotExist if one of them is not there.
func (r *Repository) Diff(ctx context.Context, a, b string) (diff Difference, err error) {
	ctx = calls.OrBackground(ctx)
	if err := r.check(ctx); err != nil {
		return diff, err
	}
	inA, err := r.description(ctx, a)
	if err != nil {
		return diff, err
	}
	inB, err := r.description(ctx, b)
	if err != nil {
		return diff, err
	}
	contents := make(map[digestKey]int)
	for _, f := range inA.Files {
		contents[digestKey{f.Digest, f.Size}]++
	}
	for _, f := range inB.Files {
		if key := (digestKey{f.Digest, f.Size}); contents[key] > 0 {
			contents[key]--
			diff.Both.add(f.Size)
		} else {
			diff.OnlyB.add(f.Size)
		}
	}
	for key, n := range contents {
		for range n {
			diff.OnlyA.add(key.size)
		}
	}
	return diff, nil
}
