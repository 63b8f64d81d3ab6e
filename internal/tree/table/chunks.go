package table

import (
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
)

// ErrStreamTooLong refuses a value of more than page.MaxChunked bytes.
var ErrStreamTooLong = block.ErrTooLong

// AddChunks is Add of a put whose value comes in chunks: next returns page.ChunkSize bytes, which it lends until its
// next call, fewer at the end of the value, and after that io.EOF. The value must have more bytes than one chunk. end
// is when the entry ends, if it does, and 0 if not. After an error the table cannot be finished.
func (w *Writer) AddChunks(k key.Internal, end key.Time, next func() ([]byte, error)) error {
	if w.err != nil {
		return w.err
	}
	newest, err := w.admit(k, nil)
	if err != nil {
		return err
	}
	if !k.Puts() || (end > 0) != k.Ends() {
		return fmt.Errorf("table: chunks of %v", k.Trailer.Kind())
	}
	if w.err = w.makeRoom(k, page.ExtentSize(k)); w.err != nil {
		return w.err
	}
	var x page.Extent
	if x, w.err = w.out.WriteChunks(next); w.err != nil {
		return w.err
	}
	x.End = end
	w.props.ExtentBytes += x.Stored
	w.added(k, newest, w.page.AddExtent(k, x), x.Raw)
	return nil
}

// AppendChunk reads the nth chunk of a chunked extent of the table's own file and appends it to dst. c is the zero
// Chunks or what the last call for x has left there. On an error it returns dst.
func (r *Reader) AppendChunk(dst []byte, x page.Extent, c *block.Chunks, n int) ([]byte, error) {
	if !c.Of(x) {
		if err := r.checkExtent(x); err != nil {
			return dst, err
		}
		if err := r.src.ReadChunks(c, x); err != nil {
			return dst, err
		}
	}
	out, _, err := r.src.AppendChunk(dst, c, n)
	return out, err
}

// ReadChunk is AppendChunk of whichever file.
func (r *Reader) ReadChunk(dst []byte, x page.Extent, c *block.Chunks, n int) ([]byte, error) {
	if x.File == 0 {
		return r.AppendChunk(dst, x, c, n)
	}
	f, err := r.valueFile(x.File)
	if err != nil {
		return dst, err
	}
	return r.values.AppendChunk(dst, f, x, c, n)
}

// readThrough reads the value of x, of whichever file, in constant memory, to see whether that can be done.
func (r *Reader) readThrough(x page.Extent, memory *piece.Scratch) error {
	if x.Chunks() == 0 {
		_, err := r.appendExtent(memory.Bytes(int(x.Raw))[:0], x)
		return err
	}
	var c block.Chunks
	for n := range x.Chunks() {
		if _, err := r.ReadChunk(memory.Bytes(page.ChunkSize)[:0], x, &c, n); err != nil {
			return err
		}
	}
	return nil
}

// Chunk implements merge.Iterator.
func (it *Iterator) Chunk(dst []byte, n int) ([]byte, error) {
	if isSet(it.stop) {
		return dst, ErrStopped
	}
	dst, err := it.r.ReadChunk(dst, it.entry.Extent(), &it.chunks, n)
	if err != nil {
		it.fail(err)
	}
	return dst, err
}

// checkChunks verifies a chunked extent of the table's own file, and counts its checksums.
func (v *verifier) checkChunks(x page.Extent) error {
	if err := v.r.src.ReadChunks(&v.chunks, x); err != nil {
		return err
	}
	v.props.Digest += v.chunks.Sum
	for n := range x.Chunks() {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		_, sum, err := v.r.src.AppendChunk(v.raw.Bytes(page.ChunkSize)[:0], &v.chunks, n)
		if err != nil {
			return err
		}
		v.props.Digest += sum
	}
	return nil
}
