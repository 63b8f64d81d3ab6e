package directory

// Cursor finds pages for who reads many of them in their order. It holds one block.
type Cursor struct {
	layout Layout
	memory []byte
	read   func(i int, memory []byte) ([]byte, error)
	first  int    // page of the first entry
	held   []byte // entries of the block at hand
}

// NewCursor returns a cursor that keeps a block in memory, which has the bytes of a page; nil for memory of its own.
// read reads block i into memory, which has the block's length, checks it, and returns its entries.
func NewCursor(l Layout, memory []byte, read func(i int, memory []byte) ([]byte, error)) Cursor {
	if memory == nil {
		memory = make([]byte, l.PageSize)
	}
	return Cursor{layout: l, memory: memory, read: read}
}

// At returns where page n lies in the file. Errors are those of read.
func (c *Cursor) At(n int) (offset int64, length int, err error) {
	if err := c.hold(n); err != nil {
		return 0, 0, err
	}
	offset, length = At(c.held, n-c.first)
	return offset, length, nil
}

// End is where page n ends; for n = -1, where the first page may begin.
func (c *Cursor) End(n int) (int64, error) {
	if n < 0 {
		return 0, nil
	}
	offset, length, err := c.At(n)
	return offset + int64(length), err
}

// EndOfRun is where the last leaf ends that is in the same block as leaf n.
func (c *Cursor) EndOfRun(n int) (int64, error) {
	if err := c.hold(n); err != nil {
		return 0, err
	}
	return c.End(min(c.first+len(c.held)/EntrySize, c.layout.Leaves) - 1)
}

// hold makes the block with the entry of page n the one at hand.
func (c *Cursor) hold(n int) error {
	if n >= c.first && n < c.first+len(c.held)/EntrySize {
		return nil
	}
	c.held = nil
	i := n / c.layout.PerBlock()
	_, length := c.layout.Block(i)
	held, err := c.read(i, c.memory[:length])
	if err != nil {
		return err
	}
	c.first, c.held = i*c.layout.PerBlock(), held
	return nil
}
