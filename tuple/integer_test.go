package tuple

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"
)

// boundaries are the numbers around each power of 256, where the number of bytes changes, and those around each power
// of two up to 64 bits, in ascending order.
func boundaries() (all []*big.Int) {
	for bit := uint(0); bit <= 8*maxBigBytes; bit++ {
		if bit > 66 && bit%8 != 0 {
			continue
		}
		for d := int64(-3); d <= 3; d++ {
			v := new(big.Int).Add(power(bit), big.NewInt(d))
			if v.BitLen() <= 8*maxBigBytes {
				all = append(all, v, new(big.Int).Neg(v))
			}
		}
	}
	slices.SortFunc(all, (*big.Int).Cmp)
	return slices.CompactFunc(all, func(a, b *big.Int) bool { return a.Cmp(b) == 0 })
}

// A number of another size would be out of order, be another one when it is read, or have two keys, one for each of the
// functions that write it.
func TestInteger_everySize(t *testing.T) {
	var last []byte
	for i, v := range boundaries() {
		key, err := AppendBig(nil, v)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		if i > 0 && bytes.Compare(last, key) >= 0 {
			t.Errorf("%v: %x is not behind %x", v, key, last)
		}
		last = key
		if v.IsInt64() && !bytes.Equal(AppendInt(nil, v.Int64()), key) {
			t.Errorf("%v is %x as an int64, %x as a big.Int", v, AppendInt(nil, v.Int64()), key)
		}
		if v.IsUint64() && !bytes.Equal(AppendUint(nil, v.Uint64()), key) {
			t.Errorf("%v is %x as a uint64, %x as a big.Int", v, AppendUint(nil, v.Uint64()), key)
		}
		checkNumber(t, v, key)
	}
}

// checkNumber reads a number in every way: as what it is, or it does not fit.
func checkNumber(t *testing.T, v *big.Int, key []byte) {
	t.Helper()
	r := NewReader(key)
	if got := r.Big(); got == nil || got.Cmp(v) != 0 || r.End() != nil {
		t.Errorf("%v, written as %x, is %v, %v", v, key, got, r.End())
	}
	r = NewReader(key)
	if got := r.Int(); v.IsInt64() && (got != v.Int64() || r.End() != nil) ||
		!v.IsInt64() && (got != 0 || !errors.Is(r.Err(), ErrRange)) {
		t.Errorf("%v, as an int64, is %d, %v", v, got, r.Err())
	}
	r = NewReader(key)
	if got := r.Uint(); v.IsUint64() && (got != v.Uint64() || r.End() != nil) ||
		!v.IsUint64() && (got != 0 || !errors.Is(r.Err(), ErrRange)) {
		t.Errorf("%v, as a uint64, is %d, %v", v, got, r.Err())
	}
}

// A number that AppendBig changed would be another one for its owner.
func TestAppendBig_changesNothing(t *testing.T) {
	v := big.NewInt(-256)
	if _, err := AppendBig(nil, v); err != nil || v.Cmp(big.NewInt(-256)) != 0 {
		t.Errorf("it is %v, %v", v, err)
	}
	if dst, err := AppendBig([]byte("x"), power(8*maxBigBytes)); !errors.Is(err, ErrRange) || string(dst) != "x" {
		t.Errorf("%x, %v", dst, err)
	}
	if dst, err := AppendBig([]byte("x"), nil); !errors.Is(err, ErrUnsupported) || string(dst) != "x" {
		t.Errorf("%x, %v", dst, err)
	}
}

// The example in the source is what a reader of a hex dump goes by.
func TestAppendInt_isAsTheExampleSays(t *testing.T) {
	if got := AppendInt(nil, -5551212); !bytes.Equal(got, []byte{0x11, 0xab, 0x4b, 0x93}) {
		t.Errorf("%x", got)
	}
	if got := AppendInt(nil, math.MinInt64); len(got) != 9 {
		t.Errorf("%x", got)
	}
}
