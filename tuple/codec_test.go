package tuple

import (
	"bytes"
	"cmp"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// nested is a codec of one's own, of tuples within tuples: for the tests of what is made of codecs.
type nested struct{}

func (nested) Append(dst []byte, v Tuple) ([]byte, error) { return AppendTuple(dst, v) }
func (nested) Read(r *Reader) Tuple                       { return r.Tuple() }

// checkCodec draws pairs of values, and holds keys of c against their order and against what c reads.
func checkCodec[T any](t *testing.T, name string, c Codec[T], draw func(*source) T, compare func(a, b T) int) {
	t.Run(name, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			for range 20 {
				s := drawSource(t)
				a, b := draw(&s), draw(&s)
				x, err := c.Append([]byte("before"), a)
				y, err2 := c.Append([]byte("before"), b)
				if err != nil || err2 != nil {
					t.Fatalf("%#v, %#v: %v, %v", a, b, err, err2)
				}
				if got, want := bytes.Compare(x, y), compare(a, b); got != want {
					t.Fatalf("%#v and %#v compare %d, their keys %x and %x %d", a, b, want, x, y, got)
				}
				got, err := Decode(c, bytes.TrimPrefix(x, []byte("before")))
				if err != nil || compare(got, a) != 0 {
					t.Fatalf("%#v, written as %x, is %#v, %v", a, x, got, err)
				}
				checkElements(t, x[len("before"):])
			}
		})
	})
}

// checkElements sees to it that programs that know nothing of codecs can read the key.
func checkElements(t fataler, key []byte) {
	t.Helper()
	elements, err := Unpack(key)
	if err != nil {
		t.Fatalf("%x: %v", key, err)
	}
	if again := pack(t, elements); !bytes.Equal(again, key) {
		t.Fatalf("%x is %#v, which is packed as %x", key, elements, again)
	}
}

func elementsCompare[T any](a, b T) int { return compareElements(any(a), any(b)) }

func drawInt(s *source) int64 {
	v, _ := s.integer().(int64)
	return v + int64(s.below(3))
}

func drawBig(s *source) *big.Int { return numberOf(s.integer()) }

// A table whose codec is out of order, or reads another value than was written, loses rows.
func TestCodec_keepsValuesAndTheirOrder(t *testing.T) {
	checkCodec(t, "Bool", Bool, func(s *source) bool { return s.below(2) == 1 }, elementsCompare[bool])
	checkCodec(t, "Int", Int, drawInt, cmp.Compare[int64])
	checkCodec(t, "Uint", Uint, func(s *source) uint64 { return uint64(drawInt(s)) }, cmp.Compare[uint64])
	checkCodec(t, "Big", Big, drawBig, (*big.Int).Cmp)
	checkCodec(t, "Float32", Float32, (*source).float32, elementsCompare[float32])
	checkCodec(t, "Float64", Float64, (*source).float64, elementsCompare[float64])
	checkCodec(t, "String", String, (*source).string, elementsCompare[string])
	checkCodec(t, "Bytes", Bytes, (*source).bytes, elementsCompare[[]byte])
	checkCodec(t, "UUID", UUID, (*source).uuid, elementsCompare[[16]byte])
	checkCodec(t, "Versionstamp", Versionstamp, func(s *source) [12]byte { return [12]byte{s.byte(), 11: s.byte()} },
		elementsCompare[[12]byte])
	checkCodec(t, "Time", Time, (*source).time, elementsCompare[time.Time])
	checkCodec(t, "Pair", Pair(Bytes, Int), func(s *source) Two[[]byte, int64] {
		return Two[[]byte, int64]{s.bytes(), drawInt(s)}
	}, func(a, b Two[[]byte, int64]) int {
		return compare(Tuple{a.A, a.B}, Tuple{b.A, b.B})
	})
	checkCodec(t, "Triple", Triple(Bool, String, Bytes), func(s *source) Three[bool, string, []byte] {
		return Three[bool, string, []byte]{s.below(2) == 1, s.string(), s.bytes()}
	}, func(a, b Three[bool, string, []byte]) int {
		return compare(Tuple{a.A, a.B, a.C}, Tuple{b.A, b.B, b.C})
	})
	checkCodec(t, "Map", Map(Int, func(v int8) int64 { return int64(v) },
		func(v int64) (int8, error) { return int8(v), nil }),
		func(s *source) int8 { return int8(s.byte()) }, cmp.Compare[int8])
	checkCodec(t, "nested", nested{}, func(s *source) Tuple { return s.tuple(1) }, compare)
}

