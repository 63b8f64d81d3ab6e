package table

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
)

// Iterator walks the entries of a table in internal key order, both ways. It starts before any entry: position it
// first. Key and Value are borrowed until the next move or Close. The first error makes it invalid for good; Err
// returns it, and so does Close. An Iterator belongs to one goroutine at a time, and must be closed, or it
// keeps a page in the cache.
type Iterator struct {
	r     *Reader
	leaf  int       // which leaf page holds, -1: none
	page  page.Page // valid while pin or ahead holds it
	index int       // of entry in page
	entry page.Entry
	valid bool
	err   error
	pin   cache.Pin
	ahead *readAhead    // of a sequential iterator, instead of pin
	value piece.Scratch // of the last extent read
	until []byte        // the last value of one that ends, behind its end
	done  bool          // closed

	chunks block.Chunks // of the extent of which Chunk was last asked for

	stop *atomic.Bool // see StopBy
}

// ErrStopped is the error of an iterator that was stopped.
var ErrStopped = errors.New("table: iterator was stopped")

// StopBy makes it fail with ErrStopped as soon as it needs another page or an extent, once stop is set. nil means
// never.
func (it *Iterator) StopBy(stop *atomic.Bool) { it.stop = stop }

func isSet(stop *atomic.Bool) bool { return stop != nil && stop.Load() }

var errIteratorClosed = fmt.Errorf("table: iterator: %w", fs.ErrClosed)

// NewIterator returns an iterator that pins one page at a time in the cache.
func (r *Reader) NewIterator() *Iterator { return new(Iterator).Reset(r) }

// Reset makes it, which must be zero or closed, the same as NewIterator of r.
func (it *Iterator) Reset(r *Reader) *Iterator {
	*it = Iterator{r: r, leaf: -1}
	return it
}

// NewSequentialIterator returns an iterator that reads leaves in pieces of up to 256 KiB, without the cache. It is
// for one pass from some point forward, as in compaction. All moves work; those that are not forward read a whole
// piece each.
func (r *Reader) NewSequentialIterator() *Iterator {
	return &Iterator{r: r, leaf: -1, ahead: newReadAhead(r)}
}

// PassOver makes it, a sequential iterator, read leaves without the extents between them.
func (it *Iterator) PassOver() { it.ahead.leavesOnly = true }

// First moves to the first entry. It returns Valid, as all moves do.
func (it *Iterator) First() bool { return it.load(0) && it.set(0) }

// Last moves to the last entry.
func (it *Iterator) Last() bool {
	return it.load(int(it.r.foot.leaves)-1) && it.set(it.page.Len()-1)
}

// SeekGE moves to the first entry whose key is not before k.
func (it *Iterator) SeekGE(k key.Internal) bool {
	k = it.r.target(k)
	if !it.descend(k) {
		return false
	}
	if i, _ := it.page.Seek(k); i < it.page.Len() {
		return it.set(i)
	}
	return it.nextLeaf() && it.reached(key.Compare(it.page.Entry(0).Key, k) >= 0)
}

// SeekLT moves to the last entry whose key is before k.
func (it *Iterator) SeekLT(k key.Internal) bool {
	k = it.r.target(k)
	if !it.descend(k) {
		return false
	}
	if i, _ := it.page.Seek(k); i > 0 {
		return it.set(i - 1)
	}
	return it.previousLeaf() && it.reached(key.Compare(it.page.Entry(it.index).Key, k) < 0)
}

// reached fails the iterator unless ok: the first entry of the leaf after, or the last one of the leaf before, the one
// in which the target belongs lies on the side that was asked for. Where it does not, an inner page has led to a wrong
// leaf. A walk that seeks over what it need not see would come back to where it was, and never end.
func (it *Iterator) reached(ok bool) bool {
	if ok {
		return true
	}
	return it.fail(it.r.damagedPage(it.leaf, "an inner page leads past this leaf wrongly"))
}

// Next moves to the next entry. An invalid iterator stays invalid.
func (it *Iterator) Next() bool {
	if !it.valid {
		return false
	}
	if it.index+1 < it.page.Len() {
		return it.set(it.index + 1)
	}
	return it.nextLeaf()
}

