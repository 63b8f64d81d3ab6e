package tuple

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// methods are the methods of Reader that read one element, by the codes that each of them takes.
var methods = []struct {
	name  string
	codes []byte
	read  func(*Reader) any
}{
	{"Bool", []byte{falseCode, trueCode}, func(r *Reader) any { return r.Bool() }},
	{"Int", integerCodes(), func(r *Reader) any { return r.Int() }},
	{"Uint", integerCodes(), func(r *Reader) any { return r.Uint() }},
	{"Big", integerCodes(), func(r *Reader) any { return r.Big() }},
	{"Time", integerCodes(), func(r *Reader) any { return r.Time() }},
	{"Float32", []byte{float32Code}, func(r *Reader) any { return r.Float32() }},
	{"Float64", []byte{float64Code}, func(r *Reader) any { return r.Float64() }},
	{"String", []byte{stringCode}, func(r *Reader) any { return r.String() }},
	{"AppendString", []byte{stringCode}, func(r *Reader) any { return r.AppendString(nil) }},
	{"Bytes", []byte{bytesCode}, func(r *Reader) any { return r.Bytes() }},
	{"AppendBytes", []byte{bytesCode}, func(r *Reader) any { return r.AppendBytes(nil) }},
	{"UUID", []byte{uuidCode}, func(r *Reader) any { return r.UUID() }},
	{"Versionstamp", []byte{versionstampCode}, func(r *Reader) any { return r.Versionstamp() }},
	{"Tuple", []byte{nestedCode}, func(r *Reader) any { return r.Tuple() }},
}

func integerCodes() (codes []byte) {
	for code := negativeBigCode; code <= positiveBigCode; code++ {
		codes = append(codes, code)
	}
	return codes
}

// An element that is read as one of another type would be a value that nobody wrote.
func TestReader_refusesOtherTypes(t *testing.T) {
	for _, m := range methods {
		for code := range 256 {
			key := append([]byte{zeroCode, byte(code)}, make([]byte, 16)...)
			r := NewReader(key)
			r.Skip()
			got := m.read(r)
			if slices.Contains(m.codes, byte(code)) {
				if errors.Is(r.Err(), ErrType) {
					t.Errorf("%s of %#x: %v", m.name, code, r.Err())
				}
				continue
			}
			want := ErrType
			if !isKnown(byte(code)) {
				want = ErrUnknownCode
			}
			var place *DecodeError
			if !errors.Is(r.Err(), want) || !errors.As(r.Err(), &place) || place.Offset != 1 || place.Code != byte(code) {
				t.Errorf("%s of %#x: %v", m.name, code, r.Err())
			}
			if v := reflect.ValueOf(got); v.IsValid() && !v.IsZero() {
				t.Errorf("%s of %#x is %v", m.name, code, got)
			}
		}
	}
}

// Half an element would be read as a whole one, or what lies behind the key would be.
func TestReader_refusesWhatIsCut(t *testing.T) {
	whole := [][]byte{AppendInt(nil, -70000), AppendUint(nil, 1<<63), AppendFloat32(nil, 1), AppendFloat64(nil, 1),
		AppendString(nil, "a\x00b"), AppendBytes(nil, []byte{0, 0xff, 1}), AppendUUID(nil, [16]byte{1}),
		AppendVersionstamp(nil, [12]byte{1}), AppendTime(nil, time.Time{}), {nestedCode, stringCode, 'a', 0, 0}}
	for _, key := range whole {
		for n := range len(key) {
			for _, m := range methods {
				r := NewReader(key[:n:n])
				m.read(r)
				if r.Err() == nil && key[n] != escape { // but for that a zero byte would be the end of a string

					t.Errorf("%s reads %x, which is %x cut short", m.name, key[:n], key)
				}
			}
		}
	}
}

