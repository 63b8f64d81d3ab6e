package tuple

import (
	"bytes"
	"errors"
	"testing"
)

// A key of one part of the database would be taken for one of another, whose name begins alike.
func TestSubspace_knowsItsKeys(t *testing.T) {
	ann := NewSubspace(AppendString(nil, "ann"))
	inside, err := ann.Pack(7, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		key  []byte
		want bool
	}{
		{"itself", ann.Bytes(), true},
		{"an element more", inside, true},
		{"a longer name", AppendString(nil, "anna"), false},
		{"a name with a zero byte", AppendString(nil, "ann\x00a"), false},
		{"bytes", AppendBytes(nil, []byte("ann")), false},
		{"less", ann.Bytes()[:2], false},
		{"nothing", nil, false},
	} {
		lo, hi := ann.Range()
		got, err := ann.Unpack(c.key)
		if ann.Contains(c.key) != c.want || within(c.key, lo, hi) != c.want || (err == nil) != c.want ||
			!c.want && !errors.Is(err, ErrOutside) {
			t.Errorf("%s, %x: %t; %v, %v", c.name, c.key, ann.Contains(c.key), got, err)
		}
	}
	if got, err := ann.Unpack(inside); err != nil || compare(got, Tuple{int64(7), "x"}) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// The place of an error would be that in a part of the key which nobody has seen.
func TestSubspace_tellsThePlaceInTheKey(t *testing.T) {
	s := NewSubspace([]byte("any bytes"))
	key := append(AppendInt(s.Append(nil), 7), 0x40)
	var place *DecodeError
	if _, err := s.Unpack(key); !errors.Is(err, ErrUnknownCode) || !errors.As(err, &place) || place.Offset != 11 {
		t.Errorf("%v", err)
	}
	r := s.Reader(key)
	if r.Int() != 7 || r.Bool() || !errors.As(r.End(), &place) || place.Offset != 11 {
		t.Errorf("%v", r.End())
	}
	if r := s.Reader([]byte("other")); r.Int() != 0 || !errors.Is(r.End(), ErrOutside) {
		t.Errorf("%v", r.End())
	}
}

// Two subspaces that share their memory would write over each other's prefix.
func TestSubspace_doesNotChange(t *testing.T) {
	prefix := append(make([]byte, 0, 64), "p"...)
	s := NewSubspace(prefix)
	a, err := s.Sub(1)
	b, err2 := s.Sub(2)
	prefix[0] = 'q'
	s.Bytes()[0] = 'r'
	if err != nil || err2 != nil || string(s.Bytes()) != "p" || !bytes.Equal(a.Bytes(), AppendInt([]byte("p"), 1)) ||
		!bytes.Equal(b.Bytes(), AppendInt([]byte("p"), 2)) {
		t.Errorf("%x, %x, %x, %v, %v", s.Bytes(), a.Bytes(), b.Bytes(), err, err2)
	}
	if _, err := s.Sub(struct{}{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if lo, hi := (Subspace{}).Range(); len(lo) != 0 || !bytes.Equal(hi, []byte{0xff}) || !(Subspace{}).Contains(nil) {
		t.Errorf("all tuples are from %x to %x", lo, hi)
	}
}
