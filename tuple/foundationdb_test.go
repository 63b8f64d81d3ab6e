package tuple

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

// published are tuples with the keys that FoundationDB publishes for them: the test cases of its specification
// (design/tuple.md), those of the test of its Go binding, and the table of serialized forms in the test of its Java
// binding. Spaces are for people.
var published = []struct {
	tuple Tuple
	key   string
}{
	// The specification.
	{Tuple{[]byte("foo\x00bar")}, "01 666f6f 00ff 626172 00"},
	{Tuple{"F\u00d4O\u0000bar"}, "02 46 c394 4f 00ff 626172 00"},
	{Tuple{Tuple{[]byte("foo\x00bar"), nil, Tuple{}}}, "05 01666f6f00ff62617200 00ff 0500 00"},
	{Tuple{-5551212}, "11 ab4b93"},
	{Tuple{float32(-42)}, "20 3dd7ffff"},
	{Tuple{Tuple{}}, "05 00"},
	{Tuple{Tuple{nil}}, "05 00ff 00"},
	{Tuple{-1}, "13 fe"},

	// The Go binding.
	{Tuple{[]byte("hello"), "world", 42, 0x99}, "01 68656c6c6f 00 02 776f726c64 00 15 2a 15 99"},

	// The Java binding.
	{Tuple{}, ""},
	{Tuple{0}, "14"},
	{Tuple{power(0)}, "15 01"},
	{Tuple{1}, "15 01"},
	{Tuple{255}, "15 ff"},
	{Tuple{-255}, "13 00"},
	{Tuple{256}, "16 0100"},
	{Tuple{-256}, "12 feff"},
	{Tuple{65536}, "17 010000"},
	{Tuple{-65536}, "11 feffff"},
	{Tuple{int64(math.MaxInt64)}, "1c 7fffffffffffffff"},
	{Tuple{uint64(1 << 63)}, "1c 8000000000000000"},
	{Tuple{power(63)}, "1c 8000000000000000"},
	{Tuple{uint64(math.MaxUint64)}, "1c ffffffffffffffff"},
	{Tuple{power(64)}, "1d 09 010000000000000000"},
	{Tuple{int64(-(1<<32 - 1))}, "10 00000000"},
	{Tuple{int64(math.MinInt64 + 2)}, "0c 8000000000000001"},
	{Tuple{int64(math.MinInt64 + 1)}, "0c 8000000000000000"},
	{Tuple{int64(math.MinInt64)}, "0c 7fffffffffffffff"},
	{Tuple{minus(power(63), 1)}, "0c 7ffffffffffffffe"},
	{Tuple{minus(power(64), -1)}, "0c 0000000000000000"},
	{Tuple{float32(3.14)}, "20 c048f5c3"},
	{Tuple{float32(-3.14)}, "20 3fb70a3c"},
	{Tuple{3.14}, "21 c0091eb851eb851f"},
	{Tuple{-3.14}, "21 3ff6e147ae147ae0"},
	{Tuple{float32(0)}, "20 80000000"},
	{Tuple{float32(math.Copysign(0, -1))}, "20 7fffffff"},
	{Tuple{0.0}, "21 8000000000000000"},
	{Tuple{math.Copysign(0, -1)}, "21 7fffffffffffffff"},
	{Tuple{float32(math.Inf(1))}, "20 ff800000"},
	{Tuple{float32(math.Inf(-1))}, "20 007fffff"},
	{Tuple{math.Inf(1)}, "21 fff0000000000000"},
	{Tuple{math.Inf(-1)}, "21 000fffffffffffff"},
	{Tuple{math.Float32frombits(0x7fffffff)}, "20 ffffffff"},
	{Tuple{math.Float64frombits(0x7fffffffffffffff)}, "21 ffffffffffffffff"},
	{Tuple{math.Float32frombits(0xffffffff)}, "20 00000000"},
	{Tuple{math.Float64frombits(0xffffffffffffffff)}, "21 0000000000000000"},
	{Tuple{[]byte{}}, "01 00"},
	{Tuple{[]byte{1, 2, 3}}, "01 010203 00"},
	{Tuple{[]byte{0, 0, 0, 4}}, "01 00ff 00ff 00ff 04 00"},
	{Tuple{""}, "02 00"},
	{Tuple{"hello"}, "02 68656c6c6f 00"},
	{Tuple{"\u4e2d\u6587"}, "02 e4b8ad e69687 00"},
	{Tuple{"\u03bc\u03ac\u03b8\u03b7\u03bc\u03b1"}, "02 cebc ceac ceb8 ceb7 cebc ceb1 00"},
	{Tuple{"\U0001f525"}, "02 f09f94a5 00"},
	{Tuple{"\U0001f96f"}, "02 f09fa5af 00"},
	{Tuple{"\U0001f9a5"}, "02 f09fa6a5 00"},
	{Tuple{"\U0010ffff"}, "02 f48fbfbf 00"},
	{Tuple{Tuple{nil, "hello"}}, "05 00ff 02 68656c6c6f 00 00"},
	{Tuple{[]any{nil, "hello"}}, "05 00ff 02 68656c6c6f 00 00"},
	{Tuple{Tuple{nil, "hell\x00"}}, "05 00ff 02 68656c6c 00ff 00 00"},
	{Tuple{Tuple{nil}, "hello"}, "05 00ff 00 02 68656c6c6f 00"},
	{Tuple{Tuple{nil}, "hello", []byte{1, 0}, []byte{}}, "05 00ff 00 02 68656c6c6f 00 01 01 00ff 00 01 00"},
	{Tuple{[16]byte{0xff, 0xff, 0xff, 0xff, 0xba, 0x5e, 0xba, 0x11, 0, 0, 0, 0, 0x5c, 0xa1, 0xab, 0x1e}},
		"30 ffffffffba5eba11000000005ca1ab1e"},
	{Tuple{false}, "26"},
	{Tuple{true}, "27"},
	{Tuple{int16(0x3019)}, "16 3019"},
	{Tuple{int8(3)}, "15 03"},
	{Tuple{[12]byte{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0, 1, 2, 3}}, "33 aabbccddeeff00010203 0000"},
	{Tuple{[12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x02, 0x91}}, "33 0102030405060708090a 0291"},
}

