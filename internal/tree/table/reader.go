package table

import (
	"bytes"
	"fmt"
	"math"
	"sync/atomic"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/locator"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/table/directory"
	"lightningdb/internal/tree/table/leafindex"
	"lightningdb/internal/tree/visible"
)

// OpenOptions say what a Reader expects to find, according to the manifest.
type OpenOptions struct {
	Name  string       // of the file, for errors
	Num   filename.Num // of the file
	ID    uint64       // identity of the table
	Size  int64        // length of the file in bytes
	Cache *cache.Cache // where pages are kept

	Buffers *piece.Buffers // of sequential iterators; nil for memory on the Go heap

	// Grown is told by how many bytes ResidentBytes has grown, by the reader who caused it; nil if nobody wants to know.
	Grown func(bytes int64)

	// Seq is the sequence number of all entries of a table that was written before its commit had one; these entries
	// carry LocalSeq instead. 0 if they carry their own.
	Seq key.SeqNum

	Values Values // nil: value files cannot be read

	Damaged func(error) // is told of damage that is found; nil if nobody wants to know
}

// LocalSeq is the sequence number in the entries of a table that was written before its commit had one: one that no
// commit ever has, so that such a table is known by its entries alone. It holds one version of each user key.
const LocalSeq = key.MaxSeqNum

// Reader reads one table. It is safe for concurrent use. It keeps the properties in memory, the cache's slots, 4 bytes
// a page, and 8 bytes a leaf once there have been enough seeks; everything else goes through the cache, the directory
// too.
type Reader struct {
	src    block.Source
	foot   footer
	props  Properties
	shared bool // the keys in props belong to somebody else
	pages  *cache.Pages
	first  int        // number of the first locator page
	seq    key.SeqNum // of all entries, or 0 if they carry their own
	num    filename.Num
	values Values

	buffers *piece.Buffers
	layout  directory.Layout // for pages that are not in memory
	grown   func(bytes int64)

	leafIndex atomic.Pointer[leafindex.Index] // nil until there have been enough seeks
	descents  atomic.Int64                    // seeks that descended the inner pages, while there is no leaf index
}

// Open returns a Reader of the table in f, and owns f if it succeeds. It reads the footer and the properties, and
// checks them against each other, the expected id and the expected size.
func Open(f vfs.File, o OpenOptions) (*Reader, error) {
	r := &Reader{src: block.Source{File: f, Name: o.Name, ID: o.ID, Tell: o.Damaged}, buffers: o.Buffers, grown: o.Grown,
		num: o.Num, values: o.Values}
	if err := r.openParts(o.Size); err != nil {
		return nil, err
	}
	if err := r.number(o.Seq); err != nil {
		return nil, err
	}
	r.pages = o.Cache.NewPages(r.layout.Pages+r.layout.Blocks(), r)
	return r, nil
}

// openParts reads all of the table that stays in memory.
func (r *Reader) openParts(size int64) error {
	if err := r.openFooter(size); err != nil {
		return err
	}
	return r.openProperties()
}

func (r *Reader) openFooter(want int64) error {
	size, err := r.src.File.Size()
	if err != nil {
		return fmt.Errorf("size of %s: %w", r.src.Name, err)
	}
	if size != want || size < footerSize || size >= directory.MaxFileSize {
		return r.src.Damaged(0, "the file has %d bytes and should have %d", size, want)
	}
	memory := piece.SpareScratch()
	defer memory.Recycle()
	b := memory.Bytes(footerSize)
	if err := r.src.Read(b, size-footerSize); err != nil {
		return err
	}
	foot, err := decodeFooter(b, size)
	if err != nil {
		return r.src.Located(size-footerSize, "footer", err)
	}
	if foot.id != r.src.ID {
		return r.src.Damaged(size-footerSize, "this is table %016x and should be %016x", foot.id, r.src.ID)
	}
	r.setFooter(foot)
	return nil
}

func (r *Reader) setFooter(f footer) {
	r.foot, r.src.Codec, r.layout = f, f.codec, f.layout()
	r.first = int(f.leaves) + int(f.inners)
}

func (r *Reader) openProperties() error {
	at := block.At(block.Properties, 0, r.foot.properties)
	memory := piece.SpareScratch()
	defer memory.Recycle()
	stored := memory.Bytes(int(r.foot.directory - r.foot.properties))
	if err := r.src.Read(stored, at.Offset); err != nil {
		return err
	}
	b, err := r.src.Open(nil, stored, at, 0)
	if err != nil {
		return err
	}
	if r.props, err = decodeProperties(b); err != nil {
		return r.src.Located(at.Offset, "properties", err)
	}
	r.props.FileSize = r.foot.size
	return nil
}

