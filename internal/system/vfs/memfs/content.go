package memfs

// chunkSize is the size in bytes of the pieces in which contents are stored and shared.
const chunkSize = 16 << 10

// content is what a file holds: a length and chunks, which may be shared with other contents. It is not safe for
// concurrent use.
//
// Invariants: a nil chunk, and whatever lies behind the end of a chunk's data, reads as zeros. Every stored byte at
// or behind size is zero. A chunk is written in place only if its owner is the content's, which means that it is not
// shared.
type content struct {
	size   int64
	chunks []chunk
	owner  *owner
}

type chunk struct {
	data  []byte // at most chunkSize
	owner *owner
}

// owner is an identity. It has a size because pointers to values without a size may be equal.
type owner struct{ _ byte }

// clone returns a content equal to c that shares all its chunks. From now on both copy a chunk before they write to
// it.
func (c *content) clone() content {
	c.owner = new(owner)
	return content{size: c.size, chunks: append([]chunk(nil), c.chunks...), owner: new(owner)}
}

// readAt copies stored bytes from off on into p, whatever the size of c.
func (c *content) readAt(p []byte, off int64) {
	for len(p) > 0 {
		i, at := int(off/chunkSize), int(off%chunkSize)
		n := min(len(p), chunkSize-at)
		copied := 0
		if i < len(c.chunks) && at < len(c.chunks[i].data) {
			copied = copy(p[:n], c.chunks[i].data[at:])
		}
		clear(p[copied:n])
		p, off = p[n:], off+int64(n)
	}
}

// writeAt stores p at off without changing the size.
func (c *content) writeAt(p []byte, off int64) {
	for len(p) > 0 {
		at := int(off % chunkSize)
		n := min(len(p), chunkSize-at)
		copy(c.writable(int(off/chunkSize), at+n)[at:], p[:n])
		p, off = p[n:], off+int64(n)
	}
}

// zero stores n zeros at off without changing the size. If zeros are there already, it costs nothing.
func (c *content) zero(off, n int64) {
	for n > 0 {
		i, at := int(off/chunkSize), int(off%chunkSize)
		step := min(n, int64(chunkSize-at))
		if i < len(c.chunks) && at < len(c.chunks[i].data) {
			end := min(at+int(step), len(c.chunks[i].data))
			if !allZero(c.chunks[i].data[at:end]) {
				clear(c.writable(i, end)[at:end])
			}
		}
		off, n = off+step, n-step
	}
}

// setSize sets the length and drops what is stored behind it.
func (c *content) setSize(size int64) {
	c.size = size
	whole := int(roundUp(size, chunkSize) / chunkSize)
	if len(c.chunks) >= whole {
		c.chunks = c.chunks[:whole]
		c.zero(size, int64(whole)*chunkSize-size)
	}
}

// writable returns the data of chunk i, unshared and at least n bytes long. The data grows by doubling, so that a
// small file takes little memory and one that is appended to is seldom copied.
func (c *content) writable(i, n int) []byte {
	for len(c.chunks) <= i {
		c.chunks = append(c.chunks, chunk{})
	}
	ch := &c.chunks[i]
	if ch.owner == c.owner && len(ch.data) >= n {
		return ch.data
	}
	size := len(ch.data)
	if size < n {
		size = min(chunkSize, max(2*size, roundUp(n, sectorSize)))
	}
	data := make([]byte, size)
	copy(data, ch.data)
	*ch = chunk{data, c.owner}
	return data
}

func roundUp[T int | int64](n, unit T) T { return (n + unit - 1) / unit * unit }

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
