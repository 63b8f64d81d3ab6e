package batch

import (
	"bytes"
	"math"
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
)

// What a commit acknowledged must be what the log replays.
func TestBatch_roundTrip(t *testing.T) {
	var b Batch
	want := []Op{
		{key.KindPut, []byte("a"), []byte("1")},
		{key.KindDelete, []byte("\x00\xff"), nil},
		{key.KindPut, nil, []byte("the empty key")},
		{key.KindDelete, nil, nil},
		{key.KindMerge, nil, []byte("\x04x")},
		{key.KindPut, bytes.Repeat([]byte("k"), key.MaxUserKeySize), nil},
		{key.KindPut, []byte("big"), bytes.Repeat([]byte("v"), 300_000)},
		{key.KindMerge, []byte("n"), operand.AppendInt64([]byte{1}, -7)},
		{key.KindMerge, []byte("list"), []byte("\x04,more")},
		{key.KindMerge, []byte("list"), []byte("\x05")},
		{key.KindPutUntil, []byte("until"), key.WithEnd(nil, 1, nil)},
		{key.KindPutUntil, nil, key.WithEnd(nil, math.MaxInt64, []byte("the last moment"))},
		{key.KindRangeDelete, nil, nil},
		{key.KindRangeDelete, nil, []byte{0}},
		{key.KindRangeDelete, []byte("\xff"), nil},
		{key.KindRangeDelete, []byte("a"), []byte("a\x00")},
	}
	for _, op := range want {
		switch op.Kind {
		case key.KindPut:
			b.Put(op.Key, op.Value)
		case key.KindPutUntil:
			end, value := key.SplitEnd(op.Value)
			b.PutUntil(op.Key, value, end)
		case key.KindMerge:
			b.Merge(operand.Operator(op.Value[0]), op.Key, op.Value[1:])
		case key.KindRangeDelete:
			b.DeleteRange(op.Span())
		default:
			b.Delete(op.Key)
		}
	}
	decoded, err := Decode(b.Bytes(), b.Count())
	if err != nil {
		t.Fatal(err)
	}
	if b.Ranges() != 4 || decoded.Ranges() != 4 {
		t.Errorf("%d and %d deletes of ranges", b.Ranges(), decoded.Ranges())
	}
	ends := 0
	for _, op := range want {
		if op.Kind == key.KindRangeDelete {
			ends += len(op.Key) + len(op.Value)
		}
	}
	if b.RangeBytes() != ends || decoded.RangeBytes() != ends {
		t.Errorf("their ends have %d and %d bytes of %d", b.RangeBytes(), decoded.RangeBytes(), ends)
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

// An operand that nobody can fold would make its key unreadable once it is in the tree: a log that holds one is
// damaged.
func TestDecode_refusesOperandsThatCannotBeFolded(t *testing.T) {
	for name, value := range map[string]string{
		"none":              "",
		"unknown operator":  "\x06abc",
		"operator zero":     "\x00abc",
		"short integer":     "\x01abc",
		"long integer":      "\x02123456789",
		"integer left out":  "\x03",
		"greatest operator": "\xff",
	} {
		data := append([]byte{byte(key.KindMerge), 1, byte(len(value)), 'k'}, value...)
		if _, err := Decode(data, 1); err == nil {
			t.Errorf("%s: Decode takes %q", name, data)
		}
	}
}

// What has no end, or one before 1970, would be hidden from everybody, or end at a moment that nobody has given.
func TestDecode_refusesEndsThatAreNone(t *testing.T) {
	for name, value := range map[string]string{
		"none":           "",
		"short":          "\x00\x00\x00\x00\x00\x00\x01",
		"1970":           "\x00\x00\x00\x00\x00\x00\x00\x00v",
		"before":         "\xff\xff\xff\xff\xff\xff\xff\xffv",
		"beyond the end": "\x80\x00\x00\x00\x00\x00\x00\x00v",
	} {
		data := append([]byte{byte(key.KindPutUntil), 1, byte(len(value)), 'k'}, value...)
		if _, err := Decode(data, 1); err == nil {
			t.Errorf("%s: Decode takes %q", name, data)
		}
	}
}

// A range without keys would delete all of them, where an end of length 0 means that there is none.
func TestDecode_refusesRangesWithoutKeys(t *testing.T) {
	long := bytes.Repeat([]byte("k"), key.MaxStoredKeySize+1)
	for _, s := range []span.Span{
		{Lo: []byte("b"), Hi: []byte("a")},
		{Lo: []byte("b"), Hi: []byte("b")},
		{Lo: long},
		{Hi: long},
	} {
		var b Batch
		b.DeleteRange(s)
		if _, err := Decode(b.Bytes(), 1); err == nil {
			t.Errorf("Decode takes the range from %.10q to %.10q", s.Lo, s.Hi)
		}
	}
}

// A payload that Decode lets through is applied without further checks.
func FuzzDecode(f *testing.F) {
	var b Batch
	b.Put([]byte("key"), []byte("value"))
	b.Delete([]byte("gone"))
	f.Add(b.Bytes(), 2)
	b.Merge(operand.Add, []byte("counter"), operand.AppendInt64(nil, 1))
	b.Merge(operand.Append, []byte("list"), nil)
	f.Add(b.Bytes(), 4)
	f.Add([]byte{2, 1, 2, 'k', 1, 0}, 1)
	f.Add([]byte{1, 0, 0}, 1)
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, 1)
	f.Add([]byte{9, 1, 1}, 1)
	b.DeleteRange(span.Span{Lo: []byte("k"), Hi: []byte("m")})
	b.DeleteRange(span.Span{})
	f.Add(b.Bytes(), 6)
	f.Add([]byte{3, 1, 1, 'k', 'k'}, 1)
	f.Add([]byte{4, 1, 9, 'k', 0, 0, 0, 0, 0, 0, 0, 1, 'v'}, 1)
	f.Add([]byte{4, 1, 8, 'k', 0, 0, 0, 0, 0, 0, 0, 0}, 1)
	f.Add([]byte{4, 1, 8, 'k', 0x80, 0, 0, 0, 0, 0, 0, 1}, 1)
	f.Add([]byte{4, 1, 7, 'k', 0, 0, 0, 0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		decoded, err := Decode(data, count)
		if err != nil {
			return
		}
		n := 0
		for op := range decoded.Ops() {
			n++
			if len(op.Key) > key.MaxUserKeySize || len(op.Value) > key.MaxValueSize {
				t.Fatalf("operation %d is outside the limits", n)
			}
			if op.Kind == key.KindRangeDelete && op.Span().Empty() {
				t.Fatalf("operation %d deletes a range without keys", n)
			}
			if op.Kind == key.KindPutUntil && !key.HasEnd(op.Value) {
				t.Fatalf("operation %d has no end", n)
			}
			if op.Kind == key.KindMerge && operand.Check(op.Value) != nil {
				t.Fatalf("operation %d has an operand that cannot be folded", n)
			}
		}
		if n != max(count, 0) {
			t.Fatalf("decoded %d operations, want %d", n, count)
		}
	})
}
