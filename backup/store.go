package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"

	"lightningdb/internal/system/vfs"
)

// Store is where a repository keeps its files: a Folder, or a bucket of an object store. Names are relative paths with
// slashes, of small letters, digits, dashes, dots and T and Z. A Store is safe for concurrent use, also by several
// processes, and what one of them has done the others see at once.
type Store interface {
	// Put stores the size bytes of r under a name: all of them, durably, or nothing. A reader that fails, or that has
	// more or less, is an error. With OnlyNew the error is fs.ErrExist if something has the name, and of two calls at
	// once only one succeeds. Such a call has its effect once at most, perhaps after it has returned an error: a Store
	// does not try again what may have been done, because what it puts may have been removed meanwhile.
	Put(ctx context.Context, name string, r io.Reader, size int64, mode PutMode) error

	// Copy makes a file that is there also the one of a second name, which is new, without reading it where that is
	// possible. From then on either may be removed without the other. The error is fs.ErrNotExist if it is not there.
	Copy(ctx context.Context, from, to string) error

	// Open reads a file from its beginning. The error is fs.ErrNotExist if it is not there, and ErrBadBackup if what is
	// there can be no file of a Store.
	Open(ctx context.Context, name string) (io.ReadCloser, error)

	// List yields everything whose name begins with prefix. What comes or goes meanwhile may be there or not. After an
	// error it ends.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]

	// Remove removes a file, durably. It is no error if it is not there.
	Remove(ctx context.Context, name string) error
}

// Entry is what List tells of a file.
type Entry struct {
	Name string
	Size int64 // bytes
}

// PutMode says what becomes of a file that has the name already.
type PutMode uint8

const (
	Replace PutMode = iota // it is replaced, at one moment
	OnlyNew                // it stays, and the Put fails
)

// checkName refuses what could lead out of a store, or be another name to another system.
func checkName(name string) error {
	local := fs.ValidPath(name) && name != "." && filepath.IsLocal(filepath.FromSlash(name))
	if !local || strings.ContainsAny(name, "\\:\x00") {
		return fmt.Errorf("%q is no name of a file in a repository: %w", name, fs.ErrInvalid)
	}
	return nil
}

// list is all that List yields.
func list(ctx context.Context, s Store, prefix string) (entries []Entry, err error) {
	for e, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// read reads a file of at most limit bytes.
func read(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	in, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, bad("%s has more than %d bytes", name, limit)
	}
	return text, nil
}

// put stores text.
func put(ctx context.Context, s Store, name string, text []byte, mode PutMode) error {
	return s.Put(ctx, name, bytes.NewReader(text), int64(len(text)), mode)
}

// exists reports whether there is a file.
func exists(ctx context.Context, s Store, name string) (bool, error) {
	in, err := s.Open(ctx, name)
	if err == nil {
		err = in.Close()
	} else if vfs.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// untilDone is a reader that ends with a context.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
