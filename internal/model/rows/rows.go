// Package rows reads and writes the rows of the catalogue of buckets in what programs read and write in: a database, a
// snapshot or a transaction. It owns nothing, and is as safe for concurrent use as that.
package rows

import (
	"bytes"
	"errors"

	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/transaction"
)

// Rows implements catalog.Reader and, of a transaction, catalog.Writer.
type Rows struct{ transaction.Keys } // of space.Catalogue

var _ catalog.Writer = Rows{}

// in is the catalogue in a transaction. Elsewhere nobody writes it.
func (r Rows) in() transaction.In {
	in, _ := r.Keys.(transaction.In)
	return in
}

// claim counts stored keys as read, at any isolation, if there may be a commit.
func (r Rows) claim(stored span.Span) error {
	in, ok := r.Keys.(transaction.In)
	if !ok {
		return nil
	}
	return in.Claim(stored)
}

// Get implements catalog.Reader.
func (r Rows) Get(key []byte) (value []byte, found bool, err error) {
	stored := space.Catalogue.Key(key)
	if err := r.claim(span.Closed(stored, stored)); err != nil {
		return nil, false, err
	}
	return Find(r.Keys, key)
}

// Find is the value that key has in keys, if there is one.
func Find(keys transaction.Keys, key []byte) (value []byte, found bool, err error) {
	value, err = keys.Get(nil, key)
	if errors.Is(err, transaction.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// Walk implements catalog.Reader.
func (r Rows) Walk(keys span.Span, yield func(key, value []byte) bool) error {
	stored := space.Catalogue.Span(keys)
	if err := r.claim(stored); err != nil {
		return err
	}
	return r.each(stored, func(it transaction.Walker) (more bool, err error) {
		value, err := it.Value()
		return err == nil && yield(space.Catalogue.Cut(it.Key()), value), err
	})
}

// each calls step at each of the stored keys, until it returns false or an error.
func (r Rows) each(stored span.Span, step func(it transaction.Walker) (more bool, err error)) error {
	it, err := r.Open(stored)
	if err != nil {
		return err
	}
	defer r.Left()
	transaction.Begin(it, false, -1)
	err = transaction.Each(it, false, -1, func() (bool, error) { return step(it) })
	return errors.Join(err, it.Close())
}

// Put implements catalog.Writer.
func (r Rows) Put(key, value []byte) error { return r.in().Put(key, value) }

// Delete implements catalog.Writer.
func (r Rows) Delete(key []byte) error { return r.in().Delete(key) }

// DeleteStored implements catalog.Writer.
func (r Rows) DeleteStored(stored span.Span) error {
	return r.in().Do(nil, nil, func(tx *transaction.Tx, _ []byte) error { return tx.DeleteRange(stored) })
}

// DeleteEach implements catalog.Writer.
func (r Rows) DeleteEach(stored span.Span) error {
	if err := r.claim(stored); err != nil {
		return err
	}
	return r.each(stored, func(it transaction.Walker) (more bool, err error) {
		k := bytes.Clone(it.Key())
		return true, r.in().Do(nil, nil, func(tx *transaction.Tx, _ []byte) error { return tx.Delete(k) })
	})
}