// number gives all entries the sequence number seq, unless it is 0.
func (r *Reader) number(seq key.SeqNum) error {
	if seq == 0 {
		return nil
	}
	p := &r.props
	if p.SmallestSeq != LocalSeq || p.LargestSeq != LocalSeq || p.Shadowed > 0 {
		return r.src.Damaged(r.foot.properties, "its entries have sequence numbers of their own, and are to have one: %d",
			seq)
	}
	r.seq, p.SmallestSeq, p.LargestSeq = seq, seq, seq
	return nil
}

// trailer is the trailer that readers see in place of one that the table holds.
func (r *Reader) trailer(held key.Trailer) key.Trailer {
	if r.seq == 0 {
		return held
	}
	return key.MakeTrailer(r.seq, held.Kind())
}

// target is k translated so that it orders among the keys that the table holds as k does among those that readers
// see.
func (r *Reader) target(k key.Internal) key.Internal {
	switch seq := k.Trailer.Seq(); {
	case r.seq == 0:
	case seq > r.seq:
		k.Trailer = key.MakeTrailer(key.MaxSeqNum, key.KindMax)
	case seq < r.seq:
		k.Trailer = 0
	default:
		k.Trailer = key.MakeTrailer(LocalSeq, k.Trailer.Kind())
	}
	return k
}

// Properties returns what the table says about itself. The keys in it belong to the Reader.
func (r *Reader) Properties() Properties { return r.props }

// ShareBounds has r keep these keys in place of its own smallest and largest one, which they are equal to. The caller
// holds them anyway, and they are not counted here.
func (r *Reader) ShareBounds(smallest, largest []byte) {
	r.props.Smallest, r.props.Largest, r.shared = smallest, largest, true
}

// readerBytes is about what an open table takes besides slots, leaf index and keys: the Reader and its file.
const readerBytes = 1024

// ResidentBytes is about the memory that the open table takes outside the cache's frames. It grows by the leaf index
// when that is made, which OpenOptions.Grown is told.
func (r *Reader) ResidentBytes() int64 {
	if r.pages == nil { // OpenValues
		return readerBytes
	}
	own := readerBytes + r.leafIndex.Load().Bytes()
	if !r.shared {
		own += int64(len(r.props.Smallest) + len(r.props.Largest))
	}
	return r.pages.Bytes() + own
}

// Close gives the table's pages back to the cache and closes the file. No Get may be under way; iterators that are
// still open return errors where they have to read.
func (r *Reader) Close() error {
	if r.pages != nil { // nil after OpenValues
		r.pages.Close()
	}
	if err := r.src.File.Close(); err != nil {
		return fmt.Errorf("close %s: %w", r.src.Name, err)
	}
	return nil
}

// Get finds the newest version of user that reader sees, and returns its effect: Skip if the table holds none. If the
// effect is Show, the value is appended to dst; if it is Until, with its end before it; use an iterator to
// read the operands of a merge. hash is key.Hash of user. The caller is inside a guard of the cache's epoch domain. Get
// allocates nothing if dst has room and the pages are cached. On an error out is dst.
func (r *Reader) Get(dst, user []byte, hash uint64, reader visible.Reader) (
	out []byte, effect visible.Effect, err error) {
	return r.GetWithin(math.MaxInt, dst, user, hash, reader)
}

// GetWithin is Get that reads no value of more than limit bytes: it returns operand.ErrTooLong instead, or if that ends
// and reader has no time, visible.ErrNoTime.
func (r *Reader) GetWithin(limit int, dst, user []byte, hash uint64, reader visible.Reader) (
	out []byte, effect visible.Effect, err error) {
	var private privatePages
	defer private.unpin()
	var e page.Entry
	effect, err = r.find(&e, user, hash, reader, &private)
	if err != nil || effect == visible.Skip {
		return dst, visible.Skip, err
	}
	if effect == visible.Until && e.Size() > uint64(limit) {
		if reader.Now == 0 {
			return dst, visible.Skip, visible.ErrNoTime
		}
		effect = reader.UntilEnd(e.End())
	}
	return r.appendValue(limit, dst, &e, effect)
}

