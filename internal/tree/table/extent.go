package table

import (
	"slices"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
)

// checkExtent verifies that an extent lies before the properties, so that what is read and allocated for it is bounded
// by the file.
func (r *Reader) checkExtent(x page.Extent) error {
	limit := uint64(r.foot.properties)
	if x.Stored < block.TrailerSize || x.Stored > limit || x.Offset > limit-x.Stored {
		return r.src.Damaged(-1, "an entry leads to an extent of %d bytes at offset %d", x.Stored, x.Offset)
	}
	if x.Raw > page.MaxChunked {
		return r.src.Damaged(-1, "an entry leads to a value of %d bytes", x.Raw)
	}
	return nil
}

// Values is how a table reads the extents of others that it refers to.
type Values interface {
	// AppendValue appends the value of the extent x of the file f to dst. On an error it returns dst.
	AppendValue(dst []byte, f ValueFile, x page.Extent) ([]byte, error)

	// AppendChunk appends the nth chunk of x to dst; c is the zero Chunks or what the last call for x has left there.
	AppendChunk(dst []byte, f ValueFile, x page.Extent, c *block.Chunks, n int) ([]byte, error)
}

// OpenValues is Open without the cache, for the extents of the table in f alone: of the result only AppendExtent,
// AppendChunk, Verify and Close may be called. It reads the footer.
func OpenValues(f vfs.File, o OpenOptions) (*Reader, error) {
	r := &Reader{src: block.Source{File: f, Name: o.Name, ID: o.ID, Tell: o.Damaged}, values: o.Values}
	if err := r.openFooter(o.Size); err != nil {
		return nil, err
	}
	return r, nil
}

// valueFile returns the nth value file, from 1 on.
func (r *Reader) valueFile(n uint32) (ValueFile, error) {
	if int64(n) > int64(len(r.props.ValueFiles)) || r.values == nil {
		return ValueFile{}, r.src.Damaged(-1, "an entry leads to value file %d of %d", n, len(r.props.ValueFiles))
	}
	return r.props.ValueFiles[n-1], nil
}

// reference is x as any table may refer to it. ok is false if it leads nowhere.
func (r *Reader) reference(x page.Extent) (ref page.Reference, ok bool) {
	if x.File == 0 {
		return page.Reference{Table: r.num, ID: r.src.ID, Extent: x}, true
	}
	f, err := r.valueFile(x.File)
	x.File = 0
	return page.Reference{Table: f.Num, ID: f.ID, Extent: x}, err == nil
}

// appendExtent reads an extent, of whichever file, and appends its value to dst. On an error it returns dst.
func (r *Reader) appendExtent(dst []byte, x page.Extent) ([]byte, error) {
	if x.File == 0 {
		return r.AppendExtent(dst, x)
	}
	f, err := r.valueFile(x.File)
	if err != nil {
		return dst, err
	}
	return r.values.AppendValue(dst, f, x)
}

// AppendExtent reads an extent of the table's own file and appends its value to dst. On an error it returns dst.
func (r *Reader) AppendExtent(dst []byte, x page.Extent) ([]byte, error) {
	if err := r.checkExtent(x); err != nil {
		return dst, err
	}
	if x.Chunks() > 0 {
		return r.src.AppendChunks(dst, x)
	}
	asItIs := r.src.Codec == codec.None || x.Stored == x.Raw+block.TrailerSize
	if free := uint64(cap(dst) - len(dst)); asItIs && (free >= x.Stored || free < x.Raw) { // dst must not move for it
		out := slices.Grow(dst, int(x.Stored))
		stored := out[len(dst) : len(dst)+int(x.Stored)]
		if err := r.src.Read(stored, int64(x.Offset)); err != nil {
			return dst, err
		}
		return r.openExtent(out[:len(dst)], nil, stored, x)
	}
	memory := piece.SpareScratch()
	defer memory.Recycle()
	stored := memory.Bytes(int(x.Stored))
	if err := r.src.Read(stored, int64(x.Offset)); err != nil {
		return dst, err
	}
	out := slices.Grow(dst, int(x.Raw))
	return r.openExtent(out[:len(dst)], out[len(dst):], stored, x)
}

// openExtent verifies an extent as stored and appends its value to dst. Either stored or raw, the memory for
// decompression, may lie right behind dst. On an error it returns dst.
func (r *Reader) openExtent(dst, raw, stored []byte, x page.Extent) ([]byte, error) {
	value, err := r.src.Open(raw, stored, block.At(block.Extent, 0, int64(x.Offset)), page.ChunkSize)
	if err != nil {
		return dst, err
	}
	if uint64(len(value)) != x.Raw {
		return dst, r.src.Damaged(int64(x.Offset), "extent holds %d bytes and its entry says %d", len(value), x.Raw)
	}
	if out := dst[:cap(dst)]; len(out) >= len(dst)+len(value) && len(value) > 0 && &out[len(dst)] == &value[0] {
		return out[:len(dst)+len(value)], nil // it is there already
	}
	return append(dst, value...), nil
}