// power returns two to the power of n.
func power(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

// minus returns the negative of v, less n.
func minus(v *big.Int, n int64) *big.Int { return v.Sub(v.Neg(v), big.NewInt(n)) }

// bytesFrom reads hexadecimal digits with spaces between them.
func bytesFrom(t fataler, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", digits, err)
	}
	return b
}

// Keys that came from FoundationDB, or are read by its bindings, would be others.
func TestPack_agreesWithFoundationDB(t *testing.T) {
	for _, p := range published {
		want := bytesFrom(t, p.key)
		if got := pack(t, p.tuple); !bytes.Equal(got, want) {
			t.Errorf("%#v is packed as %x, FoundationDB packs it as %x", p.tuple, got, want)
		}
		got, err := Unpack(want)
		if err != nil || compare(got, normal(p.tuple)) != 0 {
			t.Errorf("%x is unpacked as %#v, %v; it is %#v", want, got, err, p.tuple)
		}
	}
}

// malformed are bytes that FoundationDB's Java binding is tested to refuse (TuplePackingTest), and others that one of
// its bindings takes or has taken: strings without an end (issue 671), integers that are not in their shortest form,
// among them what its Python binding writes for the largest of eight bytes (issue 2732).
var malformed = []struct {
	key    string
	want   error
	offset int
}{
	{"01 deadc0de", ErrTruncated, 0},
	{"01 dead 00ff c0de", ErrTruncated, 0},
	{"01", ErrTruncated, 0},
	{"01 00ff", ErrTruncated, 0},
	{"02 68656c6c6f", ErrTruncated, 0},
	{"02 68656c 00ff 6c6f", ErrTruncated, 0},
	{"02 757466 08 80 00", ErrUTF8, 0},
	{"02 757466 08 c001 00", ErrUTF8, 0},
	{"02 757466 10 eda0bd 00", ErrUTF8, 0},
	{"02 757466 10 edb4a5 00", ErrUTF8, 0},
	{"02 757466 10 eda0bd edb4a5 00", ErrUTF8, 0},
	{"05 02 68656c6c6f 00", ErrTruncated, 8},
	{"05 02 68656c6c6f 00 00ff 02 7468657265 00", ErrTruncated, 17},
	{"16 01", ErrTruncated, 0},
	{"12 01", ErrTruncated, 0},
	{"1d 09 0102030405060708", ErrTruncated, 0},
	{"0b f6 0102030405060708", ErrTruncated, 0},
	{"1d", ErrTruncated, 0},
	{"0b", ErrTruncated, 0},
	{"20 010203", ErrTruncated, 0},
	{"21 01020304050607", ErrTruncated, 0},
	{"30 0102030405060708090a0b0c0d0e", ErrTruncated, 0},
	{"30 0102030405060708090a0b0c0d0e0f", ErrTruncated, 0},
	{"33 0102030405060708090a0b", ErrTruncated, 0},
	{"ff", ErrUnknownCode, 0},
	{"15 01 03", ErrUnknownCode, 2},
	{"05 15 01 04 00", ErrUnknownCode, 3},
	{"00 ff", ErrUnknownCode, 1},
	{"40", ErrUnknownCode, 0},
	{"0a", ErrUnknownCode, 0},
	{"1e", ErrUnknownCode, 0},
	{"22", ErrUnknownCode, 0},
	{"25", ErrUnknownCode, 0},
	{"15 00", ErrNotCanonical, 0},
	{"13 ff", ErrNotCanonical, 0},
	{"16 0005", ErrNotCanonical, 0},
	{"12 fffe", ErrNotCanonical, 0},
	{"1d 08 ffffffffffffffff", ErrNotCanonical, 0},
	{"0b f7 0000000000000000", ErrNotCanonical, 0},
	{"1d 09 00ffffffffffffffff", ErrNotCanonical, 0},
	{"0b f6 ff0000000000000000", ErrNotCanonical, 0},
	{"1d 00", ErrNotCanonical, 0},
	{"0b ff", ErrNotCanonical, 0},
	{"14 02 61 00 15", ErrTruncated, 4},
	{strings.Repeat("05", MaxDepth+1), ErrDepth, MaxDepth},
	{strings.Repeat("05", 1_000_000), ErrDepth, MaxDepth},
}

