package table

import (
	"slices"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// checkExtent verifies that an extent lies before the properties, so that what is read and allocated for it is bounded
// by the file.
func (r *Reader) checkExtent(x page.Extent) error {
	limit := uint64(r.foot.properties)
	if x.Stored < blockTrailerSize || x.Stored > limit || x.Offset > limit-x.Stored {
		return r.damaged(-1, "an entry leads to an extent of %d bytes at offset %d", x.Stored, x.Offset)
	}
	return nil
}

// appendExtent reads an extent and appends its value to dst. On an error it returns dst.
func (r *Reader) appendExtent(dst []byte, x page.Extent) ([]byte, error) {
	if err := r.checkExtent(x); err != nil {
		return dst, err
	}
	asItIs := r.codec == codec.None || x.Stored == x.Raw+blockTrailerSize
	if free := uint64(cap(dst) - len(dst)); asItIs && (free >= x.Stored || free < x.Raw) { // dst must not move for it
		out := slices.Grow(dst, int(x.Stored))
		stored := out[len(dst) : len(dst)+int(x.Stored)]
		if err := r.read(stored, int64(x.Offset)); err != nil {
			return dst, err
		}
		return r.openExtent(out[:len(dst)], nil, stored, x)
	}
	memory := spareScratch.Get().(*scratch)
	defer memory.recycle()
	stored := memory.bytes(int(x.Stored))
	if err := r.read(stored, int64(x.Offset)); err != nil {
		return dst, err
	}
	out := slices.Grow(dst, int(min(x.Raw, key.MaxValueSize)))
	return r.openExtent(out[:len(dst)], out[len(dst):], stored, x)
}

// openExtent verifies an extent as stored and appends its value to dst. Either stored or raw, the memory for
// decompression, may lie right behind dst. On an error it returns dst.
func (r *Reader) openExtent(dst, raw, stored []byte, x page.Extent) ([]byte, error) {
	value, err := r.open(raw, stored, place{unitExtent, 0, int64(x.Offset)}, key.MaxValueSize)
	if err != nil {
		return dst, err
	}
	if uint64(len(value)) != x.Raw {
		return dst, r.damaged(int64(x.Offset), "extent holds %d bytes and its entry says %d", len(value), x.Raw)
	}
	if out := dst[:cap(dst)]; len(out) >= len(dst)+len(value) && len(value) > 0 && &out[len(dst)] == &value[0] {
		return out[:len(dst)+len(value)], nil // it is there already
	}
	return append(dst, value...), nil
}

// extentScratchBytes is how much memory it takes to read x, which was checked, in one piece: as stored, or its
// value.
func extentScratchBytes(x page.Extent) int { return int(max(x.Stored, min(x.Raw, key.MaxValueSize))) }
