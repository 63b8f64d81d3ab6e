package content

import (
	"bytes"
	"testing"
)

// Whoever reads an entry computes what must be there: data of the wrong size, or that differs the second time,
// condemns a database that is right.
func TestAppend_isTheSameForTheSameNumbers(t *testing.T) {
	all := Append([]byte("before"), 40, 7, 1, 2)
	for size := range 40 {
		if got := Append([]byte("before"), size, 7, 1, 2); !bytes.Equal(got, all[:len("before")+size]) {
			t.Errorf("%d bytes are %x; want the first of %x", size, got, all)
		}
	}
}

// Two things with the same content could be exchanged, and nobody would notice. Keys count on the first 8 bytes.
func TestAppend_isAnotherForOtherNumbers(t *testing.T) {
	seen := make(map[string]uint64)
	for id := range uint64(100_000) {
		head := string(Append(nil, 8, 7, id))
		if other, ok := seen[head]; ok {
			t.Fatalf("%d and %d begin alike", other, id)
		}
		seen[head] = id
	}
	one := Append(nil, 16, 7, 1, 2)
	for _, other := range [][]byte{Append(nil, 16, 8, 1, 2), Append(nil, 16, 7, 2, 1), Append(nil, 16, 7, 1),
		Append(nil, 16, 7)} {
		if bytes.Equal(one, other) {
			t.Errorf("%x belongs to two", one)
		}
	}
}
