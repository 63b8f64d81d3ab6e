package tuple

import (
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"
)

// Tuple is elements in order. These can be written, and come back as the type in the second column:
//
//	nil                                                 nil
//	bool                                                bool
//	int, int8 … int64, uint, uint8 … uint64, *big.Int   int64 if it fits, or else uint64, or else *big.Int
//	float32                                             float32
//	float64                                             float64
//	string                                              string
//	[]byte                                              []byte
//	[16]byte, a UUID                                    [16]byte
//	[12]byte, a versionstamp of FoundationDB            [12]byte
//	Tuple, []any                                        Tuple
//	time.Time                                           an integer of nanoseconds: see AppendTime
//
// A value of another type, even of one that is made from these, is ErrUnsupported: convert it.
type Tuple []any

// Pack returns the key of t. The error is ErrUnsupported, ErrUTF8, ErrRange or ErrDepth, with the number of the
// element, from 0.
func (t Tuple) Pack() ([]byte, error) { return t.Append(nil) }

// Append appends the key of t to dst. After an error it returns dst as it was.
func (t Tuple) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	for i, v := range t {
		var err error
		if dst, err = appendAny(dst, v, 0); err != nil {
			return dst[:start], fmt.Errorf("tuple: element %d: %w", i, err)
		}
	}
	return dst, nil
}

// AppendTuple appends t as one element: a tuple within a tuple. It is before each longer tuple that begins with it. For
// errors see Pack.
func AppendTuple(dst []byte, t Tuple) ([]byte, error) {
	start := len(dst)
	dst, err := appendNested(dst, t, 0)
	if err != nil {
		return dst[:start], fmt.Errorf("tuple: %w", err)
	}
	return dst, nil
}

// Unpack returns the elements of a key. Packing them again gives the same bytes: no tuple has two keys. The error is a
// *DecodeError with the place.
func Unpack(key []byte) (Tuple, error) {
	r := Reader{key: key}
	return r.rest()
}

// rest returns the elements that have not been read.
func (r *Reader) rest() (Tuple, error) {
	t := Tuple{}
	for r.More() {
		t = append(t, r.Any())
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return t, nil
}

// appendNested appends a tuple that is itself at a depth.
func appendNested(dst []byte, t Tuple, depth int) ([]byte, error) {
	if depth == MaxDepth {
		return dst, ErrDepth
	}
	dst = append(dst, nestedCode)
	for i, v := range t {
		if v == nil {
			dst = append(dst, nullCode, escape)
			continue
		}
		var err error
		if dst, err = appendAny(dst, v, depth+1); err == ErrDepth {
			return dst, err // its place would be a number for each of MaxDepth tuples
		} else if err != nil {
			return dst, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, terminator), nil
}

// appendAny appends an element that is at a depth; a null only at depth 0.
func appendAny(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNull(dst), nil
	case bool:
		return AppendBool(dst, v), nil
	case float32:
		return AppendFloat32(dst, v), nil
	case float64:
		return AppendFloat64(dst, v), nil
	case string:
		if !utf8.ValidString(v) {
			return dst, ErrUTF8
		}
		return AppendString(dst, v), nil
	case []byte:
		return AppendBytes(dst, v), nil
	case [16]byte:
		return AppendUUID(dst, v), nil
	case [12]byte:
		return AppendVersionstamp(dst, v), nil
	case time.Time:
		return AppendTime(dst, v), nil
	case *big.Int:
		return AppendBig(dst, v)
	case Tuple:
		return appendNested(dst, v, depth)
	case []any:
		return appendNested(dst, v, depth)
	}
	return appendNumber(dst, v)
}

// appendNumber appends an integer of one of Go's own types.
func appendNumber(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int:
		return AppendInt(dst, int64(v)), nil
	case int8:
		return AppendInt(dst, int64(v)), nil
	case int16:
		return AppendInt(dst, int64(v)), nil
	case int32:
		return AppendInt(dst, int64(v)), nil
	case int64:
		return AppendInt(dst, v), nil
	case uint:
		return AppendUint(dst, uint64(v)), nil
	case uint8:
		return AppendUint(dst, uint64(v)), nil
	case uint16:
		return AppendUint(dst, uint64(v)), nil
	case uint32:
		return AppendUint(dst, uint64(v)), nil
	case uint64:
		return AppendUint(dst, v), nil
	}
	return dst, fmt.Errorf("%w: %T", ErrUnsupported, v)
}

// Prefix returns the bounds of all keys that begin with the elements of a packed tuple, the tuple itself among them:
// for DB.Range, which takes both, as in db.Range(tuple.Prefix(key)). Not every key whose bytes begin with it is one:
// "f" and "f\x00g" are different strings, and the bytes of the second begin with those of the first but for what Prefix
// knows. An empty packed gives all tuples. The bounds are copies.
func Prefix(packed []byte) (lo, hi []byte) {
	return slices.Concat(packed, nil), slices.Concat(packed, []byte{escape})
}

// Range returns the bounds of all keys that begin with the elements of a packed tuple and have more of them. It is
// FoundationDB's range of a tuple.
func Range(packed []byte) (lo, hi []byte) {
	return slices.Concat(packed, []byte{nullCode}), slices.Concat(packed, []byte{escape})
}
