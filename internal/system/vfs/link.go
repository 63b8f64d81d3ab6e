package vfs

import (
	"context"
	"errors"
	"fmt"
	"io"
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
// by a copy, whose content is durable. The name is durable only after SyncDir. told, which may be nil, is told of the
// bytes that were copied since it was called last. Once ctx is done it gives up, and may leave a part of the file.
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
	err = copyContent(ctx, source, target, told)
	if err == nil {
		err = target.Sync()
	}
	if err = errors.Join(err, target.Close()); err != nil {
		return false, fmt.Errorf("copy %s: %w", name, err)
	}
	return false, nil
}

// copyBytes is how much is copied at once.
const copyBytes = 1 << 20

func copyContent(ctx context.Context, from, to File, told func(n int64)) error {
	size, err := from.Size()
	if err != nil {
		return err
	}
	buffer := make([]byte, min(copyBytes, size))
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p := buffer[:min(copyBytes, size-at)]
		if n, err := from.ReadAt(p, at); n < len(p) {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if _, err := to.WriteAt(p, at); err != nil {
			return err
		}
		if err := to.WriteOut(at, int64(len(p))); err != nil {
			return err
		}
		at += int64(len(p))
		if told != nil {
			told(int64(len(p)))
		}
	}
	return nil
}
