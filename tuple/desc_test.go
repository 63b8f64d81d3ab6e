package tuple

import (
	"bytes"
	"math/big"
	"testing"
	"time"
)

// reversed returns compare the other way round.
func reversed[T any](compare func(a, b T) int) func(a, b T) int {
	return func(a, b T) int { return compare(b, a) }
}

// The newest entries would not come first, or an entry would be read as another one. Strings and tuples are what is
// difficult: the bytes of one begin with all bytes of another.
func TestDesc_turnsTheOrderOfAnyCodec(t *testing.T) {
	checkCodec(t, "Bool", Desc(Bool), func(s *source) bool { return s.below(2) == 1 }, reversed(elementsCompare[bool]))
	checkCodec(t, "Int", Desc(Int), drawInt, reversed(elementsCompare[int64]))
	checkCodec(t, "Big", Desc(Big), drawBig, reversed((*big.Int).Cmp))
	checkCodec(t, "Float64", Desc(Float64), (*source).float64, reversed(elementsCompare[float64]))
	checkCodec(t, "String", Desc(String), (*source).string, reversed(elementsCompare[string]))
	checkCodec(t, "Bytes", Desc(Bytes), (*source).bytes, reversed(elementsCompare[[]byte]))
	checkCodec(t, "UUID", Desc(UUID), (*source).uuid, reversed(elementsCompare[[16]byte]))
	checkCodec(t, "Time", Desc(Time), (*source).time, reversed(elementsCompare[time.Time]))
	checkCodec(t, "nested", Desc[Tuple](nested{}), func(s *source) Tuple { return s.tuple(1) }, reversed(compare))
	checkCodec(t, "twice", Desc(Desc(Bytes)), (*source).bytes, elementsCompare[[]byte])
}

// What stands before or behind a part in descending order would be read as a piece of it, or decide the order.
func TestDesc_isAPartOfAKey(t *testing.T) {
	type key = Three[[]byte, Two[[]byte, []byte], []byte]
	draw := func(s *source) key {
		return key{s.bytes(), Two[[]byte, []byte]{s.bytes(), s.bytes()}, s.bytes()}
	}
	ascending := func(b []byte) Tuple { return Tuple{b} }
	checkCodec(t, "in the middle", Triple(Bytes, Desc(Pair(Bytes, Bytes)), Bytes), draw, func(a, b key) int {
		return firstOf(compare(ascending(a.A), ascending(b.A)), compare(Tuple{b.B.A, b.B.B}, Tuple{a.B.A, a.B.B}),
			compare(ascending(a.C), ascending(b.C)))
	})
	checkCodec(t, "at both ends", Triple(Desc(Bytes), Pair(Bytes, Bytes), Desc(Bytes)), draw, func(a, b key) int {
		return firstOf(compare(ascending(b.A), ascending(a.A)), compare(Tuple{a.B.A, a.B.B}, Tuple{b.B.A, b.B.B}),
			compare(ascending(b.C), ascending(a.C)))
	})
	checkCodec(t, "within another", Desc(Triple(Bytes, Desc(Pair(Bytes, Bytes)), Desc(Bytes))), draw, func(a, b key) int {
		return firstOf(compare(ascending(b.A), ascending(a.A)), compare(Tuple{a.B.A, a.B.B}, Tuple{b.B.A, b.B.B}),
			compare(ascending(a.C), ascending(b.C)))
	})
}

// firstOf returns the first of these that is not 0.
func firstOf(all ...int) int {
	for _, c := range all {
		if c != 0 {
			return c
		}
	}
	return 0
}

// The bytes that the documentation draws are those that programs rely on.
func TestDesc_isAsTheExampleSays(t *testing.T) {
	for _, c := range []struct {
		v    int64
		want []byte
	}{
		{1, []byte{0x01, 0xea, 0xfe, 0xff, 0x00}},
		{255, []byte{0x01, 0xea, 0x00, 0xff, 0xff, 0x00}},
	} {
		if got, err := Desc(Int).Append(nil, c.v); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%d is %x, %v; want %x", c.v, got, err, c.want)
		}
	}
}
