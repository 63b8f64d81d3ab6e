package space

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/span"
)

// drawKey draws keys that are near to what divides the spaces.
func drawKey(t *rapid.T, name string) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 3, 0x7f, 0xf7, 0xf8, 0xfe, 0xff}), 0, 4).Draw(t, name)
}

var ids = []uint64{0, 1, 0xf7, 0xf8, 0xff, 0x100, 0xffff, 0x10000, 1 << 40, math.MaxUint64 - 1, math.MaxUint64}

func drawSpace(t *rapid.T, name string) Space {
	all := []Space{{}, {}, Catalogue}
	for _, id := range ids {
		all = append(all, Of(id), Index(id))
	}
	return rapid.SampledFrom(all).Draw(t, name)
}

// A key that is shown as another one, or sorts elsewhere, is lost to its program.
func TestSpace_keepsKeysAndTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, a, b := drawSpace(t, "space"), drawKey(t, "a"), drawKey(t, "b")
		stored := s.Key(a)
		if len(stored) > len(a)+MaxPrefix || !bytes.Equal(stored, s.AppendKey(nil, a)) {
			t.Fatalf("%x is stored as %x", a, stored)
		}
		for _, cut := range [][]byte{s.Cut(stored), s.AppendCut(nil, stored)} {
			if !bytes.Equal(cut, a) {
				t.Fatalf("%x is stored as %x and shown as %x", a, stored, cut)
			}
		}
		if s != Catalogue && !bytes.Equal(Shown(stored), a) {
			t.Fatalf("%x is stored as %x and shown as %x", a, stored, Shown(stored))
		}
		if bytes.Compare(stored, s.Key(b)) != bytes.Compare(a, b) {
			t.Fatalf("%x and %x are stored in another order", a, b)
		}
	})
}

// A range that holds a key more or less than the program asked for shows, or deletes, what is another's.
func TestSpace_spansHoldWhatTheyHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o, k := drawSpace(t, "space"), drawSpace(t, "other"), drawKey(t, "key")
		keys := span.Span{Lo: drawKey(t, "lo"), Hi: drawKey(t, "hi")}
		if rapid.Bool().Draw(t, "open") {
			keys.Hi = nil
		}
		stored := s.Span(keys)
		if got, want := stored.Contains(o.Key(k)), s == o && keys.Contains(k); got != want {
			t.Fatalf("%x of %x in %x: %v, want %v", k, o, stored, got, want)
		}
		if hi := s.CutEnd(stored.Hi); !bytes.Equal(hi, keys.Hi) || (hi == nil) != (keys.Hi == nil) {
			t.Fatalf("an end %x (nil: %v) became %x", keys.Hi, keys.Hi == nil, hi)
		}
		if keys.Contains(k) {
			s.Cuts(stored, func(got, _ []byte) bool {
				if !bytes.Equal(got, k) {
					t.Fatalf("%x is shown as %x", k, got)
				}
				return true
			})(s.Key(k), nil)
		}
	})
}

// Two buckets of which one's keys lie among another's would be one.
func TestID_isInOrderAndItsOwnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.OneOf(rapid.SampledFrom(ids), rapid.Uint64())
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		x, y := AppendID(nil, a), AppendID(nil, b)
		if id, n := ID(append(slices.Clone(x), y...)); id != a || n != len(x) || n > maxID {
			t.Fatalf("%d is read as %d in %d bytes of %x", a, id, n, x)
		}
		if a < b && (bytes.Compare(x, y) >= 0 || bytes.HasPrefix(y, x)) {
			t.Fatalf("%d is %x, %d is %x", a, x, b, y)
		}
	})
}

// Bytes that no id is spelt as must not be taken for one.
func FuzzID(f *testing.F) {
	for _, id := range ids {
		f.Add(AppendID(nil, id))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, n := ID(b); n > 0 && !bytes.Equal(AppendID(nil, id), b[:n]) {
			t.Errorf("%x is read as %d, which is %x", b, id, AppendID(nil, id))
		}
	})
}
