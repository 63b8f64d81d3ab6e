package lightningdb

import (
	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// Cursor walks a Range freely. It starts at no entry. It must be closed.
//
// The end of its transaction, snapshot or database ends it as well, and gives back what it holds: moves then fail, with
// ErrTxDone or ErrClosed, while the key and value it has shown stay what they are until Close.
type Cursor struct {
	space space.Space      // of the keys that it shows
	it    iterator         // nil if it could not be opened, and once closed
	plain *engine.Iterator // the same, if it is one
	valid bool             // it stands on an entry
	ready bool             // value is that of the entry
	key   []byte           // a copy, like value: the iterator's memory is freed when others end it
	value []byte
	outcome

	target []byte // of the last seek, as a stored key
}

// keptValue is the size, in bytes, up to which the memory of a value is used again for the next one.
const keptValue = 1 << 20

// smallValue is the size, in bytes, up to which a value is copied at once, whether it will be asked for or not.
const smallValue = 512

// Cursor returns a cursor over the range. Reverse, From and Limit are for loops; a cursor ignores them.
func (r *Range) Cursor() *Cursor { return r.cursor(r.bounds) }

func (r *Range) cursor(bounds span.Span) *Cursor {
	c := &Cursor{space: r.space, outcome: outcome{from: r.from}, key: []byte{}} // the empty key is not nil
	it, err := r.from.openIterator(bounds)
	if err != nil {
		c.fail(err)
		return c
	}
	it.Exit()
	c.it = it
	c.plain, _ = it.(*engine.Iterator)
	return c
}

// First moves to the first entry of the range. Like every move it reports whether there is an entry to stand on; when
// there is none, Err tells an end from a failure.
func (c *Cursor) First() bool { return c.move(iterator.First) }

// Last moves to the last entry of the range.
func (c *Cursor) Last() bool { return c.move(iterator.Last) }

// Next moves to the entry after the current one. At no entry it stays there and returns false.
func (c *Cursor) Next() bool { return c.move(iterator.Next) }

// Prev moves to the entry before the current one. At no entry it stays there and returns false.
func (c *Cursor) Prev() bool { return c.move(iterator.Prev) }

// Seek moves to the first entry of the range at or after key.
func (c *Cursor) Seek(key []byte) bool {
	c.target = c.space.AppendKey(c.target[:0], key) // it may be the current key, which moving overwrites
	return c.move(func(it iterator) bool { return it.SeekGE(c.target) })
}

// SeekBefore moves to the last entry of the range before key.
func (c *Cursor) SeekBefore(key []byte) bool {
	c.target = c.space.AppendKey(c.target[:0], key)
	return c.move(func(it iterator) bool { return it.SeekLT(c.target) })
}

// move takes a step of the iterator's. That may call Options.Merge: should it end the goroutine, the iterator is left
// all the same, or nobody could end it any more.
func (c *Cursor) move(step func(iterator) bool) bool {
	c.valid = false
	if !c.enter() {
		return false
	}
	defer c.it.Exit()
	return c.arrive(step(c.it))
}

// enter begins to use the iterator. It returns false if it cannot be used.
func (c *Cursor) enter() bool {
	if c.err == nil {
		if c.it == nil {
			c.err = ErrClosed
		} else {
			c.fail(c.it.Enter())
		}
	}
	return c.err == nil
}

// arrive notes where a move has led.
func (c *Cursor) arrive(ok bool) bool {
	c.valid, c.ready = ok, false
	var err error
	if ok {
		c.key = c.space.AppendCut(c.key[:0], c.it.Key())
		if c.plain != nil {
			if value := c.plain.AtHand(); value != nil && len(value) <= smallValue {
				c.keep(value) // cheaper than coming back for it
			}
		}
	} else {
		err = c.it.Err()
	}
	c.fail(err)
	return ok
}

// Valid reports whether the cursor stands on an entry.
func (c *Cursor) Valid() bool { return c.valid && c.err == nil }

// Key is the key of the current entry, or nil at no entry: the empty key is not nil. It is valid until the next move
// or Close, and must not be changed.
func (c *Cursor) Key() []byte {
	if !c.Valid() {
		return nil
	}
	return c.key
}

// Value is the value of the current entry, or nil at no entry or if it could not be read: then the cursor is at no
// entry any more and Err tells why. An empty value is not nil. It is valid until the next move or Close, and must not
// be changed.
func (c *Cursor) Value() []byte {
	if !c.Valid() {
		return nil
	}
	if c.ready {
		return c.value
	}
	if !c.enter() {
		return nil
	}
	defer c.it.Exit()
	value, err := c.it.Value()
	if err == nil {
		c.keep(value)
	}
	if c.fail(err); err != nil {
		return nil
	}
	return c.value
}

// keep copies the current value.
func (c *Cursor) keep(value []byte) {
	if c.value == nil || cap(c.value) > keptValue {
		c.value = make([]byte, 0, len(value))
	}
	c.value, c.ready = append(c.value[:0], value...), true
}

// Err is the first error the cursor met. Once it is not nil the cursor stays at no entry.
func (c *Cursor) Err() error { return c.ask() }

// Close releases the cursor. Using it afterwards gives ErrClosed; further calls of Close do nothing.
func (c *Cursor) Close() error {
	it := c.it
	c.it, c.plain, c.valid, c.key, c.value = nil, nil, false, nil, nil
	if it == nil {
		return nil
	}
	defer c.from.closed()
	if it.Enter() != nil { // it was ended
		return nil
	}
	return it.Close()
}
