package tuple

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// source turns bytes into choices, so that one generator serves tests and fuzzers. Behind its end there are zeros.
type source struct{ data []byte }

func (s *source) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

// below draws a number from 0 to n-1, for n up to 65536.
func (s *source) below(n int) int {
	v := int(s.byte())
	if n > 256 {
		v = v<<8 | int(s.byte())
	}
	return v % n
}

// drawSource draws choices: half of them one by one, so that what fails becomes small, and half by a seed, because
// rapid prefers small numbers, and so the later types in a list are rare.
func drawSource(t *rapid.T) source {
	if rapid.Bool().Draw(t, "one by one") {
		return source{rapid.SliceOfN(rapid.Byte(), 0, 120).Draw(t, "choices")}
	}
	return source{choicesOf(rapid.Uint64().Draw(t, "seed"))}
}

func choicesOf(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	choices := make([]byte, 120)
	for i := range choices {
		choices[i] = byte(random.Uint32())
	}
	return choices
}

func one[T any](s *source, of ...T) T { return of[s.below(len(of))] }

// tuple draws up to four elements, at a depth.
func (s *source) tuple(depth int) Tuple {
	t := Tuple{}
	for range s.below(5) {
		t = append(t, s.element(depth))
	}
	return t
}

func (s *source) element(depth int) any {
	switch s.below(14) {
	case 0:
		return nil
	case 1:
		return s.bytes()
	case 2:
		return s.string()
	case 3, 4:
		if depth < 3 {
			return s.tuple(depth + 1)
		}
		return Tuple{}
	case 5, 6:
		return s.integer()
	case 7:
		return s.float32()
	case 8:
		return s.float64()
	case 9:
		return one(s, false, true)
	case 10:
		return s.uuid()
	case 11:
		return s.versionstamp()
	case 12:
		return s.time()
	}
	return s.small()
}

func (s *source) uuid() [16]byte {
	return [16]byte{one(s, byte(0), 1, 0xff), 15: one(s, byte(0), 1, 0xff)}
}

func (s *source) versionstamp() [12]byte {
	return [12]byte{one(s, byte(0), 1, 0xff), 11: one(s, byte(0), 1, 0xff)}
}

// next draws a number next to v, one of a byte more, or the negative of either.
func (s *source) next(v *big.Int) *big.Int {
	v = new(big.Int).Add(v, big.NewInt(int64(s.below(5)-2)))
	v.Lsh(v, one(s, uint(0), 0, 8))
	if v.BitLen() > 8*maxBigBytes {
		return big.NewInt(0)
	}
	if s.below(4) == 0 {
		v.Neg(v)
	}
	return v
}

// bytes draws what escaping may go wrong at.
func (s *source) bytes() []byte {
	b := []byte{}
	for range s.below(6) {
		b = append(b, one(s, byte(0), 0xff, 0, 1, 0xfe, 'a', s.byte()))
	}
	return b
}

func (s *source) string() string {
	var b strings.Builder
	for range s.below(6) {
		b.WriteRune(one(s, 0, 1, 'a', 'b', '\u007f', '\u0080', '\u07ff', '\u0800', '\uffff', '\U00010000', '\U0010ffff'))
	}
	return b.String()
}

// integer draws a number next to a power of two, of up to 255 bytes, as one of the types that hold it.
func (s *source) integer() any {
	power := s.below(66)
	if s.below(4) == 0 {
		power = 8 * s.below(256)
	}
	v := new(big.Int).Lsh(big.NewInt(1), uint(power))
	v.Add(v, big.NewInt(int64(s.below(7)-3)))
	if v.BitLen() > 8*maxBigBytes {
		v.Sub(v, big.NewInt(10))
	}
	if s.below(2) == 1 {
		v.Neg(v)
	}
	switch form := s.below(3); {
	case form == 0 && v.IsInt64():
		return v.Int64()
	case form == 1 && v.IsUint64():
		return v.Uint64()
	}
	return v
}

// small draws a number of any of Go's types.
func (s *source) small() any {
	b := s.byte()
	return one[any](s, int(int8(b)), int8(b), int16(int8(b)), int32(int8(b)), int64(int8(b)), uint(b), b, uint16(b),
		uint32(b), uint64(b), int64(b)<<s.below(56), big.NewInt(int64(int8(b))))
}

func (s *source) float32() float32 {
	bits := one(s, uint32(0), 1, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x3f800000, 0x00800000,
		uint32(s.byte())<<24|uint32(s.byte()))
	return math.Float32frombits(bits | uint32(s.below(2))<<31)
}

func (s *source) float64() float64 {
	bits := one(s, uint64(0), 1, 0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff0000000000001, 0x7ff8000000000000,
		0x7fffffffffffffff, 0x3ff0000000000000, 0x0010000000000000, uint64(s.byte())<<56|uint64(s.byte()))
	return math.Float64frombits(bits | uint64(s.below(2))<<63)
}

// time draws one next to where the encoding changes.
func (s *source) time() time.Time {
	seconds := one(s, int64(0), 1, 72057594, 1<<32, 9223372035, 9223372036, 9223372037, 18446744072, 18446744073,
		18446744074, 62135596800, math.MaxInt64-1, math.MaxInt64, int64(s.byte()))
	if s.below(2) == 1 {
		seconds = -seconds
	}
	zone := time.FixedZone("", one(s, 0, 3600, -1))
	return time.Unix(seconds, one(s, int64(0), 1, 2, 709551615, 709551616, 854775807, 854775808, 999999999)).In(zone)
}

// two draws a tuple and one that has to do with it, so that they differ late, little, or not at all.
func (s *source) two() (a, b Tuple) {
	a = s.tuple(0)
	switch s.below(6) {
	case 0:
		return a, s.tuple(0)
	case 1:
		return a, slices.Concat(a, s.tuple(0))
	case 2:
		return slices.Concat(a, s.tuple(0)), slices.Concat(a, s.tuple(0))
	}
	return a, s.vary(a)
}

// vary draws a tuple that differs from t in one element; or not.
func (s *source) vary(t Tuple) Tuple {
	varied := slices.Clone(t)
	if len(t) == 0 {
		return append(varied, s.element(3))
	}
	i := s.below(len(t))
	switch v := t[i].(type) {
	case Tuple:
		varied[i] = s.vary(v)
	case string:
		varied[i] = v + s.string()
	case []byte:
		varied[i] = slices.Concat(v, s.bytes())
	case time.Time:
		varied[i] = v.Add(time.Duration(s.below(3) - 1))
	case float32:
		varied[i] = s.float32()
	case float64:
		varied[i] = s.float64()
	case [16]byte:
		varied[i] = s.uuid()
	case [12]byte:
		varied[i] = s.versionstamp()
	case int64, uint64, *big.Int:
		varied[i] = s.next(numberOf(v))
	default:
		varied[i] = s.element(2)
	}
	return varied
}
