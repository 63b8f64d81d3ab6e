package lightningdb

import (
	"bytes"
	"errors"
	"iter"

	"lightningdb/internal/engine"
	"lightningdb/internal/txn"
)

// Range is a span of keys in one unchanging state of the database, to be walked with a loop or a Cursor:
//
//	r := db.Range(lo, hi)
//	for k, v := range r.All() {
//		…
//	}
//	if err := r.Err(); err != nil { … }
//
// A Range belongs to one goroutine. It may be walked any number of times. One that came from DB sees, at each walk, what
// was committed when that walk began.
type Range struct {
	lo, hi  []byte // in room, if they fit
	reverse bool
	limit   int // entries a loop yields at most; negative for all
	outcome     // of the latest loop
	room    [64]byte
}

// source is what a Range shows a part of.
type source interface {
	openIterator(lo, hi []byte) (iterator, error)
	note(error) // hears of errors of iterators, and may remember the first
	told(error) // hears that the program has asked for an error that was noted
}

// outcome is how a loop or cursor ended.
type outcome struct {
	from  source
	err   error // the first error; nil if there was none
	asked bool  // the program has seen err
}

// fail ends the loop or cursor with err, unless that is nil.
func (o *outcome) fail(err error) {
	if err != nil && o.err == nil {
		o.err, o.asked = err, false
		o.from.note(err)
	}
}

// ask returns the error to the program.
func (o *outcome) ask() error {
	if o.err != nil && !o.asked {
		o.asked = true
		o.from.told(o.err)
	}
	return o.err
}

// walkErrors is what a transaction remembers of its loops and cursors, because a program may forget to ask them: one that
// ended early has not shown everything. An ErrMerge is what there is to be read at a key, and counts no more once the
// program has asked for it.
type walkErrors struct {
	first   error // the first that is no ErrMerge
	merge   error // the first ErrMerge
	unasked int   // so many ErrMerge were not asked for
}

func (w *walkErrors) note(err error) {
	switch {
	case errors.Is(err, ErrMerge):
		w.unasked++
		if w.merge == nil {
			w.merge = err
		}
	case w.first == nil:
		w.first = err
	}
}

func (w *walkErrors) told(err error) {
	if errors.Is(err, ErrMerge) {
		w.unasked--
	}
}

// error is why what was read is not everything; nil if it is, as far as is known.
func (w *walkErrors) error() error {
	if w.first == nil && w.unasked > 0 {
		return w.merge
	}
	return w.first
}

// Range returns the entries with lo <= key < hi. A nil bound is open.
func (db *DB) Range(lo, hi []byte) *Range {
	return newRange(db, lo, hi)
}

// openIterator implements source.
func (db *DB) openIterator(lo, hi []byte) (iterator, error) {
	it, err := db.engine.NewIterator(nil, lo, hi)
	if err != nil {
		return nil, err
	}
	return it, nil
}

// note and told implement source: a DB forgets.
func (db *DB) note(error) {}
func (db *DB) told(error) {}

// Prefix returns the entries whose keys begin with p.
func (db *DB) Prefix(p []byte) *Range { return db.Range(prefixBounds(p)) }

// newRange is not inlined, since it would be in the program once for each loop.
//
//go:noinline
func newRange(from source, lo, hi []byte) *Range {
	r := &Range{limit: -1, outcome: outcome{from: from}}
	both := append(append(r.room[:0], lo...), hi...)
	if lo != nil {
		r.lo = both[:len(lo):len(lo)]
	}
	if hi != nil {
		r.hi = both[len(lo):]
	}
	return r
}

// prefixBounds returns the range of keys that begin with p: from p to the first key after all of them, which is p
// without its trailing 0xff bytes and with the last of the others raised by one.
func prefixBounds(p []byte) (lo, hi []byte) {
	end := len(p)
	for end > 0 && p[end-1] == 0xff {
		end--
	}
	if end == 0 {
		return p, nil
	}
	hi = bytes.Clone(p[:end])
	hi[end-1]++
	return p, hi
}

// Reverse makes loops run from the last key to the first. It returns r.
func (r *Range) Reverse() *Range {
	r.reverse = !r.reverse
	return r
}

// Limit makes loops end after n entries; a negative n means no limit. It returns r.
func (r *Range) Limit(n int) *Range {
	r.limit = n
	return r
}

// All yields keys and values in order. Both are valid until the next step of the loop and must not be changed; copy
// what is to be kept. After the loop, Err tells whether it reached the end.
func (r *Range) All() iter.Seq2[[]byte, []byte] { return r.all }

// all is a function of its own, and not in All, so that it is not in the program once for each loop.
func (r *Range) all(yield func(k, v []byte) bool) {
	it := r.begin()
	if it == nil {
		return
	}
	defer it.Close()
	if plain, ok := it.(*engine.Iterator); ok {
		r.fail(plain.Each(engine.Direction(r.reverse), r.limit, yield))
		return
	}
	r.fail(r.each(it, func() (bool, error) {
		v, err := it.Value()
		return err == nil && yield(it.Key(), v), err
	}))
}