// What a codec refuses would be stored, and found to be unreadable when it is too late.
func TestCodec_refusesWhatItCannotWrite(t *testing.T) {
	inner := Triple(Int, String, Pair(Int, String))
	for name, appended := range map[string]func([]byte) ([]byte, error){
		"String": func(dst []byte) ([]byte, error) { return String.Append(dst, "\xff") },
		"Desc":   func(dst []byte) ([]byte, error) { return Desc(String).Append(dst, "\xff") },
		"Pair":   func(dst []byte) ([]byte, error) { return Pair(Int, String).Append(dst, Two[int64, string]{1, "\xff"}) },
		"Triple": func(dst []byte) ([]byte, error) {
			return inner.Append(dst, Three[int64, string, Two[int64, string]]{1, "a", Two[int64, string]{1, "\xff"}})
		},
	} {
		if dst, err := appended([]byte("before")); !errors.Is(err, ErrUTF8) || string(dst) != "before" {
			t.Errorf("%s: %q, %v", name, dst, err)
		}
	}
	if dst, err := Big.Append([]byte("before"), power(2040)); !errors.Is(err, ErrRange) || string(dst) != "before" {
		t.Errorf("Big: %q, %v", dst, err)
	}
}

// A key of another table would be read as one of this, or the error would name another place.
func TestDecode_refusesOtherKeys(t *testing.T) {
	c := Pair(String, Desc(Pair(Int, String)))
	key, err := c.Append(nil, Two[string, Two[int64, string]]{"ab", Two[int64, string]{-1, "cd"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		key    []byte
		want   error
		offset int
	}{
		{key[:3], ErrTruncated, 0},
		{key[:4], ErrTruncated, 4},
		{append(bytes.Clone(key), zeroCode), ErrTrailing, len(key)},
		{AppendInt(key[:4:4], 1), ErrType, 4},
		{AppendBytes(key[:4:4], nil), ErrTruncated, 4},                     // not even the zero byte
		{AppendBytes(key[:4:4], []byte{^zeroCode}), ErrTruncated, 4},       // no zero byte
		{AppendBytes(key[:4:4], []byte{^zeroCode, 0xff}), ErrTruncated, 4}, // the string is missing
		{AppendBytes(key[:4:4], []byte{^zeroCode, ^stringCode, 0xff, 0xff, 0xff}), ErrTrailing, 4},
		{AppendBytes(key[:4:4], []byte{^zeroCode, ^stringCode, 0x00, 0xff, 0xff}), ErrUTF8, 4},
	} {
		got, err := Decode(c, bad.key)
		var place *DecodeError
		if !errors.Is(err, bad.want) || !errors.As(err, &place) || place.Offset != bad.offset || got.A != "" {
			t.Errorf("%x is %v, %v; want %v at %d", bad.key, got, err, bad.want, bad.offset)
		}
	}
}

// A value that a program no longer knows would be taken for one that it does.
func TestMap_mayRefuse(t *testing.T) {
	errEven := errors.New("even")
	odd := Map(Int, func(v int64) int64 { return v }, func(v int64) (int64, error) {
		if v%2 == 0 {
			return v, errEven
		}
		return v, nil
	})
	c := Pair(odd, odd)
	var place *DecodeError
	got, err := Decode(c, AppendInt(AppendInt(nil, 1), 2))
	if !errors.Is(err, errEven) || !errors.As(err, &place) || place.Offset != 2 || got.A != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Decode(odd, AppendString(nil, "")); !errors.Is(err, ErrType) || strings.Contains(err.Error(), "even") {
		t.Errorf("%v", err)
	}
}
