package lightningdb

import (
	"iter"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/transaction"
)

// Range is a span of keys in one unchanging state of the database, to be walked with a loop or a Cursor:
//
//	r := db.Range(lo, hi)
//	for k, v := range r.All() {
//		…
//	}
//	if err := r.Err(); err != nil { … }
//
// A Range belongs to one goroutine. It may be walked any number of times. One that came from DB sees, at each walk,
// what was committed when that walk began.
type Range struct {
	space   space.Space // of the keys that it shows
	bounds  span.Span   // stored keys, in room, if they fit
	reverse bool
	limit   int    // entries a loop yields at most; negative for all
	start   []byte // the stored key at which loops begin, and a zero byte; nil without From
	owner   goroutine.ID
	outcome // of the latest loop
	room    [64]byte
}

// Range returns the entries with lo <= key < hi. A nil bound is open.
func (db *DB) Range(lo, hi []byte) *Range {
	return newRange(db, space.Space{}, span.Span{Lo: lo, Hi: hi})
}

// Prefix returns the entries whose keys begin with p.
func (db *DB) Prefix(p []byte) *Range { return newRange(db, space.Space{}, span.Prefix(p)) }

// Reverse makes loops run from the last key to the first. It returns r.
func (r *Range) Reverse() *Range {
	r.reverse = !r.reverse
	return r
}

// From makes loops begin at key: at the first key of the range at or after it or, in reverse, at the last one at or
// before it. No loop shows what is not in the range: a key outside of it leaves all of it or nothing. With the empty
// key, in reverse, that is left at most; nil takes back what From said before. The range keeps a copy. It returns r.
func (r *Range) From(key []byte) *Range {
	if r.start = nil; key != nil {
		r.start = span.Closed(nil, r.space.Key(key)).Hi
	}
	return r
}

// loop is the stored keys of what a loop shows.
func (r *Range) loop() span.Span {
	switch n := len(r.start) - 1; {
	case n < 0:
		return r.bounds
	case r.reverse:
		return r.bounds.Intersect(span.Span{Hi: r.start})
	default:
		return r.bounds.Intersect(span.Span{Lo: r.start[:n:n]})
	}
}

// Limit makes loops end after n entries; a negative n means no limit. With 0 a loop reads nothing. It returns r.
func (r *Range) Limit(n int) *Range {
	r.limit = max(n, -1)
	return r
}

// All yields keys and values in order; an empty key or value is not nil. Both are valid until the next step of the loop
// and must not be changed; copy what is to be kept. After the loop, Err tells whether it reached the end. The end of
// the transaction, snapshot or database ends the loop at its next step, and ends one that iter.Pull2 has taken apart at
// once. Reverse, From and Limit called inside a loop are for the next one. A loop ends before a key whose value gives
// ErrMerge; Keys goes on, and yields it.
func (r *Range) All() iter.Seq2[[]byte, []byte] { return r.all }

// Keys yields the keys in order, without reading large values; see All. A key is valid until the next step of the loop.
func (r *Range) Keys() iter.Seq[[]byte] { return r.keys }

// Err is the error that ended the latest loop early, or nil.
func (r *Range) Err() error { return r.ask() }

// openIterator implements source.
func (db *DB) openIterator(bounds span.Span) (iterator, error) {
	return transaction.Newest{Engine: db.engine}.Open(bounds)
}

// newRange returns the range of the keys of s in bounds, of which it keeps copies.
func newRange(from source, s space.Space, bounds span.Span) *Range {
	r := &Range{space: s, limit: -1, owner: goroutine.Current(), outcome: outcome{from: from}}
	r.bounds = s.Span(bounds).CloneIn(r.room[:])
	return r
}

// all is the loop of All.
func (r *Range) all(yield func(k, v []byte) bool) {
	if r.inPieces() {
		r.walk(func(c *Cursor) bool {
			v := c.Value()
			return c.err == nil && yield(c.key, v)
		})
		return
	}
	it := r.open()
	if it == nil {
		return
	}
	defer r.close(it)
	transaction.Begin(it, r.reverse, r.limit)
	if plain, ok := it.(*engine.Iterator); ok {
		r.fail(plain.Each(engine.Direction(r.reverse), r.limit, r.space.Cuts(r.bounds, yield)))
		return
	}
	r.fail(transaction.Each(it, r.reverse, r.limit, func() (bool, error) {
		v, err := transaction.NotNil(it.Value())
		return err == nil && yield(r.space.Cut(it.Key()), v), err
	}))
}

func (r *Range) keys(yield func(k []byte) bool) {
	if r.inPieces() {
		r.walk(func(c *Cursor) bool { return yield(c.key) })
		return
	}
	it := r.open()
	if it == nil {
		return
	}
	defer r.close(it)
	transaction.Begin(it, r.reverse, r.limit)
	r.fail(transaction.Each(it, r.reverse, r.limit, func() (bool, error) { return yield(r.space.Cut(it.Key())), nil }))
}

// inPieces reports whether a loop runs in another goroutine than the one that made its range, as the loops of iter.Pull
// do. Such a loop may be left open at any entry, and so must show copies only.
func (r *Range) inPieces() bool { return goroutine.Current() != r.owner }

// walk is a loop that may be left open: its entries are a cursor's.
func (r *Range) walk(yield func(*Cursor) bool) {
	c := r.cursor(r.loop())
	defer c.Close()
	start, step := c.First, c.Next
	if r.reverse {
		start, step = c.Last, c.Prev
	}
	for left := r.limit; left != 0 && start() && yield(c); left-- {
		start = step
		if left == 1 {
			break
		}
	}
	r.outcome = c.outcome
}

// open opens the iterator of a loop. It returns nil, and the error is noted, if there is none.
func (r *Range) open() iterator {
	r.err = nil
	it, err := r.from.openIterator(r.loop())
	if err != nil {
		r.fail(err)
		return nil
	}
	return it
}
