package transaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// Value is a value as a file that is read: an io.ReadSeekCloser and io.ReaderAt. It is that of one moment, whatever is
// written meanwhile, and must be closed.
//
// A value of more than 1 MiB has at most 1 MiB in memory, that around the place that was read last; until Close it
// keeps its version on disk, as a cursor does. Shorter ones, and those that are not in a table yet, are in memory.
//
// ReadAt may be called from any number of goroutines, which wait for each other; Read and Seek, which share a place,
// from one at a time. After Close reads give an error that matches fs.ErrClosed; after the end of the database,
// snapshot or transaction ErrClosed or ErrTxDone; ErrSnapshotExpired if the value has become too old
// (Options.MaxSnapshotAge); and the error of the context that it was opened with, once that is done. An error may be
// followed by a success: what is damaged in one place can be read in another.
type Value struct {
	ctx  context.Context
	size int64
	over func() error // why it may not be read any more, or nil
	at   int64        // of Read
	with io.Closer    // closed with it; nil for none

	mu     sync.Mutex       // held while a chunk is read
	it     *engine.Iterator // reads the chunks, between uses; nil if the value is in memory
	held   []byte           // chunk n, or the whole value
	n      int              // -1 for none
	closed atomic.Bool      // set under mu
}

// Values is what a value is opened in: a snapshot, or Newest.
type Values interface {
	// OpenValue is that of package tree.
	OpenValue(k []byte) (value []byte, long *engine.Iterator, size int64, err error)
}

// OpenValue implements Values.
func (n Newest) OpenValue(k []byte) (value []byte, long *engine.Iterator, size int64, err error) {
	return n.Engine.OpenValue(nil, k)
}

// Over is ErrClosed once the engine is closed.
func (n Newest) Over() error {
	if n.Closed() {
		return engine.ErrClosed
	}
	return nil
}

// OpenValue returns the value of k in from, or ErrNotFound. It reads until ctx is done, or over returns an error, which
// reads give then.
func OpenValue(ctx context.Context, from Values, k []byte, over func() error) (*Value, error) {
	if err := errors.Join(ctx.Err(), over()); err != nil {
		return nil, err
	}
	value, long, size, err := from.OpenValue(bytes.Clone(k))
	switch {
	case err != nil:
		return nil, err
	case long != nil:
		long.Exit()
		return &Value{ctx: ctx, it: long, n: -1, over: over, size: size}, nil
	case value == nil:
		return nil, ErrNotFound
	}
	return inMemory(ctx, value, over), nil
}

// inMemory is a value that is in memory, which it keeps.
func inMemory(ctx context.Context, value []byte, over func() error) *Value {
	return &Value{ctx: ctx, held: value, size: int64(len(value)), over: over}
}

// CloseWith has c closed when v is, which it returns. It is no method: users of the database would see it.
func CloseWith(v *Value, c io.Closer) *Value {
	v.with = c
	return v
}

// Size is the length of the value in bytes.
func (v *Value) Size() int64 { return v.size }

// Read implements io.Reader.
func (v *Value) Read(p []byte) (n int, err error) {
	n, err = v.ReadAt(p, v.at)
	v.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (v *Value) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += v.at
	case io.SeekEnd:
		offset += v.size
	}
	if offset < 0 || whence < io.SeekStart || whence > io.SeekEnd {
		return v.at, fmt.Errorf("seek in a value: %w", fs.ErrInvalid)
	}
	v.at = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt.
func (v *Value) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read a value at %d: %w", off, fs.ErrInvalid)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed.Load() {
		return 0, fmt.Errorf("read a value: %w", fs.ErrClosed)
	}
	if err := v.enterLocked(); err != nil {
		return 0, fmt.Errorf("read a value: %w", err)
	}
	defer v.exitLocked()
	for n < len(p) && off+int64(n) < v.size {
		at := off + int64(n)
		piece, err := v.pieceLocked(at)
		if err != nil {
			return n, fmt.Errorf("read a value at %d: %w", at, v.reason(err))
		}
		n += copy(p[n:], piece)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// enterLocked begins to use what v holds, if that may still be read.
func (v *Value) enterLocked() error {
	if err := errors.Join(v.ctx.Err(), v.over()); err != nil || v.it == nil {
		return err
	}
	if err := v.it.Enter(); err != nil {
		return v.reason(err)
	}
	return nil
}

func (v *Value) exitLocked() {
	if v.it != nil {
		v.it.Exit()
	}
}

// reason is err, or why the value may not be read any more.
func (v *Value) reason(err error) error {
	if over := v.over(); over != nil {
		return over
	}
	return err
}

// pieceLocked returns the value from at on, as far as that is in one piece. The iterator is in use.
func (v *Value) pieceLocked(at int64) ([]byte, error) {
	if v.it == nil {
		return v.held[at:], nil
	}
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	n := int(at / key.ChunkSize)
	if v.n != n || !v.it.Usable() {
		v.n = -1
		var err error
		if v.held, err = v.it.Chunk(v.held[:0], n); err != nil {
			return nil, err
		}
		v.n = n
	}
	return v.held[at%key.ChunkSize:], nil
}

// end gives back what the value holds, now or after the read that is in progress. Further reads fail.
func (v *Value) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.it != nil && !v.closed.Load() {
		v.it.End()
	}
}

// Close gives back what the value holds. Further calls do nothing.
func (v *Value) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed.Swap(true) {
		return nil
	}
	v.held = nil
	if v.with != nil {
		defer v.with.Close() // a snapshot's
	}
	if v.it == nil || v.it.Enter() != nil { // it was ended
		return nil
	}
	return v.it.Close()
}

// OpenValue is OpenValue for k as the transaction sees it, and remembers that it was read.
func (tx *Tx) OpenValue(ctx context.Context, k []byte) (*Value, error) {
	over := func() error {
		if tx.ended.Load() {
			return ErrDone
		}
		return nil
	}
	w, err := tx.own(k)
	switch {
	case err != nil:
		return nil, err
	case w != nil && w.Hides():
		return nil, ErrNotFound
	case w != nil && w.Folds():
		value, err := tx.fold(nil, k, w.Value)
		return inMemory(ctx, value, over), err
	case w != nil:
		value, err := tx.writes.Read(w)
		return inMemory(ctx, append([]byte{}, value...), over), err
	}
	if err := tx.noteRead(k); err != nil {
		return nil, err
	}
	tx.watch.Begin(tx.txn.Snapshot())
	v, err := OpenValue(ctx, tx.txn.Snapshot(), k, over)
	switch {
	case err == nil && v.it != nil:
		if len(tx.values) == cap(tx.values) { // before it grows
			tx.values = slices.DeleteFunc(tx.values, func(v *Value) bool { return v.closed.Load() })
		}
		tx.values = append(tx.values, v)
	case err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, operand.ErrMerge):
		tx.Fail(err)
	}
	return v, err
}
