package table

import (
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/table/directory"
)

// readAhead reads leaves, and the extents that lie before them, in pieces and without the cache. What it returns is
// valid until the next call of leaf.
type readAhead struct {
	r      *Reader
	piece  []byte // lent by the buffers of r; it holds buf, the first raw, and a block of the directory
	buf    []byte
	start  int64 // file offset of buf[0]
	used   int
	large  piece.Scratch // of a block that is larger than buf
	raw    []byte        // room for a decompressed page
	places directory.Cursor

	leavesOnly bool // extents will not be asked for
}

func newReadAhead(r *Reader) *readAhead {
	pageSize := 1 << r.foot.pageBits
	piece := r.buffers.ForReading(pageSize)
	end := len(piece) - 2*pageSize
	return &readAhead{r: r, piece: piece, buf: piece[:end:end], raw: piece[end : end+pageSize : end+pageSize],
		places: r.newPlaces(piece[end+pageSize:])}
}

func (a *readAhead) release() {
	a.large.Release()
	a.r.buffers.TakeBack(a.piece)
	*a = readAhead{r: a.r}
}

// at returns the bytes at a place in the file if they are in the piece at hand, else nil.
func (a *readAhead) at(offset, length int64) []byte {
	if offset < a.start || length < 0 || length > a.start+int64(a.used)-offset {
		return nil
	}
	from := offset - a.start
	return a.buf[from : from+length : from+length]
}

// leaf returns the verified payload of a leaf.
func (a *readAhead) leaf(n int) ([]byte, error) {
	offset, length, err := a.places.At(n)
	if err != nil {
		return nil, err
	}
	stored, err := a.stored(n, offset, length)
	if err != nil {
		return nil, err
	}
	payload, err := a.r.openPage(n, offset, a.raw, stored)
	if err != nil {
		return nil, err
	}
	if !inside(payload, stored) && cap(payload) > cap(a.raw) {
		a.raw = payload // never a smaller one, which every further page would outgrow and leave to the collector
	}
	return payload, nil
}

// stored returns the block of leaf n, which lies at offset. If it has to read, it starts at the extents before the
// leaf, provided that both fit.
func (a *readAhead) stored(n int, offset int64, length int) ([]byte, error) {
	if b := a.at(offset, int64(length)); b != nil {
		return b, nil
	}
	if length > len(a.buf) {
		large := a.large.Bytes(length)
		return large, a.r.src.Read(large, offset)
	}
	if a.leavesOnly {
		if err := a.fillLeaves(n, offset, length); err != nil {
			return nil, err
		}
		return a.at(offset, int64(length)), nil
	}
	from, err := a.places.End(n - 1)
	if err != nil {
		return nil, err
	}
	if from > offset || offset+int64(length)-from > int64(len(a.buf)) {
		from = offset
	}
	if err := a.fill(n, from); err != nil {
		return nil, err
	}
	return a.at(offset, int64(length)), nil
}

// leafGap is how many bytes between two leaves are rather read than passed over.
const leafGap = 16 << 10

// fillLeaves reads leaf n, which fits, from offset on, and those after it up to the first large gap.
func (a *readAhead) fillLeaves(n int, offset int64, length int) error {
	end := offset + int64(length)
	for n++; n < a.r.layout.Leaves; n++ {
		next, length, err := a.places.At(n)
		if err != nil {
			return err
		}
		if next < end || next-end > leafGap || next+int64(length)-offset > int64(len(a.buf)) {
			break
		}
		end = next + int64(length)
	}
	a.used = 0
	if err := a.r.src.Read(a.buf[:end-offset], offset); err != nil {
		return err
	}
	a.start, a.used = offset, int(end-offset)
	return nil
}

// fill reads as much as fits from offset on, for leaf n, and no further than the leaves that its block of the directory
// names.
func (a *readAhead) fill(n int, from int64) error {
	a.used = 0
	limit, err := a.places.EndOfRun(n)
	if err != nil {
		return err
	}
	size := int(min(int64(len(a.buf)), limit-from))
	if err := a.r.src.Read(a.buf[:size], from); err != nil {
		return err
	}
	a.start, a.used = from, size
	return nil
}
