package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
)

// Reached is what a replay has reached.
type Reached struct {
	Sequence uint64 // of the newest commit
	Commits  int    // that were applied
}

// Replay applies the commits of a plan to the database in dir, which is its backup. The directory is one that somebody
// makes a database of: it has the mark of that, and is locked. Each commit must get the sequence numbers that it had.
// progress is told of the newest sequence number.
func (p *Plan) Replay(ctx context.Context, s Store, dir vfs.FS, progress func(seq uint64)) (r Reached, err error) {
	e, err := engine.Open(engine.Options{FS: unmarked{dir}, MustExist: true,
		Codec: codec.Compressor{ID: codec.S2, Func: codec.EncodeS2}})
	if err != nil {
		return r, fmt.Errorf("open what the backup has: %w", err)
	}
	r.Sequence = uint64(e.Tree().Visible())
	if r.Sequence != p.Backup.Sequence {
		err = fmt.Errorf("%w: backup %s ends with commit %d, and says %d", ErrBadPiece, p.Backup.ID, r.Sequence,
			p.Backup.Sequence)
	}
	if err == nil {
		err = p.pieces(ctx, s, func(c commit) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b, err := batch.Decode(c.bytes, c.count)
			if err != nil {
				return err
			}
			last, err := e.Commit(&b, false)
			if errors.Is(err, engine.ErrTooManyRanges) { // the program had time to compact, or more memory
				if err = e.Compact(ctx, nil, nil); err == nil {
					last, err = e.Commit(&b, false)
				}
			}
			if err == nil && last != c.last() {
				err = fmt.Errorf("commit %d to %d became %d", c.first, c.last(), last)
			}
			if err == nil {
				r.Sequence, r.Commits = uint64(last), r.Commits+1
				progress(r.Sequence)
			}
			return err
		})
	}
	return r, errors.Join(err, e.Close())
}

// unmarked is a directory that is being made a database, for who makes it: without the mark, and with its lock taken.
type unmarked struct{ vfs.FS }

// List is that of vfs.FS.
func (u unmarked) List() ([]string, error) {
	names, err := u.FS.List()
	return slices.DeleteFunc(names, func(name string) bool { return name == manifest.Unfinished }), err
}

// FileSize is that of vfs.FS.
func (u unmarked) FileSize(name string) (int64, error) {
	if name == manifest.Unfinished {
		return 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return u.FS.FileSize(name)
}

// Lock is that of vfs.FS.
func (u unmarked) Lock(string, vfs.LockMode) (io.Closer, error) { return io.NopCloser(nil), nil }

// Close is that of vfs.FS.
func (u unmarked) Close() error { return nil }
