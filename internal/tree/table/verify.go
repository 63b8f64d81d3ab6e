package table

import (
	"bytes"
	"context"
	"errors"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/locator"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/table/directory"
)

// Verify reads every byte of the file, without the cache, and checks everything that a reader relies on: checksums,
// that blocks fill the file without a gap, the order of all keys, that the inner pages lead to every leaf and the
// locator to every key, values outside the pages, also in other files, and the properties. It takes memory for the
// locator (5 bytes a key) and a few pages. The error wraps a *corrupt.Error for damage, or several that are joined, if
// other pages and values are damaged, too; or it is the device's, or the context's.
func (r *Reader) Verify(ctx context.Context) error {
	fresh := &Reader{src: r.src, buffers: r.buffers, num: r.num, values: r.values}
	if err := fresh.openParts(r.foot.size); err != nil {
		return err
	}
	if fresh.foot != r.foot {
		return r.src.Damaged(r.foot.size-footerSize, "the footer has changed since the table was opened")
	}
	v := verifier{r: fresh, ctx: ctx, ahead: newReadAhead(fresh), places: fresh.newPlaces(nil)}
	defer v.release()
	v.level.n = int(fresh.foot.leaves) - 1
	for _, step := range []func() error{
		v.checkDirectory, v.readLocator, v.checkLeaves, v.checkUpperLevels, v.checkProperties} {
		if err := step(); err != nil {
			return fresh.withOthers(ctx, err)
		}
	}
	return nil
}

// maxDamages bounds how many damages of one table Verify lists.
const maxDamages = 100

// withOthers joins err, if it is damage, with that of all other pages and values that can be told to be damaged by
// themselves, whatever is wrong with others. Of values, also in other files, the keys are named.
func (r *Reader) withOthers(ctx context.Context, err error) error {
	if !errors.Is(err, corrupt.ErrCorrupt) {
		return err
	}
	var all corrupt.List
	all.Add(err)
	var memory piece.Scratch
	defer memory.Release()
	places := r.newPlaces(nil)
	for n := 0; n < r.layout.Pages && all.Len() < maxDamages && ctx.Err() == nil; n++ {
		offset, length, damage := places.At(n)
		if damage != nil {
			all.Add(damage)
			n += r.layout.PerBlock() - 1 // nor can any other page of the block be found
			continue
		}
		payload, damage := r.readPage(n, offset, nil, make([]byte, length))
		all.Add(damage)
		if damage != nil || n >= int(r.foot.leaves) {
			continue
		}
		p := page.View(payload)
		for i := range p.Len() {
			if e := p.Entry(i); e.IsExtent() && all.Len() < maxDamages {
				all.Add(corrupt.OfValue(e.Key.User, r.readThrough(e.Extent(), &memory)))
			}
		}
	}
	return all.Err()
}

func (v *verifier) release() {
	v.ahead.release()
	v.stored.Release()
	v.raw.Release()
}

// verifier is the state of one Verify.
type verifier struct {
	r      *Reader
	ctx    context.Context
	ahead  *readAhead
	places directory.Cursor // of pages that are not leaves

	stored, raw piece.Scratch // of extents
	chunks      block.Chunks  // of the last chunked one

	locator   [][]byte // payloads of the locator's pages
	slots     int      // in use in them
	unlocated int      // keys for which the locator had no slot

	props    Properties // as counted
	referred []uint64   // bytes of each value file

	last  key.Internal // owned
	end   int64        // of the last leaf or extent checked
	level innerCursor  // over the pages above the leaves
}

// innerCursor walks the entries of the inner pages in page order.
type innerCursor struct {
	n     int // number of the current page
	index int // of the next entry
	page  page.Page
	buf   []byte
}

// checkDirectory reads the directory as a whole.
func (v *verifier) checkDirectory() error { return v.r.eachPage(&v.places, func(int64, int) {}) }

// damagedPage returns a *corrupt.Error about page n.
func (v *verifier) damagedPage(n int, format string, args ...any) error {
	offset, _, err := v.places.At(n)
	if err != nil {
		return err
	}
	return v.r.src.Damaged(offset, format, args...)
}

// readLocator reads the pages of the locator.
func (v *verifier) readLocator() error {
	for n := v.r.first; n < v.r.layout.Pages; n++ {
		payload, err := v.page(n, nil)
		if err != nil {
			return err
		}
		v.locator = append(v.locator, payload)
		v.slots += locator.Used(payload)
	}
	return nil
}

