package table

// window reads leaves, and the extents that lie before them, in pieces and past the cache. What it returns is valid until
// the next call of leaf.
type window struct {
	r     *Reader
	piece []byte // lent by the buffers of r: buf, and behind it the first raw
	buf   []byte
	start int64 // file offset of buf[0]
	used  int
	large room   // of a block that is larger than buf
	raw   []byte // room for a decompressed page
}

func newWindow(r *Reader) *window {
	pageSize := 1 << r.foot.pageBits
	piece := r.buffers.forReading(pageSize)
	end := len(piece) - pageSize
	return &window{r: r, piece: piece, buf: piece[:end:end], raw: piece[end:end]}
}

func (w *window) release() {
	w.large.release()
	w.r.buffers.giveBack(w.piece)
	*w = window{r: w.r}
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
	if length > len(w.buf) {
		large := w.large.bytes(length)
		return large, w.r.read(large, offset)
	}
	from := w.r.dir.end(n - 1)
	if offset+int64(length)-from > int64(len(w.buf)) {
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
	n := int(min(int64(len(w.buf)), w.r.dir.end(int(w.r.foot.leaves)-1)-from))
	if err := w.r.read(w.buf[:n], from); err != nil {
		return err
	}
	w.start, w.used = from, n
	return nil
}