// Locate is Get without the value: the extent that it lies in, or one in no file of its length if that is not outside
// the pages, with its end. It is the zero Extent unless the effect is Show or Until.
func (r *Reader) Locate(user []byte, hash uint64, reader visible.Reader) (
	x page.Extent, effect visible.Effect, err error) {
	var private privatePages
	defer private.unpin()
	var e page.Entry
	effect, err = r.find(&e, user, hash, reader, &private)
	switch {
	case err != nil || effect == visible.Skip:
		return x, visible.Skip, err
	case effect == visible.Unknown:
		return x, effect, r.src.Damaged(-1, "an entry of %v", e.Key.Trailer.Kind())
	case effect != visible.Show && effect != visible.Until:
	case e.IsExtent():
		x = e.Extent()
	default:
		x.Raw, x.End = e.Size(), e.End()
	}
	return x, effect, nil
}

// find sets e to the newest version of user that reader sees, and returns its effect: Skip if there is none. e lies in
// a page that is cached or in private.
func (r *Reader) find(e *page.Entry, user []byte, hash uint64, reader visible.Reader, private *privatePages) (
	visible.Effect, error) {
	n := r.first + locator.PageOf(hash, int(r.foot.locators))
	buckets, err := r.pages.Get(n, &private.locator)
	if err != nil {
		return visible.Skip, err
	}
	probe := locator.Search(buckets, hash)
	for {
		position, ok := probe.Next()
		if !ok {
			break
		}
		leaf := int(position >> (r.foot.pageBits - 3))
		at := int(position<<3) & (1<<r.foot.pageBits - 1)
		if leaf >= int(r.foot.leaves) {
			return visible.Skip, r.damagedPage(n, "a locator leads to leaf %d of %d", leaf, r.foot.leaves)
		}
		payload, err := r.pages.Get(leaf, &private.leaf)
		if err != nil {
			return visible.Skip, err
		}
		var next int
		if *e, next, ok = page.At(payload, at); !ok {
			return visible.Skip, r.damagedPage(n, "a locator leads to byte %d of leaf %d: no entry", at, leaf)
		}
		if !bytes.Equal(e.Key.User, user) {
			continue
		}
		effect := reader.Of(r.trailer(e.Key.Trailer))
		if effect == visible.Skip {
			return r.findOlder(e, user, reader, leaf, payload, next, &private.leaf)
		}
		return effect, nil
	}
	if !probe.Conclusive() {
		return r.findBySearch(e, user, reader, &private.leaf)
	}
	return visible.Skip, nil
}

// privatePages are the pages of one lookup that could not be cached.
type privatePages struct{ locator, leaf cache.Pin }

func (p *privatePages) unpin() {
	p.locator.Unpin()
	p.leaf.Unpin()
}

// maxSteps bounds how many versions of a key a lookup walks before it searches for the right one.
const maxSteps = 8

// findOlder continues after an entry of user that is too new: older versions follow it, perhaps on the next leaves.
// at is where the next entry of leaf begins.
func (r *Reader) findOlder(e *page.Entry, user []byte, reader visible.Reader, leaf int, payload []byte, at int,
	private *cache.Pin) (visible.Effect, error) {
	for range maxSteps {
		if at >= page.EntriesEnd(payload) {
			leaf, at = leaf+1, 0
			if leaf == int(r.foot.leaves) {
				return visible.Skip, nil
			}
			var err error
			if payload, err = r.pages.Get(leaf, private); err != nil {
				return visible.Skip, err
			}
		}
		var next int
		var ok bool
		if *e, next, ok = page.At(payload, at); !ok {
			return visible.Skip, r.damagedPage(leaf, "no entry at byte %d of leaf %d", at, leaf)
		}
		if !bytes.Equal(e.Key.User, user) {
			return visible.Skip, nil
		}
		if effect := reader.Of(r.trailer(e.Key.Trailer)); effect != visible.Skip {
			return effect, nil
		}
		at = next
	}
	return r.findBySearch(e, user, reader, private)
}

