package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"lightningdb"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/target"
)

// fetchers is how many files are copied at once out of a repository.
const fetchers = 4

// Restore makes a database in directory dir, which must be new or empty, of a backup in the repository. It is the
// function Restore, but for one thing: what a restore that was interrupted has left in dir.restoring is used again, as
// far as it is whole. It is left there also when ctx ends or the Store fails.
//
// The error is fs.ErrNotExist if there is no such backup, ErrBadBackup if one of its files is missing or was changed,
// fs.ErrExist if dir is not empty, a *lightningdb.CorruptionError if what was backed up is damaged, and else that of
// ctx or of the Store. A Prune that removes the backup meanwhile makes it end. o may be nil.
func (r *Repository) Restore(ctx context.Context, id, dir string, o *RestoreOptions) error {
	ctx, o = calls.OrBackground(ctx), cmp.Or(o, &RestoreOptions{})
	err := r.check(ctx)
	var d *description
	if err == nil {
		d, err = r.description(ctx, id)
	}
	if err == nil {
		kept := func(err error) bool { return stays(o, err) }
		err = restore(ctx, dir, o, kept, func(ctx context.Context, into vfs.FS) error {
			f := &fetch{store: r.store, d: d, into: into, total: d.total(), progress: o.phase("restore")}
			return target.Continue(into, kept, func() error { return f.run(ctx) })
		})
	}
	if err != nil {
		return fmt.Errorf("restore backup %s to %s: %w", id, dir, err)
	}
	return nil
}

// stays reports whether what was copied until an error is of use for the next restore, and not in anybody's way.
func stays(o *RestoreOptions, err error) bool {
	return !o.VerifyOnly && !errors.Is(err, ErrBadBackup) && !errors.Is(err, lightningdb.ErrCorrupt) &&
		!errors.Is(err, vfs.ErrNoSpace)
}

// fetch copies a backup out of a repository.
type fetch struct {
	store Store
	d     *description
	into  vfs.FS

	progress func(done, total int64)
	total    int64
	mu       sync.Mutex
	done     int64 // guarded by mu, and so is the call of progress
}

func (f *fetch) run(ctx context.Context) error {
	if err := f.removeOthers(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan storedFile)
	var fetching sync.WaitGroup
	for range fetchers {
		fetching.Go(func() {
			for file := range next {
				if err := f.fetch(ctx, file); err != nil {
					cancel(fmt.Errorf("%s: %w", file.Name, err))
				}
			}
		})
	}
	for _, file := range f.d.Files {
		select {
		case next <- file:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	fetching.Wait()
	return context.Cause(ctx) // nil if nothing has canceled it
}

// removeOthers removes what an interrupted restore of another backup has left.
func (f *fetch) removeOthers() error {
	names, err := f.into.List()
	if err != nil {
		return err
	}
	ours := make(map[string]bool)
	for _, file := range f.d.Files {
		ours[file.Name] = true
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind == filename.Unknown || kind == filename.Lock || ours[name] {
			continue
		}
		if err := f.into.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// fetch copies a file, unless it is there.
func (f *fetch) fetch(ctx context.Context, file storedFile) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if whole, err := f.isWhole(ctx, file); whole || err != nil {
		if whole {
			f.tell(file.Size)
		}
		return err
	}
	if err := f.into.Remove(file.Name); err != nil && !vfs.IsNotExist(err) {
		return err
	}
	in, err := f.store.Open(ctx, file.place())
	if vfs.IsNotExist(err) {
		return bad("%s is missing", file.place())
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := f.into.Create(file.Name)
	if err != nil {
		return err
	}
	err = f.copy(ctx, in, out, file)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// isWhole reports whether an interrupted restore has left a file whole, and makes that durable.
func (f *fetch) isWhole(ctx context.Context, file storedFile) (bool, error) {
	if size, err := f.into.FileSize(file.Name); err != nil || size != file.Size {
		return false, nil
	}
	left, err := f.into.OpenReadWrite(file.Name)
	if err != nil {
		return false, nil
	}
	sum := sha256.New()
	_, err = io.Copy(sum, untilDone{ctx, io.NewSectionReader(left, 0, file.Size)})
	whole := err == nil && isDigest(sum, file)
	if whole {
		err = left.Sync()
	} else {
		err = nil // it is copied again
	}
	err = errors.Join(err, left.Close())
	return whole && err == nil, err
}

func isDigest(sum hash.Hash, file storedFile) bool {
	return hex.EncodeToString(sum.Sum(nil)) == file.Digest
}

func (f *fetch) copy(ctx context.Context, in io.Reader, out vfs.File, file storedFile) error {
	sum := sha256.New()
	n, err := vfs.CopyTo(ctx, out, in, file.Size, func(p []byte) {
		sum.Write(p)
		f.tell(int64(len(p)))
	})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return bad("%s ends before its %d bytes, after %d or more", file.place(), file.Size, n)
	}
	if err != nil {
		return err
	}
	if n, _ := in.Read(make([]byte, 1)); n > 0 {
		return bad("%s has more than %d bytes", file.place(), file.Size)
	}
	if !isDigest(sum, file) {
		return bad("%s was changed: its SHA-256 is %x", file.place(), sum.Sum(nil))
	}
	return nil
}

func (f *fetch) tell(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done += n
	f.progress(f.done, f.total)
}
