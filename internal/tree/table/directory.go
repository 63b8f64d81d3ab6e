package table

import (
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/directory"
)

// layout is how the directory is cut into blocks, whose page numbers follow those of all other pages.
func (f *footer) layout() directory.Layout {
	return directory.Layout{
		Pages: int(f.pages()), Leaves: int(f.leaves),
		PageSize: 1 << f.pageBits, Trailer: block.TrailerSize, MaxLength: block.MaxPage, Limit: f.properties,
	}
}

// directoryPlace is the place of block i of the directory.
func (f *footer) directoryPlace(i int) block.Place {
	l := f.layout()
	offset, _ := l.Block(i)
	return block.At(block.Directory, l.Pages+i, f.directory+offset)
}

// readDirectory reads block i of the directory into stored, which has its length, and returns its entries.
func (r *Reader) readDirectory(i int, stored []byte) ([]byte, error) {
	at := r.foot.directoryPlace(i)
	if err := r.src.Read(stored, at.Offset); err != nil {
		return nil, err
	}
	entries, err := r.src.Open(nil, stored, at, 0)
	if err != nil {
		return nil, err
	}
	return entries, r.src.Located(at.Offset, "directory", r.layout.Check(i, entries))
}

// loadDirectory is LoadPage for block i of the directory.
func (r *Reader) loadDirectory(i int, buf []byte) ([]byte, error) {
	_, length := r.layout.Block(i)
	if length > cap(buf) {
		buf = make([]byte, length)
	}
	return r.readDirectory(i, buf[:length])
}

// placeOf returns where page n, which is none of the directory, lies in the file. It asks the cache for a block of the
// directory, also while another page is being loaded: the cache holds no lock then.
func (r *Reader) placeOf(n int) (offset int64, length int, err error) {
	entries := r.layout.PerBlock()
	pin, err := r.pages.Pin(r.layout.Pages + n/entries)
	if err != nil {
		return 0, 0, err
	}
	offset, length = directory.At(pin.Data(), n%entries)
	pin.Unpin()
	return offset, length, nil
}

// damagedPage returns a *corrupt.Error about page n.
func (r *Reader) damagedPage(n int, format string, args ...any) error {
	offset, _, err := r.placeOf(n)
	if err != nil {
		offset = -1
	}
	return r.src.Damaged(offset, format, args...)
}

// newPlaces returns a cursor over the directory that does without the cache. It keeps a block in memory, which has the
// bytes of a page; nil for memory of its own.
func (r *Reader) newPlaces(memory []byte) directory.Cursor {
	return directory.NewCursor(r.layout, memory, r.readDirectory)
}

// eachPage calls do with the place of every page, in order. It verifies that the pages of all blocks of the directory
// together ascend without overlap, and behind the leaves without a gap.
func (r *Reader) eachPage(places *directory.Cursor, do func(offset int64, length int)) error {
	end := int64(0)
	for n := range r.layout.Pages {
		offset, length, err := places.At(n)
		if err != nil {
			return err
		}
		if offset < end || n >= r.layout.Leaves && offset != end {
			at := r.foot.directoryPlace(n / r.layout.PerBlock())
			return r.src.Damaged(at.Offset, "directory: page %d does not follow the page before", n)
		}
		end = offset + int64(length)
		do(offset, length)
	}
	return nil
}
