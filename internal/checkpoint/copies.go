package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
)

// Source is an open database, or a follower of one.
type Source struct {
	Tree  *tree.Tree
	Flush func() error // nil if it writes nothing

	// Begin is told that a backup begins, to a stream or a repository. It returns the context that the backup goes on
	// with, and what is told of its end. nil if nobody wants to know.
	Begin func(ctx context.Context, to string) (context.Context, func(sequence uint64, bytes int64, err error))
}

// BeginBackup is Begin, if there is one.
func (s Source) BeginBackup(ctx context.Context, to string) (
	within context.Context, end func(sequence uint64, bytes int64, err error)) {
	if s.Begin == nil {
		return ctx, func(uint64, int64, error) {}
	}
	return s.Begin(ctx, to)
}

// settle flushes, so that the tables of a copy are those of the source. What cannot be flushed, because the disk is
// full or writes have stopped, is written for the copy alone.
func (s Source) settle() {
	if s.Flush != nil {
		_ = s.Flush()
	}
}

// Checkpoint makes a copy in directory dir; see Write.
func (s Source) Checkpoint(ctx context.Context, dir string, progress func(done, total int64)) (seq uint64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("checkpoint to %s: %w", dir, err)
		}
	}()
	fs, err := vfs.OpenDir(dir, vfs.OpenDirOptions{Create: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, fs.Close()) }()
	s.settle()
	n, err := Write(ctx, s.Tree, fs, rand.Uint64, progress)
	return uint64(n), err
}

// Backup is WriteStream, of which it returns the sequence number.
func (s Source) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (uint64, error) {
	d, err := s.WriteStream(ctx, w, progress)
	if err != nil {
		return 0, err
	}
	return d.Sequence, nil
}

// WriteStream writes a copy as a stream; see Copy.WriteStream.
func (s Source) WriteStream(ctx context.Context, w io.Writer,
	progress func(done, total int64)) (d *Description, err error) {
	if w == nil {
		return nil, errors.New("back up: the writer is nil")
	}
	now := time.Now().UTC().Truncate(time.Second)
	ctx, end := s.BeginBackup(ctx, "stream")
	counted := &counter{Writer: w}
	defer func() {
		sequence := uint64(0)
		if d != nil {
			sequence = d.Sequence
		}
		end(sequence, counted.bytes, err)
	}()
	err = s.Copy(ctx, func(ctx context.Context, c *Copy) error {
		d, err = c.WriteStream(ctx, counted, now, progress)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	return d, nil
}

// counter is a writer that counts what it has written.
type counter struct {
	io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Copy calls fn with a copy; see Of.
func (s Source) Copy(ctx context.Context, fn func(ctx context.Context, c *Copy) error) (err error) {
	s.settle()
	temp, remove, err := temporary()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }() // after a panic, too
	return Of(ctx, s.Tree, temp, rand.Uint64, fn)
}

// temporary is a directory for the files that a copy writes itself: what was in memory at most. Where there are no
// directories it is in memory.
func temporary() (fs vfs.FS, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "lightning-backup-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // a umask may have taken the owner's rights
		return nil, nil, errors.Join(err, os.Remove(dir))
	}
	fs, err = vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if errors.Is(err, errors.ErrUnsupported) {
		return memfs.NewVolatile(), func() error { return os.RemoveAll(dir) }, nil
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.Remove(dir))
	}
	return fs, func() error { return errors.Join(fs.Close(), os.RemoveAll(dir)) }, nil
}
