package index

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// Source is what a bucket is of.
type Source struct {
	// State returns the keys of spaces in one state, which end is to be called for.
	State func() (keys func(space.Space) transaction.Keys, end func())

	Note func(error) // hears of the errors of loops
	Told func(error) // hears that the program has asked for one
}

// Reader reads an index of a bucket.
type Reader struct {
	from Source
	id   uint64 // of the bucket
	name string
}

// NewReader returns the index of that name of the bucket with that id, which need not be there.
func NewReader(from Source, id uint64, name string) *Reader { return &Reader{from, id, name} }

// Get returns the first row with that index key, or ErrNotFound. ErrNoIndex: the bucket has no such index.
func (r *Reader) Get(indexKey []byte) (key, value []byte, err error) {
	err = r.Equal(indexKey).Limit(1).each(func(e entry) (bool, error) {
		key = e.rowKey
		value, err = e.row()
		return false, err
	})
	if err == nil && key == nil {
		err = transaction.ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	return key, value, nil
}

// Range returns the rows with lo <= index key < hi. A nil bound is open.
func (r *Reader) Range(lo, hi []byte) *Range {
	bounds := span.Span{Lo: appendEscaped(nil, lo)}
	if hi != nil {
		bounds.Hi = appendEscaped([]byte{}, hi)
	}
	return &Range{of: r, bounds: bounds, limit: -1}
}

// Prefix returns the rows of index keys that begin with p.
func (r *Reader) Prefix(p []byte) *Range {
	return &Range{of: r, bounds: span.Prefix(appendEscaped(nil, p)), limit: -1}
}

// Equal returns the rows with that index key.
func (r *Reader) Equal(indexKey []byte) *Range {
	return &Range{of: r, bounds: span.Prefix(appendEnded(nil, indexKey)), limit: -1}
}

// Range is a span of index keys, to be walked with a loop. It belongs to one goroutine, and may be walked any number of
// times.
type Range struct {
	of      *Reader
	bounds  span.Span
	reverse bool
	limit   int
	err     error
	asked   bool
}

// Reverse makes loops run from the last index key to the first. It returns r.
func (r *Range) Reverse() *Range {
	r.reverse = !r.reverse
	return r
}

// Limit makes loops end after n entries; a negative n means no limit. It returns r.
func (r *Range) Limit(n int) *Range {
	r.limit = max(n, -1)
	return r
}

// All yields the keys and values of rows in the order of index keys, then of keys. A row with several index keys comes
// once for each. What a loop yields is the program's to keep.
func (r *Range) All() iter.Seq2[[]byte, []byte] {
	return r.loop(func(e entry) (key, value []byte, err error) {
		value, err = e.row()
		return e.rowKey, value, err
	})
}

// Keys yields index keys and the keys of rows, without reading these.
func (r *Range) Keys() iter.Seq2[[]byte, []byte] {
	return r.loop(func(e entry) (indexKey, key []byte, err error) { return e.indexKey, e.rowKey, nil })
}

// Covers yields the keys of rows and what the index covers of them, without reading these.
func (r *Range) Covers() iter.Seq2[[]byte, []byte] {
	return r.loop(func(e entry) (key, covered []byte, err error) { return e.rowKey, e.covered, nil })
}

// Err is the error that ended the latest loop early, or nil.
func (r *Range) Err() error {
	if r.err != nil && !r.asked {
		r.asked = true
		r.of.from.Told(r.err)
	}
	return r.err
}

func (r *Range) loop(show func(e entry) (a, b []byte, err error)) iter.Seq2[[]byte, []byte] {
	return func(yield func(a, b []byte) bool) {
		r.err, r.asked = nil, false
		err := r.each(func(e entry) (bool, error) {
			a, b, err := show(e)
			return err == nil && yield(a, b), err
		})
		if err != nil {
			r.err = err
			r.of.from.Note(err)
		}
	}
}

// entry is a row of an index, whose memory is the program's.
type entry struct {
	indexKey, rowKey, covered []byte
	bucket                    transaction.Keys
}

// row reads the row of the bucket. The index says that it is there.
func (e entry) row() ([]byte, error) {
	value, err := transaction.NotNil(e.bucket.Get(nil, e.rowKey))
	if errors.Is(err, transaction.ErrNotFound) {
		err = fmt.Errorf("%w: an index leads to a row that is not there", corrupt.ErrCorrupt)
	}
	return value, err
}

func damaged(stored []byte) error {
	return fmt.Errorf("%w: row %x of an index", corrupt.ErrCorrupt, stored)
}

// each calls step at each entry of r in one state, until it returns false or an error.
func (r *Range) each(step func(e entry) (more bool, err error)) error {
	keys, end := r.of.from.State()
	defer end()
	b, err := catalog.Read(rows.Rows{Keys: keys(space.Catalogue)}, r.of.id)
	if err != nil {
		return err
	}
	x := b.Index(r.of.name)
	if x == nil {
		return fmt.Errorf("%w: %.300q", catalog.ErrNoIndex, r.of.name)
	}
	in, bucket := space.Index(x.ID), keys(space.Of(r.of.id))
	return walk(keys(in), in.Span(r.bounds), r.reverse, r.limit, func(key, covered []byte) (bool, error) {
		indexKey, rowKey, ok := CutRow(in.Cut(key))
		if !ok {
			return false, damaged(key)
		}
		return step(entry{indexKey, bytes.Clone(rowKey), covered, bucket})
	})
}

// A walk reads so much before it shows it, at first and at most.
const (
	firstChunk    = 4
	maxChunk      = 256
	maxChunkBytes = 64 << 10
)

// walk calls step at the entries of stored keys, at most limit of them unless that is negative, until it returns false
// or an error. What step gets is its own, but for the memory of key. No iterator is open while step runs, so it may
// write, and end what it reads in: what was read ahead is read again after a write.
func walk(keys transaction.Keys, stored span.Span, reverse bool, limit int,
	step func(key, value []byte) (more bool, err error)) error {
	for size := firstChunk; limit != 0; size = min(2*size, maxChunk) {
		n := size
		if limit > 0 {
			n = min(n, limit)
		}
		all, more, err := chunk(keys, stored, reverse, n)
		if err != nil {
			return err
		}
		before, err := changes(keys)
		if err != nil {
			return err
		}
		for i, e := range all {
			if goOn, err := step(e.key, e.value); err != nil || !goOn {
				return err
			}
			if limit > 0 {
				limit--
			}
			after, err := changes(keys)
			if err != nil {
				return err
			}
			if after != before {
				all, more, size = all[:i+1], true, firstChunk/2
				break
			}
		}
		if !more {
			return nil
		}
		last := all[len(all)-1].key
		if reverse {
			stored.Hi = last
		} else {
			stored.Lo = span.Closed(nil, last).Hi
		}
	}
	return nil
}

// changes grows when the transaction of keys writes.
func changes(keys transaction.Keys) (n uint64, err error) {
	if in, ok := keys.(transaction.In); ok && in.Writer != nil {
		err = in.Do(nil, nil, func(tx *transaction.Tx, _ []byte) error { n = tx.Changes(); return nil })
	}
	return n, err
}

// quiet is keys of which only who walks them writes some, and knows that what lies ahead stays as it is.
type quiet struct{ transaction.Keys }

type pair struct{ key, value []byte }

// chunk reads at most n entries. more reports whether it did not see the end.
func chunk(keys transaction.Keys, stored span.Span, reverse bool, n int) (all []pair, more bool, err error) {
	it, err := keys.Open(stored)
	if err != nil {
		return nil, false, err
	}
	defer keys.Left()
	size := 0
	transaction.Begin(it, reverse, n)
	err = transaction.Each(it, reverse, n, func() (bool, error) {
		value, err := it.Value()
		if err != nil {
			return false, err
		}
		e := pair{bytes.Clone(it.Key()), append([]byte{}, value...)}
		all = append(all, e)
		size += len(e.key) + len(e.value)
		more = len(all) == n || size >= maxChunkBytes
		return !more, nil
	})
	return all, more, errors.Join(err, it.Close())
}
