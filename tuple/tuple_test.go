package tuple

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// normal returns t as Unpack returns it: integers of the types of Any, and times as integers.
func normal(t Tuple) Tuple {
	out := Tuple{}
	for _, v := range t {
		switch n := v.(type) {
		case Tuple:
			v = normal(n)
		case []any:
			v = normal(n)
		default:
			if rankOf(v) == 4 {
				v = smallest(numberOf(v))
			}
		}
		out = append(out, v)
	}
	return out
}

func smallest(v *big.Int) any {
	switch {
	case v.IsInt64():
		return v.Int64()
	case v.IsUint64():
		return v.Uint64()
	}
	return v
}

// sameTypes reports whether two tuples that compare as equal have elements of the same types.
func sameTypes(a, b Tuple) bool {
	for i := range a {
		switch v := a[i].(type) {
		case Tuple:
			if w, ok := b[i].(Tuple); !ok || !sameTypes(v, w) {
				return false
			}
		case int64:
			if _, ok := b[i].(int64); !ok {
				return false
			}
		case uint64:
			if _, ok := b[i].(uint64); !ok {
				return false
			}
		case *big.Int:
			if _, ok := b[i].(*big.Int); !ok {
				return false
			}
		}
	}
	return true
}

// What was stored under a key would be known by another one.
func TestUnpack_returnsWhatWasPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			s := drawSource(t)
			tuple := s.tuple(0)
			key := pack(t, tuple)
			got, err := Unpack(key)
			if want := normal(tuple); err != nil || compare(got, want) != 0 || !sameTypes(got, want) {
				t.Fatalf("%#v, packed as %x, is unpacked as %#v, %v", tuple, key, got, err)
			}
			grown, err := tuple.Append([]byte("before"))
			if err != nil || string(grown) != "before"+string(key) {
				t.Fatalf("%#v appended: %x, %v; packed: %x", tuple, grown, err, key)
			}
		}
	})
}

// A key that is read and written again would become another one, and the row under it could not be deleted.
func FuzzUnpack(f *testing.F) {
	for _, p := range published {
		f.Add(bytesFrom(f, p.key))
	}
	for _, m := range malformed {
		if len(m.key) < 1000 {
			f.Add(bytesFrom(f, m.key))
		}
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		given := bytes.Clone(key)
		tuple, err := Unpack(key)
		if !bytes.Equal(key, given) {
			t.Fatalf("unpacking changed %x to %x", given, key)
		}
		checkSkip(t, key, tuple, err)
		if err != nil {
			var place *DecodeError
			if !errors.As(err, &place) || place.Offset < 0 || place.Offset > len(key) {
				t.Fatalf("%x: %#v", key, err)
			}
			return
		}
		if again := pack(t, tuple); !bytes.Equal(again, key) {
			t.Fatalf("%x is %#v, which is packed as %x", key, tuple, again)
		}
		checkOrder(t, tuple, tuple)
	})
}

// checkSkip sees to it that Skip passes over what Any reads, one by one. It may pass over strings that are not UTF-8.
func checkSkip(t *testing.T, key []byte, tuple Tuple, err error) {
	r := NewReader(key)
	n := 0
	for r.More() {
		r.Skip()
		n++
	}
	if skipped := r.Err(); (skipped != nil) != (err != nil) && !errors.Is(err, ErrUTF8) {
		t.Fatalf("%x is unpacked with %v, and skipped with %v", key, err, skipped)
	}
	if err == nil && n != len(tuple) {
		t.Fatalf("%x has %d elements, %d were skipped", key, len(tuple), n)
	}
}

// A program would store a row under half a key, or end in a panic, for a value that has no encoding.
func TestPack_refusesWhatItCannotWrite(t *testing.T) {
	type own string
	deep := Tuple{}
	for range MaxDepth {
		deep = Tuple{deep}
	}
	var none *big.Int
	for _, c := range []struct {
		name string
		v    any
		want error
		says string
	}{
		{"a type of its own", own("x"), ErrUnsupported, "element 1: values of this type have no encoding: tuple.own"},
		{"a struct", struct{}{}, ErrUnsupported, "struct {}"},
		{"a duration", time.Second, ErrUnsupported, "time.Duration"},
		{"a nil pointer", none, ErrUnsupported, "nil *big.Int"},
		{"not UTF-8", "a\xff", ErrUTF8, ""},
		{"256 bytes", new(big.Int).Lsh(big.NewInt(1), 8*255), ErrRange, "256 bytes"},
		{"256 negative bytes", new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 8*255)), ErrRange, "256 bytes"},
		{"too deep", deep, ErrDepth, ""},
		{"deep inside", Tuple{1, Tuple{"\xff"}}, ErrUTF8, "element 1: element 1: element 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst, err := Tuple{"first", c.v}.Append([]byte("before"))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || string(dst) != "before" {
				t.Errorf("%q, %v", dst, err)
			}
			if dst, err := AppendTuple([]byte("before"), Tuple{c.v}); !errors.Is(err, c.want) || string(dst) != "before" {
				t.Errorf("within a tuple: %q, %v", dst, err)
			}
			if key, err := (Subspace{}).Pack(c.v); !errors.Is(err, c.want) || key != nil {
				t.Errorf("in a subspace: %q, %v", key, err)
			}
		})
	}
}

// The deepest tuple that can be written could not be read again.
func TestPack_readsTheDeepestTuple(t *testing.T) {
	deep := Tuple{}
	for range MaxDepth - 1 {
		deep = Tuple{deep}
	}
	key := pack(t, Tuple{deep})
	got, err := Unpack(key)
	if err != nil || !bytes.Equal(pack(t, got), key) {
		t.Errorf("%v", err)
	}
}

// Two walks that share their bounds would change each other's.
func TestPrefix_returnsCopies(t *testing.T) {
	packed := make([]byte, 1, 16)
	packed[0] = zeroCode
	for _, bounds := range []func([]byte) ([]byte, []byte){Prefix, Range, func(b []byte) ([]byte, []byte) {
		return NewSubspace(b).Range()
	}} {
		lo, hi := bounds(packed)
		lo[0], hi[0] = 1, 2
		if packed[0] != zeroCode || lo[0] != 1 {
			t.Errorf("%x, %x, %x share memory", packed, lo, hi)
		}
	}
}