// What is damaged would be read as another tuple, or end the program.
func TestUnpack_refusesWhatIsMalformed(t *testing.T) {
	for _, m := range malformed {
		key := bytesFrom(t, m.key)
		short := key[:min(len(key), 24)]
		got, err := Unpack(key)
		var place *DecodeError
		if !errors.Is(err, m.want) || !errors.As(err, &place) || got != nil {
			t.Errorf("%x is unpacked as %v, %v; want %v", short, got, err, m.want)
			continue
		}
		var code byte
		if m.offset < len(key) {
			code = key[m.offset]
		}
		if place.Offset != m.offset || place.Code != code {
			t.Errorf("%x is wrong at %d (%#x), says %d (%#x)", short, m.offset, code, place.Offset, place.Code)
		}
	}
}

// One byte less than a key, or one that is cut anywhere, must not be a whole key with other elements, unless it is cut
// between two of them.
func TestUnpack_refusesWhatIsCut(t *testing.T) {
	for _, p := range published {
		if len(p.tuple) != 1 {
			continue
		}
		key := bytesFrom(t, p.key)
		for n := 1; n < len(key); n++ {
			if got, err := Unpack(key[:n]); err == nil && !bytes.Equal(pack(t, got), key[:n]) {
				t.Errorf("%x, cut to %d bytes, is %v", key, n, got)
			}
		}
	}
}
