package table

// window reads leaves, and the extents that lie before them, in pieces of ioSize and past the cache. What it returns is
// valid until the next call of leaf.
type window struct {
	r     *Reader
	buf   *[ioSize]byte
	start int64 // file offset of buf[0]
	used  int
	large []byte // of a block that is larger than buf
	raw   []byte // room for a decompressed page
}

func newWindow(r *Reader) *window {
	return &window{r: r, buf: spareBuffers.Get().(*[ioSize]byte), raw: make([]byte, 0, 1<<r.foot.pageBits)}
}

func (w *window) release() {
	spareBuffers.Put(w.buf)
	w.buf = nil
}

// at returns the bytes at a place in the file if they are in the window, else nil.
func (w *window) at(offset, length int64) []byte {
	if offset < w.start || length < 0 || length > w.start+int64(w.used)-offset {
		return nil
	}
	from := offset - w.start
	return w.buf[from : from+length : from+length]
}

// leaf returns the verified payload of a leaf.
func (w *window) leaf(n int) ([]byte, error) {
	stored, err := w.stored(n)
	if err != nil {
		return nil, err
	}
	payload, err := w.r.openPage(n, w.raw, stored)
	if err != nil {
		return nil, err
	}
	if !inside(payload, stored) && cap(payload) > cap(w.raw) {
		w.raw = payload // not a smaller one: every further page would outgrow it and leave it to the collector
	}
	return payload, nil
}

// stored returns the block of a leaf. If it has to read, it begins with the extents before the leaf, where both fit.
func (w *window) stored(n int) ([]byte, error) {
	offset, length := w.r.dir.at(n)
	if b := w.at(offset, int64(length)); b != nil {
		return b, nil
	}
	if length > ioSize {
		w.large = sized(w.large, length)
		return w.large, w.r.read(w.large, offset)
	}
	from := w.r.dir.end(n - 1)
	if offset+int64(length)-from > ioSize {
		from = offset
	}
	if err := w.fill(from); err != nil {
		return nil, err
	}
	return w.at(offset, int64(length)), nil
}

// fill reads as much as fits from offset on, up to the end of the leaves.
func (w *window) fill(from int64) error {
	w.used = 0
	n := int(min(ioSize, w.r.dir.end(int(w.r.foot.leaves)-1)-from))
	if err := w.r.read(w.buf[:n], from); err != nil {
		return err
	}
	w.start, w.used = from, n
	return nil
}
