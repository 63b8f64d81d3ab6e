package typed

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

// Table is the rows of one name: what is stored under keys of type K, and is of type V. It holds no data: it makes keys
// and values, and reads them.
type Table[K, V any] struct {
	name    string
	prefix  []byte // of every key: the name, as an element of a tuple
	header  []byte // of every row that is written
	keys    tuple.Codec[K]
	values  Codec[V]
	version int
	migrate func(from int, raw []byte) (V, error)
	secret  []byte
}

// Options are what not every table needs. The zero value is that of a table whose rows have always been the same.
type Options[V any] struct {
	// Version is that in which rows are written, from 0 to MaxVersion. It never goes down.
	Version int

	// Migrate makes a value of what the codec of an older version wrote, from below Version. It may be called several
	// times for one row, and by several goroutines at once; raw is valid until it returns and must not be changed: what
	// it returns has copies. Its error is what reading the row gives, in a *RowError. With nil such a row gives ErrOlder.
	Migrate func(from int, raw []byte) (V, error)

	// Secret signs the tokens of pages, so that only who knows it can make one. It may have any length; 32 random bytes
	// are enough. Without it a token is checked against accidents only. New keeps a copy.
	Secret []byte
}

// New returns the table of a name: any text but the empty one, which is a part of each stored key. Two tables of one
// name are the same rows. Keys are ordered as their codec says. Nil options are the zero value. The error is ErrTable.
func New[K, V any](name string, keys tuple.Codec[K], values Codec[V], o *Options[V]) (*Table[K, V], error) {
	if o == nil {
		o = new(Options[V])
	}
	switch {
	case name == "" || !utf8.ValidString(name):
		return nil, fmt.Errorf("%w: %q is no name", ErrTable, name)
	case keys == nil || values == nil:
		return nil, fmt.Errorf("%w: %q has no codec", ErrTable, name)
	case o.Version < 0 || o.Version > MaxVersion:
		return nil, fmt.Errorf("%w: %q has version %d", ErrTable, name, o.Version)
	}
	return &Table[K, V]{
		name:    name,
		prefix:  tuple.AppendString(nil, name),
		header:  appendHeader(nil, o.Version),
		keys:    keys,
		values:  values,
		version: o.Version,
		migrate: o.Migrate,
		secret:  slices.Clone(o.Secret),
	}, nil
}

// Must returns t, and panics if err is not nil: for tables that are variables of a package.
func Must[K, V any](t *Table[K, V], err error) *Table[K, V] {
	if err != nil {
		panic(err)
	}
	return t
}

// Name returns the name of the table.
func (t *Table[K, V]) Name() string { return t.name }

// Key returns the stored key of a row, a new slice: for Tx.GetForUpdate and whatever else of the database takes one.
func (t *Table[K, V]) Key(key K) ([]byte, error) { return t.appendKey(nil, key) }

// appendKey appends the stored key to dst, which is empty.
func (t *Table[K, V]) appendKey(dst []byte, key K) ([]byte, error) {
	dst, err := t.keys.Append(append(dst, t.prefix...), key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("table %q: key: %w", t.name, err)
	case !bytes.HasPrefix(dst, t.prefix):
		return nil, fmt.Errorf("table %q: key: %w", t.name, ErrCodec)
	}
	return dst, nil
}

// appendRow appends the row of v to dst, which is empty.
func (t *Table[K, V]) appendRow(dst []byte, v V) ([]byte, error) {
	dst, err := t.values.Append(append(dst, t.header...), v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("table %q: value: %w", t.name, err)
	case !bytes.HasPrefix(dst, t.header):
		return nil, fmt.Errorf("table %q: value: %w", t.name, ErrCodec)
	}
	return dst, nil
}

// Get returns the row of a key, from wherever r reads. The errors are lightningdb.ErrNotFound, a *RowError, that of the
// codec of keys, and those of the database. What is returned is the caller's.
func (t *Table[K, V]) Get(r kv.Reader, key K) (none V, err error) {
	s, err := t.scratch(key)
	if err != nil {
		return none, err
	}
	defer s.free()
	return t.get(r, s)
}

// get is Get of the stored key in s.
func (t *Table[K, V]) get(r kv.Reader, s *scratch) (none V, err error) {
	row, err := r.GetAppend(s.row[:0], s.key)
	if err != nil {
		return none, err
	}
	s.row = row
	return t.decode(s.key, row)
}

// Has reports whether there is a row, which is not read: it may be one that Get cannot read.
func (t *Table[K, V]) Has(r kv.Reader, key K) (bool, error) {
	s, err := t.scratch(key)
	if err != nil {
		return false, err
	}
	defer s.free()
	return r.Has(s.key)
}

// Put writes a row in the version of the table, whatever is there: also over a row of a newer version. w may be a
// batch. It keeps nothing of v.
func (t *Table[K, V]) Put(w kv.Writer, key K, v V) error {
	s, err := t.scratch(key)
	if err != nil {
		return err
	}
	defer s.free()
	return t.put(w, s.key, v, s)
}

// put writes a row at a stored key.
func (t *Table[K, V]) put(w kv.Writer, stored []byte, v V, s *scratch) error {
	row, err := t.appendRow(s.row[:0], v)
	if err != nil {
		return err
	}
	s.row = row
	return w.Put(stored, row)
}

// Delete deletes a row, whatever it is. It is no error if there is none.
func (t *Table[K, V]) Delete(w kv.Writer, key K) error {
	s, err := t.scratch(key)
	if err != nil {
		return err
	}
	defer s.free()
	return w.Delete(s.key)
}

// Insert writes a row that is not there yet: otherwise the error is ErrExists, and nothing is written.
func (t *Table[K, V]) Insert(tx *lightningdb.Tx, key K, v V) error {
	s, err := t.scratch(key)
	if err != nil {
		return err
	}
	defer s.free()
	switch found, err := tx.Has(s.key); {
	case err != nil:
		return err
	case found:
		return fmt.Errorf("table %q, key %q: %w", t.name, s.key, ErrExists)
	}
	return t.put(tx, s.key, v, s)
}

// Update reads a row, lets fn change it, and writes it in the version of the table. If there is no row, or it cannot be
// read, or fn returns an error, that is the error of Update, and nothing is written. fn may use tx and this table.
func (t *Table[K, V]) Update(tx *lightningdb.Tx, key K, fn func(v *V) error) error {
	s, err := t.scratch(key)
	if err != nil {
		return err
	}
	defer s.free()
	v, err := t.get(tx, s)
	if err != nil {
		return err
	}
	if err := fn(&v); err != nil {
		return err
	}
	return t.put(tx, s.key, v, s)
}

// scratch is the memory of one call: a stored key and a row. Codecs are behind an interface, so it would be allocated
// at each call otherwise.
type scratch struct{ key, row []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch is how many bytes are kept for a later call: those of a large row are not.
const maxScratch = 64 << 10

// scratch returns memory with the stored key of a row in it.
func (t *Table[K, V]) scratch(key K) (*scratch, error) {
	s := scratches.Get().(*scratch)
	stored, err := t.appendKey(s.key[:0], key)
	if err != nil {
		s.free()
		return nil, err
	}
	s.key = stored
	return s, nil
}

func (s *scratch) free() {
	if cap(s.key)+cap(s.row) <= maxScratch {
		scratches.Put(s)
	}
}
