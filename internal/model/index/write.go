package index

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/transaction"
)

// kept is an index that a write keeps.
type kept struct {
	*Index
	in transaction.In // its rows
}

// Writes is the keys of a bucket with indexes in a transaction, and implements transaction.Writes: with each row it
// writes those of the indexes. What it looks at counts as read at any isolation, so that no other commit has changed it
// meanwhile.
//
// What can be refused is refused before anything is written: then the transaction goes on as if nothing had been asked.
// What fails after that, which is no answer but a fault, keeps the transaction from committing.
type Writes struct {
	in      transaction.In
	indexes []kept
}

// Writes returns what writes the bucket with that id in a transaction of which in returns the keys of spaces. The
// definitions of its indexes count as read. It gives ErrFunc if the program has not declared one of these.
func (r Registry) Writes(rows catalog.Reader, id uint64,
	in func(space.Space) transaction.In) (transaction.Writes, error) {
	b, err := catalog.Read(rows, id)
	if err != nil {
		return nil, err
	}
	keys := in(space.Of(id))
	if len(b.Indexes) == 0 {
		return keys, nil
	}
	path, err := catalog.PathOf(rows, b)
	if err != nil {
		return nil, err
	}
	w := &Writes{in: keys}
	for _, d := range b.Indexes {
		x := r.find(path, d.Name)
		if x == nil || !x.is(d) {
			return nil, fmt.Errorf("%w: %.300q, version %d, of bucket %s", ErrFunc, d.Name, d.Version, catalog.Text(path))
		}
		w.indexes = append(w.indexes, kept{x, in(space.Index(d.ID))})
	}
	return w, nil
}

// state is what a key of the bucket has. The zero value is nothing.
type state struct {
	found bool
	value []byte
	until time.Time // zero: for good
	turns bool      // until something ends, and has another value from then on
}

// Put implements transaction.Writes.
func (w *Writes) Put(key, value []byte) error {
	if err := errors.Join(transaction.CheckKey(key), transaction.CheckValue(value)); err != nil {
		return err
	}
	return w.change(key, state{found: true, value: value}, func() error { return w.in.Put(key, value) })
}

// PutUntil implements transaction.Writes. The rows of indexes end with the row.
func (w *Writes) PutUntil(key, value []byte, t time.Time) error {
	_, err := transaction.CheckUntil(value, t)
	if err := errors.Join(transaction.CheckKey(key), err); err != nil {
		return err
	}
	to := state{found: true, value: value, until: t}
	return w.change(key, to, func() error { return w.in.PutUntil(key, value, t) })
}

// Delete implements transaction.Writes.
func (w *Writes) Delete(key []byte) error {
	return w.change(key, state{}, func() error { return w.in.Delete(key) })
}

// Merge implements transaction.Writes. The result decides the index keys, so it is put, for good.
func (w *Writes) Merge(o operand.Operator, key, argument []byte) error {
	value, err := w.in.Fold(o, key, argument)
	if err != nil {
		return err
	}
	return w.Put(key, value)
}

// errHalf is why a transaction does not commit of which a function has panicked.
var errHalf = errors.New("a delete of a range with indexes has ended halfway")

// DeleteRange implements transaction.Writes. All of the bucket it removes by ranges, else row by row.
func (w *Writes) DeleteRange(s span.Span) error {
	if len(s.Lo) == 0 && s.Hi == nil {
		if err := w.in.DeleteRange(s); err != nil {
			return err // which may say that there are too many ranges
		}
		return w.together(func() (err error) {
			for _, x := range w.indexes {
				err = errors.Join(err, x.in.DeleteRange(s))
			}
			return err
		})
	}
	stored, n, whole := w.in.Span(s), 0, false
	if err := w.in.Claim(stored); err != nil {
		return err
	}
	defer func() {
		if n > 0 && !whole {
			w.fail(errHalf)
		}
	}()
	err := walk(quiet{w.in}, stored, false, -1, func(key, _ []byte) (bool, error) {
		err := w.Delete(w.in.Cut(key))
		if err == nil {
			n++
		}
		return true, err
	})
	whole = err == nil
	return err
}

// together does writes that make a whole with others: if they fail, the transaction does not commit.
func (w *Writes) together(writes func() error) error {
	err := writes()
	if err != nil {
		w.fail(err)
	}
	return err
}

// fail keeps the transaction from committing. One that has ended, or is in another's use, does not anyway.
func (w *Writes) fail(err error) {
	_ = w.in.Do(nil, nil, func(tx *transaction.Tx, _ []byte) error { tx.Fail(err); return nil })
}