// One look at the end would not be enough: what was read after an error would be believed.
func TestReader_firstErrorStays(t *testing.T) {
	key := AppendString(AppendInt(nil, 7), "x")
	r := NewReader(key)
	if r.String() != "" || !errors.Is(r.Err(), ErrType) || r.More() || r.Null() {
		t.Fatalf("%v", r.Err())
	}
	first := r.Err()
	for _, m := range methods {
		v := reflect.ValueOf(m.read(r))
		if v.IsValid() && !v.IsZero() || r.Err() != first {
			t.Errorf("%s reads %v after an error, which is %v then", m.name, v, r.Err())
		}
	}
	r.Skip()
	r.Fail(errors.New("another"))
	if r.Any() != nil || r.End() != first {
		t.Errorf("%v", r.End())
	}
	r.Reset(key)
	r.Fail(nil) // a codec passes on what a function of its own has given it
	if r.Int() != 7 || r.String() != "x" || r.End() != nil {
		t.Errorf("%v after a Reset", r.End())
	}
	if r.Int(); !errors.Is(r.Err(), ErrTruncated) {
		t.Errorf("%v behind the end", r.Err())
	}
}

// A key with more parts than a program knows of would be taken for the key without them.
func TestReader_endIsTheEndOfTheKey(t *testing.T) {
	r := NewReader(AppendInt(AppendInt(nil, 1), 2))
	if r.Int() != 1 || !r.More() || r.Err() != nil || !errors.Is(r.End(), ErrTrailing) {
		t.Errorf("%v", r.End())
	}
	if (&Reader{}).End() != nil || NewReader(nil).More() {
		t.Error("an empty key has more")
	}
}

// A null would be mixed up with the end of the key, or an element would be taken for one.
func TestReader_null(t *testing.T) {
	r := NewReader(AppendInt(AppendNull(AppendNull(nil)), 1))
	first, second, third := r.Null(), r.Null(), r.Null()
	if !first || !second || third || r.Int() != 1 || r.Null() || r.End() != nil {
		t.Errorf("%v", r.End())
	}
}

// What a Reader has returned would change with the next key that is read into the same buffer.
func TestReader_returnsCopies(t *testing.T) {
	key := AppendBytes(AppendBytes(nil, []byte("ab")), []byte{0, 1})
	r := NewReader(key)
	a, b := r.Bytes(), r.Bytes()
	clear(key)
	if r.End() != nil || string(a) != "ab" || !bytes.Equal(b, []byte{0, 1}) {
		t.Errorf("%x, %x, %v", a, b, r.End())
	}
	if r = NewReader(AppendBytes(nil, nil)); r.Bytes() == nil {
		t.Error("an empty byte string is nil, as an error is")
	}
}

// Bytes that are no UTF-8 could be written and never be looked at again.
func TestReader_appendStringTakesAnyBytes(t *testing.T) {
	key := AppendString(nil, "a\xff\x00b")
	r := NewReader(key)
	if r.String() != "" || !errors.Is(r.Err(), ErrUTF8) || !strings.Contains(r.Err().Error(), "offset 0") {
		t.Errorf("%v", r.Err())
	}
	r = NewReader(key)
	if got := r.AppendString([]byte("x")); string(got) != "xa\xff\x00b" || r.End() != nil {
		t.Errorf("%q, %v", got, r.End())
	}
}

// Integers of Any are of the type that programs switch on.
func TestReader_anyReturnsTheSmallestType(t *testing.T) {
	for _, c := range []struct{ v, want any }{
		{int8(-1), int64(-1)}, {uint64(1 << 62), int64(1 << 62)}, {uint64(1 << 63), uint64(1 << 63)},
		{power(3), int64(8)}, {power(64), power(64)}, {new(big.Int).Neg(power(63)), int64(-1 << 63)},
		{minus(power(63), 1), minus(power(63), 1)},
	} {
		r := NewReader(pack(t, Tuple{c.v}))
		if got := r.Any(); !reflect.DeepEqual(got, c.want) || r.End() != nil {
			t.Errorf("%v is %T %v, %v", c.v, got, got, r.End())
		}
	}
}
