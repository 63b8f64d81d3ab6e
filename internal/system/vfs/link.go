package vfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Wrapper is a directory that stands between another one and who uses that.
type Wrapper interface{ Inner() FS }

// Innermost is the directory that f and all that stands behind it lead to.
func Innermost(f FS) FS {
	for {
		w, ok := f.(Wrapper)
		if !ok {
			return f
		}
		f = w.Inner()
	}
}

// LinkOrCopy makes the file name of from, which changes no more, a file of to: by a link where that is possible, else
// by blocks that both files share until one of them changes, else by a copy. What is no link is durable in content; the
// name is durable only after SyncDir. told, which may be nil, is told of the bytes that are there without a link, since
// it was called last. Once ctx is done it gives up, and may leave a part of the file.
func LinkOrCopy(ctx context.Context, from, to FS, name string, told func(n int64)) (linked bool, err error) {
	if err := to.Link(from, name); !errors.Is(err, errors.ErrUnsupported) {
		return err == nil, err
	}
	source, err := from.Open(name)
	if err != nil {
		return false, err
	}
	defer source.Close()
	target, err := to.Create(name)
	if err != nil {
		return false, err
	}
	size, err := source.Size()
	if err == nil && shareBlocks(from, name, target) {
		tell(told, size)
	} else if err == nil {
		_, err = CopyTo(ctx, target, io.NewSectionReader(source, 0, size), size, func(p []byte) { tell(told, int64(len(p))) })
	}
	if err == nil {
		err = target.Sync()
	}
	if err = errors.Join(err, target.Close()); err != nil {
		return false, fmt.Errorf("copy %s: %w", name, err)
	}
	return false, nil
}

func tell(told func(n int64), n int64) {
	if told != nil {
		told(n)
	}
}

// copyBytes is how much is copied at once.
const copyBytes = 1 << 20

// CopyTo writes the next size bytes of r to the beginning of to, and returns how many it has written. Of each piece the
// system begins to write to the medium; nothing is durable before Sync. wrote is called with each piece once it is
// written, in order; it must not keep it. If r ends before, the error is io.ErrUnexpectedEOF; other errors are those of
// r and of to as they are. Once ctx is done it gives up with the cause of that.
func CopyTo(ctx context.Context, to File, r io.Reader, size int64, wrote func(p []byte)) (n int64, err error) {
	buffer := make([]byte, min(copyBytes, size))
	for n < size {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		p := buffer[:min(copyBytes, size-n)]
		if _, err := io.ReadFull(r, p); err == io.EOF {
			return n, io.ErrUnexpectedEOF
		} else if err != nil {
			return n, err
		}
		if _, err := to.WriteAt(p, n); err != nil {
			return n, err
		}
		if err := to.WriteOut(n, int64(len(p))); err != nil {
			return n, err
		}
		n += int64(len(p))
		wrote(p)
	}
	return n, nil
}

// GiveRights lets the owner into a directory that nobody can list: a umask has taken its rights, and a kill came before
// they were given back. One that is only protected against writing stays so.
func GiveRights(root *os.Root, dir string) {
	if info, err := root.Lstat(dir); err == nil && info.IsDir() && info.Mode().Perm()&0o500 != 0o500 {
		_ = root.Chmod(dir, 0o700) // else the next call in it fails
	}
}