// page reads a page that is not a leaf and counts its checksum; dst may be used for its payload.
func (v *verifier) page(n int, dst []byte) ([]byte, error) {
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	payload, stored, err := v.readPage(n, dst)
	if err != nil {
		return nil, err
	}
	v.props.Digest += block.StoredChecksum(stored)
	return payload, nil
}

func (v *verifier) readPage(n int, dst []byte) (payload, stored []byte, err error) {
	offset, length, err := v.places.At(n)
	if err != nil {
		return nil, nil, err
	}
	stored = make([]byte, length)
	payload, err = v.r.readPage(n, offset, dst, stored)
	return payload, stored, err
}

func (v *verifier) checkLeaves() error {
	for n := range int(v.r.foot.leaves) {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		payload, err := v.ahead.leaf(n)
		if err != nil {
			return err
		}
		offset, length, err := v.ahead.places.At(n)
		if err != nil {
			return err
		}
		stored, err := v.ahead.stored(n, offset, length)
		if err != nil {
			return err
		}
		v.props.Digest += block.StoredChecksum(stored)
		if err := v.checkLeaf(n, payload, offset); err != nil {
			return err
		}
		v.end = offset + int64(length)
	}
	return nil
}

// checkLeaf checks leaf n, which lies at offset, and the extents before it.
func (v *verifier) checkLeaf(n int, payload []byte, offset int64) error {
	p := page.View(payload)
	first := p.Entry(0)
	if err := v.checkFence(n, first.Key); err != nil {
		return err
	}
	if n > 0 && key.Compare(v.last, first.Key) >= 0 {
		return v.damagedPage(n, "leaf page %d begins before the end of the one before", n)
	}
	for at := 0; at < page.EntriesEnd(payload); {
		e, next, _ := page.At(payload, at) // page.Check has decoded it
		if err := v.checkEntry(n, at, &e); err != nil {
			return err
		}
		at = next
	}
	if v.end != offset {
		return v.r.src.Damaged(v.end, "bytes that belong to nothing before leaf page %d", n)
	}
	return nil
}

// checkFence verifies that the inner pages separate leaf n, whose first key is k, from the one before.
func (v *verifier) checkFence(n int, k key.Internal) error {
	if v.r.foot.leaves == 1 {
		return nil
	}
	fence, child, err := v.nextChild(1)
	if err != nil {
		return err
	}
	if child != n || key.Compare(fence, k) > 0 || (n > 0 && key.Compare(v.last, fence) >= 0) {
		return v.damagedPage(v.level.n, "inner page %d leads to leaf %d wrongly", v.level.n, n)
	}
	return nil
}

// nextChild returns the next entry of the inner pages, which must be of the given level.
func (v *verifier) nextChild(level int) (key.Internal, int, error) {
	c := &v.level
	if c.index == c.page.Len() {
		if c.n+1 == v.r.first {
			return key.Internal{}, 0, v.damagedPage(c.n, "inner pages lead to too few pages")
		}
		payload, err := v.page(c.n+1, c.buf)
		if err != nil {
			return key.Internal{}, 0, err
		}
		if page.Level(payload) != level {
			return key.Internal{}, 0, v.damagedPage(c.n+1, "inner page %d is not of level %d", c.n+1, level)
		}
		c.n, c.index, c.page, c.buf = c.n+1, 0, page.View(payload), payload
	}
	e, child := c.page.Entry(c.index), c.page.Child(c.index)
	c.index++
	return e.Key, int(child), nil
}

func (v *verifier) checkEntry(n, at int, e *page.Entry) error {
	newest := v.props.Entries == 0 || !bytes.Equal(v.last.User, e.Key.User)
	if newest {
		if err := v.checkLocated(n, at, e.Key.User); err != nil {
			return err
		}
	}
	v.props.count(e.Key, e.Size(), newest)
	v.last.User, v.last.Trailer = append(v.last.User[:0], e.Key.User...), e.Key.Trailer
	switch {
	case !e.IsExtent():
		return nil
	case e.Extent().File != 0:
		return v.checkReference(n, e)
	}
	return v.checkExtent(n, e.Extent())
}

// checkReference verifies that a value in the file of another table can be read.
func (v *verifier) checkReference(n int, e *page.Entry) error {
	x := e.Extent()
	if _, err := v.r.valueFile(x.File); err != nil {
		return err
	}
	if !e.Key.Puts() {
		return v.damagedPage(n, "leaf page %d leads to %v in another file", n, e.Key.Trailer.Kind())
	}
	for len(v.referred) < int(x.File) {
		v.referred = append(v.referred, 0)
	}
	v.referred[x.File-1] += x.Stored
	if x.Raw > page.MaxChunked {
		return v.damagedPage(n, "leaf page %d leads to a value of %d bytes", n, x.Raw)
	}
	return v.r.readThrough(x, &v.raw)
}