// findBySearch is find by a seek instead of the locator.
func (r *Reader) findBySearch(e *page.Entry, user []byte, reader visible.Reader, private *cache.Pin) (
	visible.Effect, error) {
	k := r.target(key.SeekTo(user, reader.Seq))
	leaf, err := r.findLeaf(k, nil)
	if err != nil {
		return visible.Skip, err
	}
	for i := -1; leaf < int(r.foot.leaves); leaf++ {
		payload, err := r.pages.Get(leaf, private)
		if err != nil {
			return visible.Skip, err
		}
		p := page.View(payload)
		if i < 0 {
			i, _ = p.Seek(k)
		}
		if i == p.Len() { // it begins on the next leaf
			i = 0
			continue
		}
		if *e = p.Entry(i); !bytes.Equal(e.Key.User, user) {
			return visible.Skip, nil
		}
		return reader.Of(r.trailer(e.Key.Trailer)), nil
	}
	return visible.Skip, nil
}

// appendValue appends the value of e to dst, if its effect is to be shown, perhaps until its end, and it has no
// more than limit bytes.
func (r *Reader) appendValue(limit int, dst []byte, e *page.Entry, effect visible.Effect) (
	[]byte, visible.Effect, error) {
	switch {
	case effect == visible.Unknown:
		return dst, effect, r.src.Damaged(-1, "an entry of %v", e.Key.Trailer.Kind())
	case effect != visible.Show && effect != visible.Until:
		return dst, effect, nil
	case e.Size() > uint64(limit):
		return dst, visible.Skip, operand.ErrTooLong
	case e.IsExtent():
		if effect == visible.Until {
			dst = key.WithEnd(dst, e.End(), nil)
		}
		out, err := r.appendExtent(dst, e.Extent())
		return out, effect, err
	}
	return append(dst, e.Value()...), effect, nil
}

// LoadPage reads, verifies and decompresses page n. It implements cache.Loader.
func (r *Reader) LoadPage(n int, buf []byte) ([]byte, error) {
	if n >= r.layout.Pages {
		return r.loadDirectory(n-r.layout.Pages, buf)
	}
	offset, length, err := r.placeOf(n)
	if err != nil {
		return nil, err
	}
	if r.src.Codec == codec.None && length <= cap(buf) {
		return r.readPage(n, offset, nil, buf[:length])
	}
	memory := piece.SpareScratch()
	defer memory.Recycle()
	stored := memory.Bytes(length)
	if err := r.src.Read(stored, offset); err != nil {
		return nil, err
	}
	payload, err := r.openPage(n, offset, buf, stored)
	if err != nil {
		return nil, err
	}
	if inside(payload, stored) {
		payload = append(buf[:0], payload...)
	}
	return payload, nil
}

// inside reports whether part, which is not empty, lies in the memory of whole.
func inside(part, whole []byte) bool { return &part[0] == &whole[0] }

// readPage reads page n, which lies at offset, into stored, which has its length, and opens it.
func (r *Reader) readPage(n int, offset int64, dst, stored []byte) ([]byte, error) {
	if err := r.src.Read(stored, offset); err != nil {
		return nil, err
	}
	return r.openPage(n, offset, dst, stored)
}

// openPage verifies page n, which lies at offset, as stored and returns its payload: a part of stored, or in dst's
// memory, or its own.
func (r *Reader) openPage(n int, offset int64, dst, stored []byte) ([]byte, error) {
	at := block.At(r.unitOf(n), n, offset)
	payload, err := r.src.Open(dst, stored, at, page.MaxSize)
	if err != nil {
		return nil, err
	}
	if at.Unit == block.Locator {
		err = locator.Check(payload)
	} else if err = page.Check(payload); err == nil {
		err = r.checkPlace(n, payload)
	}
	if err != nil {
		return nil, r.src.Located(at.Offset, fmt.Sprintf("%v %d", at.Unit, n), err)
	}
	return payload, nil
}

func (r *Reader) unitOf(n int) block.Unit {
	switch {
	case n < int(r.foot.leaves):
		return block.Leaf
	case n < r.first:
		return block.Inner
	}
	return block.Locator
}

// checkPlace verifies that a page suits its number: leaves are of level 0, and inner pages lead only to smaller page
// numbers, so that no descent can loop.
func (r *Reader) checkPlace(n int, payload []byte) error {
	level := page.Level(payload)
	if (level == 0) != (n < int(r.foot.leaves)) {
		return corrupt.New("", -1, "a page of level %d in this place", level)
	}
	if level == 0 {
		return nil
	}
	low, high := 0, int(r.foot.leaves)
	if level > 1 {
		low, high = high, n
	}
	p := page.View(payload)
	for i := range p.Len() {
		if c := int(p.Child(i)); c < low || c >= high {
			return corrupt.New("", -1, "child %d of a page of level %d", c, level)
		}
	}
	return nil
}
