package tuple

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A row would be found under another time than it was stored under, or in another year.
func TestTime_comesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			s := drawSource(t)
			at := s.time()
			key := AppendTime(nil, at)
			if number, err := AppendBig(nil, numberOf(at)); err != nil || !bytes.Equal(key, number) {
				t.Fatalf("%v is %x; its nanoseconds are %x, %v", at, key, number, err)
			}
			r := NewReader(key)
			if got := r.Time(); r.End() != nil || !got.Equal(at) || got.Location() != time.UTC {
				t.Fatalf("%v, written as %x, is %v, %v", at, key, got, r.End())
			}
		}
	})
}

// The zero time is in many structs, and one that fails to be a key would be found out in production.
func TestTime_ofEveryYear(t *testing.T) {
	for _, c := range []struct {
		at    time.Time
		bytes int
	}{
		{time.Time{}, 11},
		{time.Date(1385, 1, 1, 0, 0, 0, 0, time.UTC), 11},
		{time.Date(1386, 1, 1, 0, 0, 0, 0, time.UTC), 9},
		{time.Date(1677, 1, 1, 0, 0, 0, 1, time.UTC), 9},
		{time.Unix(-1, 0), 5},
		{time.Unix(0, -1), 2},
		{time.Unix(0, 0), 1},
		{time.Unix(0, 1), 2},
		{time.Date(2026, 12, 1, 22, 0, 0, 999, time.UTC), 9},
		{time.Date(2554, 1, 1, 0, 0, 0, 0, time.UTC), 9},
		{time.Date(2555, 1, 1, 0, 0, 0, 0, time.UTC), 11},
		{time.Unix(math.MaxInt64, 999_999_999), 14},
		{time.Unix(math.MinInt64, 0), 14},
		{time.Unix(math.MinInt64, 1), 14},
	} {
		key := AppendTime(nil, c.at)
		r := NewReader(key)
		got := r.Time()
		if r.End() != nil || got.Unix() != c.at.Unix() || got.Nanosecond() != c.at.Nanosecond() || len(key) != c.bytes {
			t.Errorf("%v, written as %x, is %v, %v", c.at, key, got, r.Err())
		}
	}
}

// A number of FoundationDB that is no time would be another instant.
func TestTime_refusesWhatIsNone(t *testing.T) {
	second := big.NewInt(1_000_000_000)
	first := new(big.Int).Mul(big.NewInt(math.MinInt64), second)
	last := new(big.Int).Mul(power(63), second) // one too many
	for _, v := range []*big.Int{last, new(big.Int).Sub(first, big.NewInt(1)), power(100), power(128), power(2000),
		new(big.Int).Neg(power(128)), new(big.Int).Neg(power(94))} {
		key, err := AppendBig(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(key)
		if got := r.Time(); !errors.Is(r.Err(), ErrRange) || !got.IsZero() {
			t.Errorf("%v nanoseconds are %v, %v", v, got, r.Err())
		}
	}
}