// checkExtent verifies that an extent begins where the block before ends, and reads it.
func (v *verifier) checkExtent(n int, x page.Extent) error {
	if int64(x.Offset) != v.end {
		return v.damagedPage(n, "leaf page %d leads to an extent in the wrong place", n)
	}
	if err := v.r.checkExtent(x); err != nil {
		return err
	}
	v.props.ExtentBytes += x.Stored
	if x.Chunks() > 0 {
		v.end += int64(x.Stored)
		return v.checkChunks(x)
	}
	stored := v.stored.Bytes(int(x.Stored))
	if err := v.r.src.Read(stored, v.end); err != nil {
		return err
	}
	raw := v.raw.Bytes(x.ScratchBytes())
	if _, err := v.r.openExtent(raw[:0], raw, stored, x); err != nil {
		return err
	}
	v.props.Digest += block.StoredChecksum(stored)
	v.end += int64(x.Stored)
	return nil
}

// checkLocated verifies that the locator leads to the newest version of user, which is at an offset of leaf n.
func (v *verifier) checkLocated(n, at int, user []byte) error {
	want := position(n, at, v.r.foot.pageBits)
	hash := key.Hash(user)
	number := locator.PageOf(hash, len(v.locator))
	probe := locator.Search(v.locator[number], hash)
	for {
		got, ok := probe.Next()
		if ok && got == want {
			return nil
		}
		if !ok {
			break
		}
	}
	if probe.Conclusive() {
		return v.damagedPage(v.r.first+number, "locator page %d does not lead to a key", number)
	}
	v.unlocated++
	return nil
}

// checkUpperLevels verifies the inner pages above level 1: each level leads to all pages of the one below, in order,
// with their first separators, up to a single root.
func (v *verifier) checkUpperLevels() error {
	if v.r.foot.leaves == 1 {
		return nil
	}
	low, high := int(v.r.foot.leaves), v.level.n+1
	for level := 2; high-low > 1; level++ {
		if err := v.checkUpperLevel(level, low, high); err != nil {
			return err
		}
		low, high = high, v.level.n+1
	}
	if high != v.r.first || v.level.index != v.level.page.Len() {
		return v.damagedPage(v.level.n, "inner pages lead to too many pages")
	}
	return nil
}

// checkUpperLevel verifies that the next inner pages lead to the pages low to high-1.
func (v *verifier) checkUpperLevel(level, low, high int) error {
	if v.level.index != v.level.page.Len() {
		return v.damagedPage(v.level.n, "inner page %d leads to too many pages", v.level.n)
	}
	for n := low; n < high; n++ {
		fence, child, err := v.nextChild(level)
		if err != nil {
			return err
		}
		payload, _, err := v.readPage(n, nil)
		if err != nil {
			return err
		}
		p := page.View(payload)
		if first := p.Entry(0); child != n || key.Compare(first.Key, fence) != 0 {
			return v.damagedPage(v.level.n, "inner page %d leads to page %d wrongly", v.level.n, n)
		}
	}
	return nil
}

// checkProperties compares what was counted with what the table says.
func (v *verifier) checkProperties() error {
	got, want := v.props, v.r.props
	if uint64(v.slots+v.unlocated) != got.Entries-got.Shadowed {
		return v.damagedPage(v.r.first, "the locator holds keys that the table does not")
	}
	smallest, err := v.ahead.leaf(0)
	if err != nil {
		return err
	}
	first, _, _ := page.At(smallest, 0)
	same := len(v.referred) == len(want.ValueFiles) && got.ExtentBytes == want.ExtentBytes
	for i := 0; same && i < len(v.referred); i++ {
		same = v.referred[i] == want.ValueFiles[i].Bytes
	}
	keys := bytes.Equal(first.Key.User, want.Smallest) && bytes.Equal(v.last.User, want.Largest)
	if got.Entries != want.Entries || got.Tombstones != want.Tombstones || got.Shadowed != want.Shadowed ||
		got.RawBytes != want.RawBytes || got.SmallestSeq != want.SmallestSeq ||
		got.LargestSeq != want.LargestSeq || got.Digest != want.Digest || !keys || !same {
		return v.r.src.Damaged(v.r.foot.properties, "the properties do not describe the table")
	}
	return nil
}