// change makes the row with that key what to says, by write, and the rows that it has in the indexes.
func (w *Writes) change(key []byte, to state, write func() error) error {
	stored := w.in.Key(key)
	if err := w.in.Claim(span.Closed(stored, stored)); err != nil {
		return err
	}
	old, err := stateOf(w.in, key)
	if err != nil {
		return err
	}
	before, after := make([]rowSet, len(w.indexes)), make([]rowSet, len(w.indexes))
	for i, x := range w.indexes {
		if after[i], err = x.rowsOf(key, to); err == nil {
			before[i], err = x.rowsOf(key, old)
		}
		if err != nil {
			return err
		}
	}
	for i, x := range w.indexes {
		if err := x.checkUnique(key, before[i], after[i]); err != nil {
			return err
		}
	}
	return w.together(func() error {
		for i, x := range w.indexes {
			if err := x.replace(before[i], after[i], to.until.Equal(old.until), to.until); err != nil {
				return err
			}
		}
		return write()
	})
}

// stateOf reads what a key of in has.
func stateOf(in transaction.In, key []byte) (s state, err error) {
	err = in.Do(key, nil, func(tx *transaction.Tx, k []byte) error {
		end, err := tx.MetBy(func() (err error) {
			s.value, err = tx.Get(nil, k)
			return err
		})
		switch {
		case errors.Is(err, transaction.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		s.found = true
		if end == 0 { // as of all rows where nothing ends
			return nil
		}
		m, err := tx.Measure(k)
		s.until, s.turns = m.End.Moment(), m.End == 0
		return err
	})
	return s, err
}

// rowSet is rows of an index, each with what it covers.
type rowSet map[string][]byte

func (r rowSet) sorted() []string { return slices.Sorted(maps.Keys(r)) }

// rowsOf returns the rows of x that a row of the bucket has.
func (x *Index) rowsOf(key []byte, has state) (rowSet, error) {
	if !has.found {
		return nil, nil
	}
	rows, size, tooLong := rowSet{}, 0, false
	x.Keys(key, has.value, func(indexKey []byte) {
		size += len(indexKey)
		if size > MaxKeys || tooLong {
			tooLong = true
			return
		}
		row := AppendRow(nil, indexKey, key)
		tooLong = !transaction.Fits(row)
		rows[string(row)] = nil
	})
	if tooLong {
		return nil, fmt.Errorf("%w: %s", ErrKey, x.text())
	}
	if x.Cover == nil || len(rows) == 0 {
		return rows, nil
	}
	covered := bytes.Clone(x.Cover(key, has.value))
	err := transaction.CheckValue(covered)
	if err == nil && !has.until.IsZero() {
		_, err = transaction.CheckUntil(covered, has.until)
	}
	if err != nil {
		return nil, fmt.Errorf("what index %s covers: %w", x.text(), err)
	}
	for row := range rows {
		rows[row] = covered
	}
	return rows, nil
}

// checkUnique gives a UniqueError if another row has an index key that the one with that key is about to get. What it
// looked at counts as read: whoever else gives that index key to a row meanwhile is a conflict.
func (x kept) checkUnique(key []byte, before, after rowSet) error {
	if !x.Unique {
		return nil
	}
	for _, row := range after.sorted() {
		if _, has := before[row]; has {
			continue
		}
		stored := x.in.Span(span.Prefix([]byte(row[:len(row)-len(key)])))
		if err := x.in.Claim(stored); err != nil {
			return err
		}
		var found *UniqueError
		err := walk(x.in, stored, false, 1, func(other, _ []byte) (bool, error) {
			indexKey, rowKey, ok := CutRow(x.in.Cut(other))
			if !ok {
				return false, damaged(other)
			}
			found = &UniqueError{Index: x.Name, IndexKey: indexKey, Key: rowKey, Wanted: bytes.Clone(key)}
			return false, nil
		})
		if err != nil {
			return err
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// replace writes what differs between before and after, of which all ends at a time if that is not zero: sameEnd says
// whether all of before does.
func (x kept) replace(before, after rowSet, sameEnd bool, until time.Time) error {
	for _, row := range before.sorted() {
		if _, stays := after[row]; stays {
			continue
		}
		if err := x.in.Delete([]byte(row)); err != nil {
			return err
		}
	}
	for _, row := range after.sorted() {
		covered, had := before[row]
		if had && sameEnd && bytes.Equal(covered, after[row]) {
			continue
		}
		if err := x.put([]byte(row), after[row], until); err != nil {
			return err
		}
	}
	return nil
}

func (x kept) put(row, covered []byte, until time.Time) error {
	if until.IsZero() {
		return x.in.Put(row, covered)
	}
	return x.in.PutUntil(row, covered, until)
}
