package kv_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/key/keytest"
	"lightningdb/kv"
)

// Who satisfies what.
var (
	_ kv.ReadWriter = (*lightningdb.DB)(nil)
	_ kv.ReadWriter = (*lightningdb.Tx)(nil)
	_ kv.ReadWriter = (*lightningdb.Bucket)(nil)
	_ kv.Reader     = (*lightningdb.Snapshot)(nil)
	_ kv.Writer     = (*lightningdb.Batch)(nil)
	_ kv.Transactor = (*lightningdb.DB)(nil)
)

// drawOperation draws an operation of any kind and any bytes.
func drawOperation(t *rapid.T) lightningdb.Operation {
	intn := keytest.From(t, "byte")
	op := lightningdb.Operation{Key: append([]byte{}, keytest.Key(intn)...)}
	op.Kind = rapid.SampledFrom([]string{kv.Put, kv.Delete, kv.Add, kv.Max, kv.Min, kv.Append, kv.Merge,
		kv.DeleteRange, kv.PutUntil}).Draw(t, "kind")
	switch op.Kind {
	case kv.Delete:
	case kv.DeleteRange:
		if len(op.Key) < key.MaxUserKeySize && rapid.Bool().Draw(t, "ends") {
			op.Value = append(append([]byte{}, op.Key...), 0xff)
		}
	case kv.Add, kv.Max, kv.Min:
		op.Value = lightningdb.AppendInt64(nil, rapid.Int64().Draw(t, "n"))
	case kv.PutUntil:
		op.Until = time.Unix(0, rapid.Int64Range(1, math.MaxInt64).Draw(t, "until"))
		op.Value = append([]byte{}, keytest.Value(intn)...)
	default:
		op.Value = append([]byte{}, keytest.Value(intn)...)
	}
	return op
}

func same(a, b lightningdb.Operation) bool {
	return a.Kind == b.Kind && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Key != nil &&
		a.Until.Equal(b.Until) && (a.Value == nil) == (b.Value == nil)
}

// A layer that reads a batch, to log, filter or copy it, would act on something else than is committed.
func TestReplay_isWhatWasCollected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(drawOperation), 0, 20).Draw(t, "operations")
		var first, second lightningdb.Batch
		first.Grow(rapid.IntRange(-1, 1000).Draw(t, "room"))
		for _, op := range want {
			if err := kv.Apply(&first, op); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(kv.Replay(&second, &first), first.Err(), second.Err()); err != nil {
			t.Fatal(err)
		}
		for _, b := range []*lightningdb.Batch{&first, &second} {
			if got := slices.Collect(b.All()); !slices.EqualFunc(got, want, same) || b.Len() != len(want) {
				t.Fatalf("%d operations, want %d: %q, want %q", b.Len(), len(want), got, want)
			}
		}
		if first.Size() != second.Size() {
			t.Fatalf("sizes %d and %d", first.Size(), second.Size())
		}
		if err := kv.Replay(&first, &first); err != nil || first.Len() != 2*len(want) {
			t.Fatalf("into itself: %d operations, %v", first.Len(), err)
		}
	})
}

// Three ways to commit the same batch must come to the same database.
func TestReplay_commitsAsTheBatchItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b lightningdb.Batch
		for range rapid.IntRange(0, 20).Draw(t, "operations") {
			op := drawOperation(t)
			if slices.Contains([]string{kv.Put, kv.Delete, kv.DeleteRange, kv.PutUntil}, op.Kind) { // never fail to be read
				op.Key = op.Key[:min(len(op.Key), 1)] // often the same ones
				if err := kv.Apply(&b, op); err != nil {
					t.Fatal(err)
				}
			}
		}
		var states [][]string
		for _, write := range []func(db *lightningdb.DB) error{
			func(db *lightningdb.DB) error { return db.Write(&b) },
			func(db *lightningdb.DB) error { return kv.Replay(db, &b) },
			func(db *lightningdb.DB) error {
				return db.Update(t.Context(), func(tx *lightningdb.Tx) error { return kv.Replay(tx, &b) })
			},
		} {
			db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, MemoryLimit: 10 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if err := write(db); err != nil {
				t.Fatal(err)
			}
			var state []string
			for k, v := range db.Range(nil, nil).All() {
				state = append(state, string(k), string(v))
			}
			if states = append(states, state); !slices.Equal(state, states[0]) {
				t.Fatalf("%q, want %q", state, states[0])
			}
			db.Close()
		}
	})
}

// What a batch has refused would be missing from the copy without a word.
func TestReplay_refusesWhatTheBatchHasRefused(t *testing.T) {
	var b, to lightningdb.Batch
	tooLong := make([]byte, lightningdb.MaxKeySize+1)
	for name, err := range map[string]error{
		"Put": b.Put(tooLong, nil), "Delete": b.Delete(tooLong), "Add": b.Add(tooLong, 1), "Append": b.Append(tooLong, nil),
	} {
		if !errors.Is(err, lightningdb.ErrKeyTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.Put(nil, make([]byte, lightningdb.MaxValueSize+1)); !errors.Is(err, lightningdb.ErrValueTooLarge) {
		t.Errorf("a value too large: %v", err)
	}
	if err := kv.Replay(&to, &b); !errors.Is(err, lightningdb.ErrKeyTooLarge) || b.Len() != 0 || to.Len() != 0 {
		t.Errorf("%v, %d and %d operations", err, b.Len(), to.Len())
	}
	if b.Reset(); b.Err() != nil {
		t.Errorf("after Reset: %v", b.Err())
	}
	for _, op := range []lightningdb.Operation{{Kind: "put "}, {Kind: kv.Add, Value: []byte("1")}} {
		if err := kv.Apply(&to, op); err == nil || to.Len() != 0 {
			t.Errorf("%q was applied", op.Kind)
		}
	}
}

// A layer that looks at each batch would pay for each operation.
func TestBatch_readingAllocatesNothing(t *testing.T) {
	var b, to lightningdb.Batch
	for range 100 {
		if err := errors.Join(b.Put([]byte("key"), []byte("value")), b.Add([]byte("n"), 1), b.Delete(nil)); err != nil {
			t.Fatal(err)
		}
	}
	to.Grow(b.Size())
	n := testing.AllocsPerRun(20, func() {
		to.Reset()
		if err := kv.Replay(&to, &b); err != nil {
			t.Fatal(err)
		}
	})
	if n > 12 { // the loop itself takes some
		t.Errorf("%v allocations for 300 operations", n)
	}
}