// Keys yields the keys in order, without reading large values. A key is valid until the next step of the loop.
func (r *Range) Keys() iter.Seq[[]byte] { return r.keys }

func (r *Range) keys(yield func(k []byte) bool) {
	it := r.begin()
	if it == nil {
		return
	}
	defer it.Close()
	r.fail(r.each(it, func() (bool, error) { return yield(it.Key()), nil }))
}

// Err is the error that ended the latest loop early, or nil.
func (r *Range) Err() error { return r.ask() }

// begin opens an iterator and moves it to where a loop begins. It returns nil, and the error is noted, if there is none.
func (r *Range) begin() iterator {
	r.err = nil
	it, err := r.from.openIterator(r.lo, r.hi)
	if err != nil {
		r.fail(err)
		return nil
	}
	if r.reverse {
		it.Last()
	} else {
		it.First()
	}
	return it
}

// each calls step at each entry until it returns false or an error. The error is that, or that of moving.
func (r *Range) each(it iterator, step func() (bool, error)) error {
	for ok, left := it.Valid(), r.limit; ok && left != 0; left-- {
		more, err := step()
		if err != nil || !more || left == 1 {
			return err
		}
		if r.reverse {
			ok = it.Prev()
		} else {
			ok = it.Next()
		}
	}
	return it.Err()
}

// iterator is what a cursor moves: an engine's iterator, or one with a transaction's writes over it.
type iterator interface {
	txn.Source
	Close() error
}

// Cursor walks a Range freely. It starts at no entry. It must be closed.
type Cursor struct {
	it    iterator // nil if it could not be opened, and once closed
	value []byte   // of the current entry, once loaded
	ready bool     // value is loaded
	outcome

	target []byte // of the last seek
}

// Cursor returns a cursor over the range. Reverse and Limit are for loops; a cursor ignores them.
func (r *Range) Cursor() *Cursor {
	it, err := r.from.openIterator(r.lo, r.hi)
	c := &Cursor{it: it, outcome: outcome{from: r.from}}
	c.fail(err)
	return c
}

// First moves to the first entry of the range. Like every move it reports whether there is an entry to stand on; when
// there is none, Err tells an end from a failure.
func (c *Cursor) First() bool { return c.leave() && c.arrive(c.it.First()) }

// Last moves to the last entry of the range.
func (c *Cursor) Last() bool { return c.leave() && c.arrive(c.it.Last()) }

// Next moves to the entry after the current one. At no entry it stays there and returns false.
func (c *Cursor) Next() bool { return c.leave() && c.arrive(c.it.Next()) }

// Prev moves to the entry before the current one. At no entry it stays there and returns false.
func (c *Cursor) Prev() bool { return c.leave() && c.arrive(c.it.Prev()) }

// Seek moves to the first entry of the range at or after key.
func (c *Cursor) Seek(key []byte) bool {
	c.target = append(c.target[:0], key...) // it may be the current key, which moving invalidates
	return c.leave() && c.arrive(c.it.SeekGE(c.target))
}

// SeekBefore moves to the last entry of the range before key.
func (c *Cursor) SeekBefore(key []byte) bool {
	c.target = append(c.target[:0], key...)
	return c.leave() && c.arrive(c.it.SeekLT(c.target))
}

// leave begins a move. It returns false if there can be none.
func (c *Cursor) leave() bool {
	c.ready, c.value = false, nil
	if c.err == nil && c.it == nil {
		c.err = ErrClosed
	}
	return c.err == nil
}

// arrive ends a move.
func (c *Cursor) arrive(ok bool) bool {
	if !ok {
		c.fail(c.it.Err())
	}
	return ok
}

// Valid reports whether the cursor stands on an entry.
func (c *Cursor) Valid() bool { return c.err == nil && c.it != nil && c.it.Valid() }

// Key is the key of the current entry, or nil at no entry. It is valid until the next move and must not be changed.
func (c *Cursor) Key() []byte {
	if !c.Valid() {
		return nil
	}
	return c.it.Key()
}

// Value is the value of the current entry, or nil at no entry or if it could not be read: then the cursor is at no
// entry any more and Err tells why. It is valid until the next move and must not be changed.
func (c *Cursor) Value() []byte {
	if c.ready || !c.Valid() {
		return c.value
	}
	value, err := c.it.Value()
	if err != nil {
		c.fail(err)
		return nil
	}
	c.value, c.ready = value, true
	return value
}

// Err is the first error the cursor met. Once it is not nil the cursor stays at no entry.
func (c *Cursor) Err() error { return c.ask() }

// Close releases the cursor. Using it afterwards gives ErrClosed; further calls of Close do nothing.
func (c *Cursor) Close() error {
	if c.it == nil {
		return nil
	}
	it := c.it
	c.it = nil
	return it.Close()
}
