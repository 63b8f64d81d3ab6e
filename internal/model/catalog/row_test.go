package catalog

import (
	"errors"
	"reflect"
	"testing"

	"lightningdb/internal/format/record"
)

// A definition that is read as another one is an index that its bucket's writes do not keep.
func FuzzDecode(f *testing.F) {
	b := Bucket{Parent: 300, Name: "users", Indexes: []Index{
		{ID: 7, Name: "by_email", Version: 1 << 31, Unique: true}, {ID: 256, Name: "x", Covers: true}}}
	whole := b.append(nil)
	f.Add(whole)
	f.Add(append(whole, 9, 1, 'x')) // a field that an older program passes over
	f.Add(append(whole, 8, 0))      // one that it does not
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(t *testing.T, value []byte) {
		b, ok, err := Decode(value)
		if !ok || err != nil {
			return
		}
		again, ok, err := Decode(b.append(nil))
		if !ok || err != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("%x is read as %+v, and that, written, as %+v (%v)", value, b, again, err)
		}
	})
}

// What a newer version has added must stay, or be refused, never be lost in silence.
func TestDecode_knowsWhatItDoesNotKnow(t *testing.T) {
	b := Bucket{Name: "b", Indexes: []Index{{ID: 1, Name: "x"}}}
	odd := append(b.append(nil), 9, 2, 'h', 'i')
	read, ok, err := Decode(odd)
	if err != nil || !ok || string(read.append(nil)) != string(odd) {
		t.Errorf("%+v, %v, %v", read, ok, err)
	}
	if _, _, err := Decode(append(odd, 8, 0)); !errors.Is(err, record.ErrVersionTooNew) {
		t.Errorf("an even field: %v", err)
	}
	if _, ok, err := Decode(append(b.append(nil), 9, 2, 'h')); ok || err != nil {
		t.Errorf("half a field: %v, %v", ok, err)
	}
}
