package typed

import (
	"bytes"
	"fmt"
	"iter"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

// Rows are rows of a table in the order of their keys, to be walked with a loop or by pages:
//
//	rows := users.All(db)
//	for name, user := range rows.All() {
//		…
//	}
//	if err := rows.Err(); err != nil { … }
//
// They are read when a loop runs, each in one unchanging state, as a lightningdb.Range is, and may be walked any number
// of times. Rows belong to one goroutine.
type Rows[K, V any] struct {
	table   *Table[K, V]
	from    kv.Reader
	lo, hi  []byte // stored keys: lo <= key < hi
	start   []byte // where loops begin; nil without From
	reverse bool
	entries *lightningdb.Range
	broken  error // of a bound: there is nothing to be walked
	err     error // of the latest loop
}

// All returns all rows of the table.
func (t *Table[K, V]) All(r kv.Reader) *Rows[K, V] {
	lo, hi := t.bounds()
	return t.rows(r, lo, hi, nil)
}

// bounds are those of all rows.
func (t *Table[K, V]) bounds() (lo, hi []byte) { return tuple.Prefix(t.prefix) }

// Range returns the rows with lo <= key < hi, in the order of keys. A key that cannot be written is the error of the
// loop.
func (t *Table[K, V]) Range(r kv.Reader, lo, hi K) *Rows[K, V] {
	first, err := t.Key(lo)
	if err != nil {
		return t.rows(r, nil, nil, err)
	}
	end, err := t.Key(hi)
	return t.rows(r, first, end, err)
}

// Prefix returns the rows whose keys begin with the elements of a packed tuple, for keys that have several:
//
//	visits.Prefix(db, tuple.AppendString(nil, "ann")) // all visits of ann, and none of anna
//
// If packed is no tuple, that is the error of the loop. It is not kept.
func (t *Table[K, V]) Prefix(r kv.Reader, packed []byte) *Rows[K, V] {
	elements := tuple.NewReader(packed)
	for elements.More() {
		elements.Skip()
	}
	if err := elements.Err(); err != nil {
		return t.rows(r, nil, nil, fmt.Errorf("table %q: prefix: %w", t.name, err))
	}
	lo, hi := tuple.Prefix(append(bytes.Clone(t.prefix), packed...))
	return t.rows(r, lo, hi, nil)
}

// rows returns the rows between two stored keys.
func (t *Table[K, V]) rows(r kv.Reader, lo, hi []byte, broken error) *Rows[K, V] {
	return &Rows[K, V]{table: t, from: r, lo: lo, hi: hi, entries: r.Range(lo, hi), broken: broken}
}

// Reverse makes loops and pages run from the last row to the first. It returns r.
func (r *Rows[K, V]) Reverse() *Rows[K, V] {
	r.reverse = !r.reverse
	r.entries.Reverse()
	return r
}

// From makes loops and the first page begin at key: at the first row at or after it or, in reverse, at the last one at
// or before it. It shows no row outside of r. It returns r.
func (r *Rows[K, V]) From(key K) *Rows[K, V] {
	start, err := r.table.Key(key)
	if err != nil {
		r.broken = err
		return r
	}
	r.start = start
	r.entries.From(start)
	return r
}

// bounds are the stored keys between which loops and pages run.
func (r *Rows[K, V]) bounds() (lo, hi []byte) {
	lo, hi = r.lo, r.hi
	switch {
	case r.start == nil:
	case r.reverse:
		if end := successor(r.start); bytes.Compare(end, hi) < 0 {
			hi = end
		}
	case bytes.Compare(r.start, lo) > 0:
		lo = r.start
	}
	return lo, hi
}

// successor returns the smallest key after a stored key, in new memory.
func successor(key []byte) []byte { return append(bytes.Clone(key), 0) }

// All yields keys and rows in order; both are the caller's. After the loop, Err tells whether it reached the end. A
// loop ends before a row that cannot be read.
func (r *Rows[K, V]) All() iter.Seq2[K, V] { return r.all }

func (r *Rows[K, V]) all(yield func(K, V) bool) {
	if r.err = r.broken; r.err != nil {
		return
	}
	var reader tuple.Reader
	var failed error
	for stored, row := range r.entries.All() {
		var key K
		var v V
		if key, failed = r.table.readKey(&reader, stored); failed != nil {
			break
		}
		if v, failed = r.table.decode(stored, row); failed != nil || !yield(key, v) {
			break
		}
	}
	if r.err = failed; failed == nil {
		r.err = r.entries.Err()
	}
}

// Keys yields the keys in order, without reading the rows; see All. It yields those of rows that All cannot read, but
// ends before a key that is none of the table.
func (r *Rows[K, V]) Keys() iter.Seq[K] { return r.keys }

func (r *Rows[K, V]) keys(yield func(K) bool) {
	if r.err = r.broken; r.err != nil {
		return
	}
	var reader tuple.Reader
	var failed error
	for stored := range r.entries.Keys() {
		var key K
		if key, failed = r.table.readKey(&reader, stored); failed != nil || !yield(key) {
			break
		}
	}
	if r.err = failed; failed == nil {
		r.err = r.entries.Err()
	}
}

// Err is the error that ended the latest loop early, or nil.
func (r *Rows[K, V]) Err() error { return r.err }

// readKey reads a stored key.
func (t *Table[K, V]) readKey(r *tuple.Reader, stored []byte) (none K, err error) {
	r.Reset(stored[len(t.prefix):])
	key := t.keys.Read(r)
	if err := r.End(); err != nil {
		return none, t.rowError(stored, -1, fmt.Errorf("%w: %w", ErrRow, err))
	}
	return key, nil
}
