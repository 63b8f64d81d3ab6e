package span

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// alphabet is the bytes that a comparison of signed ones, or of text, puts into another order, and both extremes.
var alphabet = []byte{0x00, 0x7f, 0x80, 0xfe, 0xff}

// maxSize is the size of the longest key of the tests. Up to it there is every key of alphabet, the empty one included.
const maxSize = 3

var universe = beginningWith("")

// beginningWith returns all keys that begin with prefix.
func beginningWith(prefix string) []string {
	all := []string{prefix}
	for _, b := range alphabet {
		if len(prefix) < maxSize {
			all = append(all, beginningWith(prefix+string([]byte{b}))...)
		}
	}
	return all
}

// keys is those keys of universe that a Span or a Set stands for.
type keys map[string]bool

// naive returns the keys in [lo, hi), found without a Span.
func naive(lo, hi []byte) keys {
	held := keys{}
	for _, k := range universe {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			held[k] = true
		}
	}
	return held
}

// bound draws a key of universe, or nil.
func bound(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 5).Draw(t, name+" is open") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, maxSize).Draw(t, name)
}

func draw(t *rapid.T, name string) Span {
	return Span{Lo: bound(t, name+" lo"), Hi: bound(t, name+" hi")}
}

// A key that a range does not know for its own is changed under the eyes of the transaction that read it, and one that
// it takes for its own blocks writers for nothing.
func TestSpan_isASetOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := draw(t, "s"), draw(t, "o")
		ofS, ofO := naive(s.Lo, s.Hi), naive(o.Lo, o.Hi)
		if s.Empty() != (len(ofS) == 0) {
			t.Fatalf("%q holds %d keys, and Empty is %v", s, len(ofS), s.Empty())
		}
		shared := false
		for _, k := range universe {
			shared = shared || ofS[k] && ofO[k]
			if s.Contains([]byte(k)) != ofS[k] {
				t.Fatalf("%q contains %q: %v", s, k, !ofS[k])
			}
			if s.Below([]byte(k)) != (s.Hi != nil && string(s.Hi) <= k) {
				t.Fatalf("%q is below %q: %v", s, k, s.Below([]byte(k)))
			}
		}
		if s.Overlaps(o) != shared || o.Overlaps(s) != shared {
			t.Fatalf("%q and %q overlap: %v, %v, want %v", s, o, s.Overlaps(o), o.Overlaps(s), shared)
		}
		for _, c := range []Span{s.Clone(), s.CloneIn(nil), s.CloneIn(make([]byte, 4))} {
			if !same(c, s) {
				t.Fatalf("the clone of %#v is %#v", s, c)
			}
		}
		both := s.Intersect(o)
		for _, k := range universe {
			if both.Contains([]byte(k)) != (ofS[k] && ofO[k]) {
				t.Fatalf("%q is in %q and %q: %v", k, s, o, !both.Contains([]byte(k)))
			}
		}
	})
}

// A range that is taken for a part of another one is forgotten with it, and what it had deleted comes back.
func TestSpan_Holds_everyKeyOfAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := draw(t, "s"), draw(t, "o")
		ofS := naive(s.Lo, s.Hi)
		for _, o := range []Span{o, {o.Lo, s.Hi}, {s.Lo, o.Hi}, s} { // two drawn ones rarely have a bound in common
			holds := true
			for k := range naive(o.Lo, o.Hi) {
				holds = holds && ofS[k]
			}
			if !o.Empty() && s.Holds(o) != holds {
				t.Fatalf("%q holds %q: %v, want %v", s, o, s.Holds(o), holds)
			}
		}
	})
}

// same reports whether a and b are equal, a nil bound and an empty one not being so.
func same(a, b Span) bool {
	return bytes.Equal(a.Lo, b.Lo) && bytes.Equal(a.Hi, b.Hi) && (a.Hi == nil) == (b.Hi == nil)
}

// An empty bound that is taken for an open one makes of nothing everything; the other way round, a scan of everything
// would not be remembered.
func TestSpan_nilIsOpenAndEmptyIsNot(t *testing.T) {
	none := []byte{}
	for _, c := range []struct {
		name               string
		span               Span
		first, last, empty bool // it contains the empty key, contains a very large one, contains none
	}{
		{"the zero value", Span{}, true, true, false},
		{"an empty Lo", Span{Lo: none}, true, true, false},
		{"an empty Hi", Span{Hi: none}, false, false, true},
		{"both empty", Span{Lo: none, Hi: none}, false, false, true},
		{"the empty key alone", Span{Hi: []byte{0}}, true, false, false},
		{"all but the empty key", Span{Lo: []byte{0}}, false, true, false},
		{"the wrong way round", Span{Lo: []byte("b"), Hi: []byte("a")}, false, false, true},
		{"one bound twice", Span{Lo: []byte("a"), Hi: []byte("a")}, false, false, true},
	} {
		last := bytes.Repeat([]byte{0xff}, 100)
		if s := c.span; s.Contains(nil) != c.first || s.Contains(none) != c.first || s.Contains(last) != c.last ||
			s.Empty() != c.empty || s.Overlaps(Span{}) == c.empty || s.Clone().Empty() != c.empty {
			t.Errorf("%s: %q", c.name, s)
		}
	}
}

// Other keys would be shown, or removed, with those that begin with a prefix: a prefix may be empty, and end in bytes
// that have no successor.
func TestPrefix_holdsWhatBeginsWithIt(t *testing.T) {
	for _, p := range universe {
		prefix := []byte(p)
		s := Prefix(prefix)
		for _, k := range universe {
			if s.Contains([]byte(k)) != strings.HasPrefix(k, p) {
				t.Errorf("%q holds %q: %v", s, k, !strings.HasPrefix(k, p))
			}
		}
		if string(prefix) != p {
			t.Errorf("the prefix %q became %q", p, prefix)
		}
	}
}

// The last key would be missing, or one behind it be included; or the range would change with the key that it was made
// of.
func TestClosed_holdsBothEndsAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, maxSize)
		first, last := key.Draw(t, "first"), key.Draw(t, "last")
		s := Closed(first, last)
		for _, k := range universe {
			if want := k >= string(first) && k <= string(last); s.Contains([]byte(k)) != want {
				t.Fatalf("%q to %q is %q, which contains %q: %v", first, last, s, k, !want)
			}
		}
		before := string(s.Hi)
		for i := range last {
			last[i]++
		}
		if string(s.Hi) != before {
			t.Fatalf("the end is not a copy")
		}
	})
	if s := Closed(nil, nil); !s.Contains(nil) || s.Contains([]byte{0}) {
		t.Errorf("the empty key alone is %q", s)
	}
}