// Prev moves to the previous entry. An invalid iterator stays invalid.
func (it *Iterator) Prev() bool {
	if !it.valid {
		return false
	}
	if it.index > 0 {
		return it.set(it.index - 1)
	}
	return it.previousLeaf()
}

// Valid reports whether the iterator is at an entry.
func (it *Iterator) Valid() bool { return it.valid }

// Key is the key of the entry. The iterator must be valid.
func (it *Iterator) Key() key.Internal { return it.entry.Key }

// Value is the value of the entry, empty for a tombstone, with the end of one that ends before it. It reads the file if
// the value is an extent. The iterator must be valid.
func (it *Iterator) Value() ([]byte, error) {
	if !it.entry.IsExtent() {
		return it.entry.Value(), nil
	}
	x := it.entry.Extent()
	value, err := it.readExtent(x)
	if err != nil {
		it.fail(err)
		return nil, err
	}
	if x.End > 0 {
		it.until = key.WithEnd(it.until[:0], x.End, value)
		return it.until, nil
	}
	return value, nil
}

// Size is how many bytes key and value of the entry have in its page, before compression, and how many the value
// takes in the file if it is an extent. It reads nothing. The iterator must be valid.
func (it *Iterator) Size() (inPage, extent int64) {
	if it.entry.IsExtent() {
		return int64(len(it.entry.Key.User)), int64(it.entry.Extent().Stored)
	}
	return int64(len(it.entry.Key.User) + len(it.entry.Value())), 0
}

// Extent implements merge.Iterator.
func (it *Iterator) Extent() (page.Reference, bool) {
	if !it.entry.IsExtent() {
		return page.Reference{}, false
	}
	return it.r.reference(it.entry.Extent())
}

func (it *Iterator) readExtent(x page.Extent) ([]byte, error) {
	if isSet(it.stop) {
		return nil, ErrStopped
	}
	if x.File != 0 {
		return it.r.appendExtent(it.value.Bytes(int(min(x.Raw, page.MaxChunked)))[:0], x)
	}
	if err := it.r.checkExtent(x); err != nil {
		return nil, err
	}
	dst := it.value.Bytes(x.ScratchBytes())[:0]
	if it.ahead != nil && x.Chunks() == 0 {
		if stored := it.ahead.at(int64(x.Offset), int64(x.Stored)); stored != nil {
			return it.r.openExtent(dst, dst, stored, x)
		}
	}
	return it.r.appendExtent(dst, x)
}

// NextBatch implements merge.Iterator. A batch ends with its leaf, and before an extent.
func (it *Iterator) NextBatch(dst []merge.Entry, end key.Internal) int {
	to := min(it.index+len(dst), it.page.Len())
	if !end.Zero() {
		to, _ = it.page.SeekAmong(it.r.target(end), it.index, to, it.index)
	}
	n := it.lend(dst, to-it.index, 1)
	if n > 0 {
		it.set(it.index + n - 1)
	}
	return n
}

// PrevBatch implements merge.Iterator.
func (it *Iterator) PrevBatch(dst []merge.Entry, end key.Internal) int {
	from := max(it.index-len(dst)+1, 0)
	if !end.Zero() {
		i, exact := it.page.SeekAmong(it.r.target(end), from, it.index+1, it.index)
		if exact {
			i++
		}
		from = i
	}
	n := it.lend(dst, it.index-from+1, -1)
	if n > 0 {
		it.set(it.index - n + 1)
	}
	return n
}

// Pinned implements merge.Iterator: what was lent lies in the current leaf.
func (it *Iterator) Pinned() bool { return it.index+1 < it.page.Len() }

// lend hands out n entries of the current leaf, or fewer, starting with the current one.
func (it *Iterator) lend(dst []merge.Entry, n, step int) int {
	if n <= 0 {
		return 0
	}
	n = it.page.Lend(dst[:n], it.index, step)
	if it.r.seq != 0 {
		for i := range dst[:n] {
			dst[i].Key.Trailer = it.r.trailer(dst[i].Key.Trailer)
		}
	}
	return n
}

