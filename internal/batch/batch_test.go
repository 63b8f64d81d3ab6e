package batch

import (
	"bytes"
	"testing"

	"lightningdb/internal/key"
)

// What a commit acknowledged must be what the log replays.
func TestBatch_roundTrip(t *testing.T) {
	var b Batch
	want := []Op{
		{key.KindPut, []byte("a"), []byte("1")},
		{key.KindDelete, []byte("\x00\xff"), nil},
		{key.KindPut, bytes.Repeat([]byte("k"), key.MaxUserKeySize), nil},
		{key.KindPut, []byte("big"), bytes.Repeat([]byte("v"), 300_000)},
	}
	for _, op := range want {
		if op.Kind == key.KindPut {
			b.Put(op.Key, op.Value)
		} else {
			b.Delete(op.Key)
		}
	}
	decoded, err := Decode(b.Bytes(), b.Count())
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for op := range decoded.Ops() {
		if op.Kind != want[i].Kind || !bytes.Equal(op.Key, want[i].Key) || !bytes.Equal(op.Value, want[i].Value) {
			t.Errorf("operation %d differs", i)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("decoded %d operations, want %d", i, len(want))
	}
}

// A payload that Decode lets through is applied without further checks.
func FuzzDecode(f *testing.F) {
	var b Batch
	b.Put([]byte("key"), []byte("value"))
	b.Delete([]byte("gone"))
	f.Add(b.Bytes(), 2)
	f.Add([]byte{1, 0, 0}, 1)
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, 1)
	f.Add([]byte{9, 1, 1}, 1)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		decoded, err := Decode(data, count)
		if err != nil {
			return
		}
		n := 0
		for op := range decoded.Ops() {
			n++
			if len(op.Key) < key.MinUserKeySize || len(op.Key) > key.MaxUserKeySize || len(op.Value) > key.MaxValueSize {
				t.Fatalf("operation %d is outside the limits", n)
			}
		}
		if n != max(count, 0) {
			t.Fatalf("decoded %d operations, want %d", n, count)
		}
	})
}
