package tuple

import (
	"bytes"
	"slices"
)

// Subspace makes keys that begin with a prefix, and knows them again: a part of the database for one kind of thing. It
// holds no data.
//
//	var users = tuple.NewSubspace(tuple.AppendString(nil, "users"))
//	key := tuple.AppendInt(users.Append(nil), 7)
//	for k, v := range db.Range(users.Range()).All() { … }
//
// The zero value has an empty prefix: all keys. A Subspace does not change, and may be used by several goroutines.
type Subspace struct{ prefix []byte }

// NewSubspace returns the Subspace of a prefix, of which it keeps a copy: a packed tuple, or any other bytes that no
// key outside of it begins with.
func NewSubspace(prefix []byte) Subspace { return Subspace{slices.Concat(prefix, nil)} }

// Sub returns the Subspace of the keys in s that go on with these elements. For errors see Tuple.Pack.
func (s Subspace) Sub(elements ...any) (Subspace, error) {
	prefix, err := s.Pack(elements...)
	return Subspace{prefix}, err
}

// Bytes returns a copy of the prefix.
func (s Subspace) Bytes() []byte { return s.Append(nil) }

// Append appends the prefix to dst: the beginning of a key, to which elements are appended.
func (s Subspace) Append(dst []byte) []byte { return append(dst, s.prefix...) }

// Pack returns the key of these elements in s. For errors see Tuple.Pack.
func (s Subspace) Pack(elements ...any) ([]byte, error) {
	key, err := Tuple(elements).Append(s.Bytes())
	if err != nil {
		return nil, err
	}
	return key, nil
}

// Unpack returns the elements of a key behind the prefix. The error is a *DecodeError, whose offset is that in the
// whole key; it wraps ErrOutside if the key is not in s.
func (s Subspace) Unpack(key []byte) (Tuple, error) { return s.Reader(key).rest() }

// Reader returns a Reader of a key that begins behind the prefix. If the key is not in s, its error is ErrOutside.
func (s Subspace) Reader(key []byte) *Reader {
	r := NewReader(key)
	if s.Contains(key) {
		r.off = len(s.prefix)
	} else {
		r.fail(ErrOutside)
	}
	return r
}

// Contains reports whether key is the prefix of s, or that with elements behind it. The bytes of a key outside may
// begin with the prefix, too, as "f\x00g" does with "f": then ff follows, which no element begins with.
func (s Subspace) Contains(key []byte) bool {
	rest, ok := bytes.CutPrefix(key, s.prefix)
	return ok && (len(rest) == 0 || rest[0] != escape)
}

// Range returns the bounds of the keys in s, for DB.Range: those of Prefix. The bounds are copies.
func (s Subspace) Range() (lo, hi []byte) { return Prefix(s.prefix) }
