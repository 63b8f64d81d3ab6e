// Package interrupt makes what blocks end with a context: reading from a pipe that nobody writes to, writing into one
// that nobody reads, opening a FIFO whose other end is closed. The blocked call leaves one goroutine behind, until the
// process ends.
package interrupt

import (
	"context"
	"io"
	"os"
	"slices"
	"time"
)

// grace is how long a write may go on after the end of the context, so that the last words of a command reach every
// reader that still reads.
const grace = time.Second

// Reader is a reader that fails with the context's cause when ctx ends, even if in is a pipe that nobody writes to.
func Reader(ctx context.Context, in io.Reader) io.Reader {
	out, pipe := io.Pipe()
	go func() {
		_, err := io.Copy(pipe, in)
		pipe.CloseWithError(err) // nil is the end of the input
	}()
	context.AfterFunc(ctx, func() { pipe.CloseWithError(context.Cause(ctx)) })
	return out
}

// Writer is a writer whose writes fail with the context's cause if they have not returned a second after the end of
// ctx. Nothing must be written after such a failure: part of the last write may still come.
func Writer(ctx context.Context, out io.Writer) io.Writer { return &writer{ctx, out} }

type writer struct {
	ctx context.Context
	out io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1) // so that a result that nobody waits for any more does not block
	own := slices.Clone(p)       // the caller may use p again while an abandoned write still reads it
	go func() {
		n, err := w.out.Write(own)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-w.ctx.Done():
	}
	select {
	case r := <-done:
		return r.n, r.err
	case <-time.After(grace):
		return 0, context.Cause(w.ctx)
	}
}

// Open is os.OpenFile that gives up when ctx ends. Opening a FIFO waits for somebody at its other end.
func Open(ctx context.Context, path string, flag int, mode os.FileMode) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		file, err := os.OpenFile(path, flag, mode)
		select {
		case done <- result{file, err}:
		case <-ctx.Done():
			if err == nil {
				_ = file.Close() // nothing was read or written
			}
		}
	}()
	select {
	case r := <-done:
		return r.file, r.err
	case <-ctx.Done():
		return nil, &os.PathError{Op: "open", Path: path, Err: context.Cause(ctx)}
	}
}
