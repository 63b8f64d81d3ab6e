package tuple

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// compare is the order of tuples as the documentation says it, of values alone: nothing here knows how they are
// encoded.
func compare(a, b Tuple) int {
	for i := range min(len(a), len(b)) {
		if c := compareElements(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareElements(a, b any) int {
	if c := cmp.Compare(rankOf(a), rankOf(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case nil:
		return 0
	case []byte:
		return slices.Compare(a, b.([]byte))
	case string:
		return slices.Compare([]rune(a), []rune(b.(string)))
	case Tuple:
		return compare(a, b.(Tuple))
	case float32:
		return compareFloats(float64(a), float64(b.(float32)), math.Float32bits(a), math.Float32bits(b.(float32)))
	case float64:
		return compareFloats(a, b.(float64), math.Float64bits(a), math.Float64bits(b.(float64)))
	case bool:
		return 0 // false and true have ranks of their own
	case [16]byte:
		c := b.([16]byte)
		return new(big.Int).SetBytes(a[:]).Cmp(new(big.Int).SetBytes(c[:]))
	case [12]byte:
		c := b.([12]byte)
		return new(big.Int).SetBytes(a[:]).Cmp(new(big.Int).SetBytes(c[:]))
	}
	return numberOf(a).Cmp(numberOf(b))
}

// rankOf is the order of types.
func rankOf(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case []byte:
		return 1
	case string:
		return 2
	case Tuple:
		return 3
	case float32:
		return 5
	case float64:
		return 6
	case bool:
		if v {
			return 8
		}
		return 7
	case [16]byte:
		return 9
	case [12]byte:
		return 10
	}
	return 4
}

// numberOf is an integer of any type, or the nanoseconds of a time.
func numberOf(v any) *big.Int {
	switch v := v.(type) {
	case *big.Int:
		return v
	case time.Time:
		n := new(big.Int).Mul(big.NewInt(v.Unix()), big.NewInt(1_000_000_000))
		return n.Add(n, big.NewInt(int64(v.Nanosecond())))
	case int:
		return big.NewInt(int64(v))
	case int8:
		return big.NewInt(int64(v))
	case int16:
		return big.NewInt(int64(v))
	case int32:
		return big.NewInt(int64(v))
	case int64:
		return big.NewInt(v)
	case uint:
		return new(big.Int).SetUint64(uint64(v))
	case uint8:
		return big.NewInt(int64(v))
	case uint16:
		return big.NewInt(int64(v))
	case uint32:
		return big.NewInt(int64(v))
	case uint64:
		return new(big.Int).SetUint64(v)
	}
	panic(v)
}

// compareFloats is totalOrder of IEEE 754: numbers by their values, -0 before 0, NaNs outside by sign and then by how
// far their bits are from those of an infinity.
func compareFloats[B uint32 | uint64](a, b float64, aBits, bBits B) int {
	side := func(v float64) int {
		switch {
		case !math.IsNaN(v):
			return 0
		case math.Signbit(v):
			return -1
		}
		return 1
	}
	switch c := cmp.Compare(side(a), side(b)); {
	case c != 0:
		return c
	case side(a) > 0:
		return cmp.Compare(aBits, bBits)
	case side(a) < 0:
		return cmp.Compare(bBits, aBits)
	case a == 0 && b == 0 && math.Signbit(a) != math.Signbit(b):
		return map[bool]int{true: -1, false: 1}[math.Signbit(a)]
	}
	return cmp.Compare(a, b)
}

// fataler is what a test, a fuzzer and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func pack(t fataler, v Tuple) []byte {
	t.Helper()
	key, err := v.Pack()
	if err != nil {
		t.Fatalf("pack %v: %v", v, err)
	}
	return key
}

// checkOrder holds the keys of two tuples against their order, and against what Prefix and Range say of them.
func checkOrder(t fataler, a, b Tuple) {
	t.Helper()
	x, y := pack(t, a), pack(t, b)
	if got, want := bytes.Compare(x, y), compare(a, b); got != want {
		t.Fatalf("%#v and %#v compare %d, their keys %x and %x %d", a, b, want, x, y, got)
	}
	begins := len(b) >= len(a) && compare(a, b[:len(a)]) == 0
	if lo, hi := Prefix(x); within(y, lo, hi) != begins {
		t.Fatalf("%#v begins with %#v: %t; that %x is within the prefix %x: %t", b, a, begins, y, x, !begins)
	}
	if lo, hi := Range(x); within(y, lo, hi) != (begins && len(b) > len(a)) {
		t.Fatalf("%#v is longer than %#v and begins with it: %t; that %x is in the range of %x is not", b, a, begins, y, x)
	}
	if s := NewSubspace(x); s.Contains(y) != begins {
		t.Fatalf("%#v begins with %#v: %t; that the subspace %x contains %x: %t", b, a, begins, x, y, !begins)
	}
}

func within(key, lo, hi []byte) bool {
	return bytes.Compare(lo, key) <= 0 && bytes.Compare(key, hi) < 0
}

// A key out of order is not found by the walk that looks for it, or is found by one that does not.
func TestPack_ordersKeysAsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 80 {
			s := drawSource(t)
			a, b := s.two()
			checkOrder(t, a, b)
			checkOrder(t, b, a)
		}
	})
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte("\x03\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		s := source{choices}
		a, b := s.two()
		checkOrder(t, a, b)
		checkOrder(t, b, a)
	})
}

// differIn returns the rank of the type in which two tuples differ first, if both have it there.
func differIn(a, b Tuple) (rank int, ok bool) {
	for i := range min(len(a), len(b)) {
		if compareElements(a[i], b[i]) != 0 {
			return rankOf(a[i]), rankOf(a[i]) == rankOf(b[i])
		}
	}
	return 0, false
}

// A generator that leaves a type out, or draws pairs that differ at once, proves nothing of them.
func TestSource_drawsWhatMatters(t *testing.T) {
	first, differ, equal, prefix, deep := make(map[byte]bool), make(map[int]int), 0, 0, 0
	for seed := range uint64(6000) {
		s := source{choicesOf(seed)}
		a, b := s.two()
		x, y := pack(t, a), pack(t, b)
		if len(x) > 0 {
			first[x[0]] = true
		}
		if rank, ok := differIn(a, b); ok {
			differ[rank]++
		}
		switch {
		case len(x) > 4 && bytes.Equal(x, y):
			equal++
		case len(x) > 4 && bytes.HasPrefix(y, x):
			prefix++
		case len(x) > 4 && len(y) > 4 && bytes.Equal(x[:4], y[:4]):
			deep++
		}
	}
	for code := range 256 {
		if isKnown(byte(code)) && !first[byte(code)] {
			t.Errorf("no key begins with %#x", code)
		}
	}
	for _, v := range []any{"", []byte{}, Tuple{}, 0, float32(0), 0.0, [16]byte{}, [12]byte{}} {
		if n := differ[rankOf(v)]; n < 20 {
			t.Errorf("%d pairs differ in a %T", n, v)
		}
	}
	t.Logf("%d equal, %d begin with each other, %d differ late; by type %v", equal, prefix, deep, differ)
	if equal < 20 || prefix < 20 || deep < 20 {
		t.Errorf("%d pairs are equal, %d begin with each other, %d differ late", equal, prefix, deep)
	}
}
