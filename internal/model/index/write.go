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
// meanwhile. What fails writes nothing.
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
		x := r.find(pathKey(path), d.Name)
		if x == nil || !x.is(d) {
			return nil, fmt.Errorf("%w: %.300q, version %d, of bucket %s", ErrFunc, d.Name, d.Version, catalog.Text(path))
		}
		w.indexes = append(w.indexes, kept{x, in(space.Index(d.ID))})
	}
	return w, nil
}

// Put implements transaction.Writes.
func (w *Writes) Put(key, value []byte) error {
	if err := errors.Join(transaction.CheckKey(key), transaction.CheckValue(value)); err != nil {
		return err
	}
	if err := w.put(key, value, time.Time{}); err != nil {
		return err
	}
	return w.in.Put(key, value)
}

// PutUntil implements transaction.Writes. The rows of indexes end with the row.
func (w *Writes) PutUntil(key, value []byte, t time.Time) error {
	_, err := transaction.CheckUntil(value, t)
	if err := errors.Join(transaction.CheckKey(key), err); err != nil {
		return err
	}
	if err := w.put(key, value, t); err != nil {
		return err
	}
	return w.in.PutUntil(key, value, t)
}

// put makes the rows of indexes those of a row that is to be put, until a time if that is not zero.
func (w *Writes) put(key, value []byte, until time.Time) error {
	after := make([]map[string][]byte, len(w.indexes))
	for i, x := range w.indexes {
		var err error
		if after[i], err = x.rowsOf(key, value); err != nil {
			return err
		}
	}
	return w.change(key, after, until)
}

// Delete implements transaction.Writes.
func (w *Writes) Delete(key []byte) error {
	if err := w.change(key, make([]map[string][]byte, len(w.indexes)), time.Time{}); err != nil {
		return err
	}
	return w.in.Delete(key)
}

// Merge implements transaction.Writes. The result decides the index keys, so it is put.
func (w *Writes) Merge(o operand.Operator, key, argument []byte) error {
	value, err := w.in.Fold(o, key, argument)
	if err != nil {
		return err
	}
	return w.Put(key, value)
}

// DeleteRange implements transaction.Writes. All of the bucket it removes by ranges, else row by row.
func (w *Writes) DeleteRange(s span.Span) error {
	if len(s.Lo) > 0 || s.Hi != nil {
		stored := w.in.Span(s)
		if err := w.in.Claim(stored); err != nil {
			return err
		}
		return walk(w.in, stored, false, -1, func(key, _ []byte) (bool, error) {
			return true, w.Delete(w.in.Cut(key))
		})
	}
	for _, x := range w.indexes {
		if err := x.in.DeleteRange(s); err != nil {
			return err
		}
	}
	return w.in.DeleteRange(s)
}

// change makes after the rows that the row with that key has in each of the indexes, until a time if that is not zero.
func (w *Writes) change(key []byte, after []map[string][]byte, until time.Time) error {
	stored := w.in.Key(key)
	if err := w.in.Claim(span.Closed(stored, stored)); err != nil {
		return err
	}
	old, found, err := getOrNone(w.in, key)
	if err != nil {
		return err
	}
	ended := time.Time{} // when the old row would have
	if found {
		m, err := w.in.Measure(key)
		if err != nil {
			return err
		}
		ended = m.End.Moment()
	}
	before := make([]map[string][]byte, len(w.indexes))
	for i, x := range w.indexes {
		if !found {
			continue
		}
		if before[i], err = x.rowsOf(key, old); err != nil {
			return err
		}
	}
	for i, x := range w.indexes {
		if err := x.checkUnique(key, before[i], after[i]); err != nil {
			return err
		}
	}
	for i, x := range w.indexes {
		if err := x.replace(before[i], after[i], until.Equal(ended), until); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf returns the rows of x that a row of the bucket has.
func (x *Index) rowsOf(key, value []byte) (map[string][]byte, error) {
	rows, size, tooLong := map[string][]byte{}, 0, false
	x.Keys(key, value, func(indexKey []byte) {
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
	if x.Cover != nil && len(rows) > 0 {
		covered := bytes.Clone(x.Cover(key, value))
		if err := transaction.CheckValue(covered); err != nil {
			return nil, err
		}
		for row := range rows {
			rows[row] = covered
		}
	}
	return rows, nil
}

// checkUnique gives a UniqueError if another row has an index key that the one with that key is about to get. What it
// looked at counts as read: whoever else gives that index key to a row meanwhile is a conflict.
func (x kept) checkUnique(key []byte, before, after map[string][]byte) error {
	if !x.Unique {
		return nil
	}
	for _, row := range slices.Sorted(maps.Keys(after)) {
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
func (x kept) replace(before, after map[string][]byte, sameEnd bool, until time.Time) error {
	for _, row := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[row]; stays {
			continue
		}
		if err := x.in.Delete([]byte(row)); err != nil {
			return err
		}
	}
	for _, row := range slices.Sorted(maps.Keys(after)) {
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