// Err is the first error met; nil at either end of the table.
func (it *Iterator) Err() error { return it.err }

// Close releases the page and returns Err. Afterwards the iterator stays invalid. The second Close does nothing.
func (it *Iterator) Close() error {
	if it.done {
		return nil
	}
	err := it.err
	it.pin.Unpin()
	it.value.Release()
	if it.ahead != nil {
		it.ahead.release()
	}
	*it = Iterator{r: it.r, err: errIteratorClosed, leaf: -1, done: true}
	return err
}

// descend loads the leaf in which k belongs: no leaf before it holds a key that is not before k, and no leaf after it
// one that is before k.
func (it *Iterator) descend(k key.Internal) bool {
	it.valid = false
	if it.err != nil {
		return false
	}
	n, err := it.r.findLeaf(k, it.stop)
	if err != nil {
		return it.fail(err)
	}
	return it.load(n)
}

// findLeaf returns the number of the leaf in which k belongs, or ErrStopped once stop is set.
func (r *Reader) findLeaf(k key.Internal, stop *atomic.Bool) (int, error) {
	if isSet(stop) {
		return 0, ErrStopped
	}
	if x := r.leafIndex.Load(); x == nil {
		r.countDescent()
	} else if leaf, decided := x.LeafFor(k.User); decided {
		return leaf, nil
	}
	return r.descend(k, stop)
}

// descend is findLeaf by way of the inner pages.
func (r *Reader) descend(k key.Internal, stop *atomic.Bool) (int, error) {
	n := r.first - 1 // the root, or the only leaf
	for level := -1; n >= int(r.foot.leaves); {
		if isSet(stop) {
			return 0, ErrStopped
		}
		pin, err := r.pages.Pin(n)
		if err != nil {
			return 0, err
		}
		found := page.Level(pin.Data())
		child := childFor(pin.Data(), k)
		pin.Unpin()
		if level >= 0 && found != level-1 {
			return 0, r.damagedPage(n, "inner page %d is of level %d below level %d", n, found, level)
		}
		n, level = child, found
	}
	return n, nil
}

// childFor returns the child of an inner page in which k belongs: that of the last separator not after k.
func childFor(payload []byte, k key.Internal) int {
	p := page.View(payload)
	i, exact := p.Seek(k)
	if i > 0 && !exact {
		i--
	}
	return int(p.Child(i))
}

func (it *Iterator) nextLeaf() bool {
	if it.leaf+1 == int(it.r.foot.leaves) {
		it.valid = false
		return false
	}
	return it.load(it.leaf+1) && it.set(0)
}

func (it *Iterator) previousLeaf() bool {
	if it.leaf == 0 {
		it.valid = false
		return false
	}
	return it.load(it.leaf-1) && it.set(it.page.Len()-1)
}

// load makes leaf n the current one. The iterator is invalid until set.
func (it *Iterator) load(n int) bool {
	it.valid = false
	if it.err != nil {
		return false
	}
	if it.leaf == n {
		return true
	}
	it.leaf = -1
	if isSet(it.stop) {
		return it.fail(ErrStopped)
	}
	payload, err := it.payload(n)
	if err != nil {
		return it.fail(err)
	}
	it.leaf, it.page = n, page.View(payload)
	return true
}

func (it *Iterator) payload(n int) ([]byte, error) {
	if it.ahead != nil {
		return it.ahead.leaf(n)
	}
	it.pin.Unpin()
	pin, err := it.r.pages.Pin(n)
	it.pin = pin
	return pin.Data(), err
}

// set makes entry i of the current leaf the current entry.
func (it *Iterator) set(i int) bool {
	it.index, it.entry, it.valid = i, it.page.Entry(i), true
	it.entry.Key.Trailer = it.r.trailer(it.entry.Key.Trailer)
	return true
}

func (it *Iterator) fail(err error) bool {
	it.valid, it.leaf = false, -1
	if it.err == nil {
		it.err = err
	}
	return false
}
