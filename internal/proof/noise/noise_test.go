package noise

import (
	"bytes"
	"testing"
)

// A judge would take the value of another key, or an older one, for the right one.
func TestSource_valuesTellWhatTheyAreOf(t *testing.T) {
	s := New(1)
	value := s.Value(nil, 7, 1, 100, 200_000)
	if !bytes.Equal(value, New(1).Value(nil, 7, 1, 100, 200_000)) || Check(7, value) != nil {
		t.Error("it is not the same the second time")
	}
	if Check(8, value) == nil || Check(7, value[:7]) == nil {
		t.Error("it passes for that of another key")
	}
	if bytes.Equal(value, s.Value(nil, 7, 2, 100, 200_000)) || bytes.Equal(Key(nil, 7), Key(nil, 8)) {
		t.Error("two are the same")
	}
	if n := len(s.Value(nil, 7, 1, 500, 500)); n != 500 {
		t.Errorf("it has %d bytes, not 500", n)
	}
}
