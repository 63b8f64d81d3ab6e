package transaction

import (
	"sync"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// Keys is the keys of a space in what a program reads in: Newest, Held or In.
type Keys interface {
	Get(dst, key []byte) ([]byte, error) // appends the value of key to dst; ErrNotFound if there is none
	Has(key []byte) (bool, error)
	Measure(key []byte) (engine.Measure, error) // of the value of key; ErrNotFound

	// Open returns an iterator over stored keys, of any space. It stands nowhere. When its owner has closed it, or has
	// forgotten one that was ended, it calls Left.
	Open(stored span.Span) (Walker, error)
	Left()
}

// keyBuffer is memory for the stored key of a read, which nobody knows any more when the read returns.
type keyBuffer [128]byte

var keyBuffers = sync.Pool{New: func() any { return new(keyBuffer) }}

// Newest is the newest state of an engine, and implements Keys of one space of it.
type Newest struct {
	*engine.Engine
	Space space.Space
}

// Get implements Keys.
func (n Newest) Get(dst, key []byte) ([]byte, error) {
	if !Fits(key) {
		return dst, CheckKey(key)
	}
	if n.Space.StoresAsIs(key) {
		return OrNotFound(n.Engine.Get(dst, key, engine.Latest))
	}
	buffer := keyBuffers.Get().(*keyBuffer)
	defer keyBuffers.Put(buffer)
	return OrNotFound(n.Engine.Get(dst, n.Space.AppendKey(buffer[:0], key), engine.Latest))
}

// Has implements Keys.
func (n Newest) Has(key []byte) (bool, error) {
	if !Fits(key) {
		return false, CheckKey(key)
	}
	return n.Engine.Has(n.Space.Key(key), engine.Latest)
}

// Measure implements Keys.
func (n Newest) Measure(key []byte) (m engine.Measure, err error) {
	if !Fits(key) {
		return m, CheckKey(key)
	}
	return OrNotFound(n.Engine.Measure(n.Space.Key(key), engine.Latest))
}

// Open implements Keys.
func (n Newest) Open(stored span.Span) (Walker, error) {
	return orNil(n.NewIterator(nil, stored.Lo, stored.Hi))
}

// Left implements Keys.
func (n Newest) Left() {}

// Held is the state of a snapshot of a program's, and implements Keys of one space of it.
type Held struct {
	*engine.Snapshot
	Space space.Space
}

// Get implements Keys.
func (h Held) Get(dst, key []byte) ([]byte, error) {
	if h.Closed() {
		return dst, engine.ErrClosed
	}
	if !Fits(key) {
		return dst, CheckKey(key)
	}
	return OrNotFound(getStored(h.Snapshot, h.Space, dst, key))
}

// Has implements Keys.
func (h Held) Has(key []byte) (bool, error) {
	if h.Closed() {
		return false, engine.ErrClosed
	}
	if !Fits(key) {
		return false, CheckKey(key)
	}
	return h.Snapshot.Has(h.Space.Key(key))
}

// Measure implements Keys.
func (h Held) Measure(key []byte) (m engine.Measure, err error) {
	if h.Closed() {
		return m, engine.ErrClosed
	}
	if !Fits(key) {
		return m, CheckKey(key)
	}
	return OrNotFound(h.Snapshot.Measure(h.Space.Key(key)))
}

// Open implements Keys.
func (h Held) Open(stored span.Span) (Walker, error) {
	return orNil(OpenIterator(h.Snapshot, stored, engine.ErrClosed))
}

// Left implements Keys.
func (h Held) Left() {}

// getStored appends the value that the key of space in has in s.
func getStored(s *engine.Snapshot, in space.Space, dst, key []byte) (out []byte, found bool, err error) {
	if in.StoresAsIs(key) {
		return s.Get(dst, key)
	}
	buffer := keyBuffers.Get().(*keyBuffer)
	defer keyBuffers.Put(buffer)
	return s.Get(dst, in.AppendKey(buffer[:0], key))
}

// OrNotFound is what a read has found, with ErrNotFound if that is nothing.
func OrNotFound[T any](out T, found bool, err error) (T, error) {
	if err == nil && !found {
		err = ErrNotFound
	}
	return out, err
}

// NotNil is what a read has found, with an empty slice, not nil, for an empty value.
func NotNil(value []byte, err error) ([]byte, error) {
	if value == nil && err == nil {
		value = []byte{}
	}
	return value, err
}

// orNil is what opened an iterator returned, without an iterator if there is none.
func orNil[I Walker](it I, err error) (Walker, error) {
	if err != nil {
		return nil, err
	}
	return it, nil
}
