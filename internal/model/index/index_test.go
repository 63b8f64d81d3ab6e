package index

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Rows of two index keys that are stored as one, or in another order, would be found under the wrong one.
func TestAppendRow_keepsKeysAndTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfe, 0xff}), 0, 4)
		ik, k := drawn.Draw(t, "index key"), drawn.Draw(t, "key")
		other, l := drawn.Draw(t, "other index key"), drawn.Draw(t, "other key")
		a, b := AppendRow(nil, ik, k), AppendRow(nil, other, l)
		gotIndex, gotKey, ok := CutRow(a)
		if !ok || !bytes.Equal(gotIndex, ik) || !bytes.Equal(gotKey, k) {
			t.Fatalf("%x and %x are %x, which is %x and %x", ik, k, a, gotIndex, gotKey)
		}
		want := bytes.Compare(ik, other)
		if want == 0 {
			want = bytes.Compare(k, l)
		}
		if bytes.Compare(a, b) != want {
			t.Fatalf("%x and %x are stored in another order", a, b)
		}
	})
}

// Bytes that are no row of an index must not be taken for one.
func FuzzCutRow(f *testing.F) {
	for _, seed := range []string{"", "a\x00\x01k", "\x00\xff\x00\x01\xff", "a\x00\x02", "a\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		indexKey, key, ok := CutRow(row)
		if ok && !bytes.Equal(AppendRow(nil, indexKey, key), row) {
			t.Errorf("%x is read as %x and %x", row, indexKey, key)
		}
	})
}
