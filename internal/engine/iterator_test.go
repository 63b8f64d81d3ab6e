package engine

import (
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs/memfs"
)

// A scan that runs while the tree is rebuilt under it must show its own moment, whole, in both directions, and must not
// hold on to the memory of every moment it passes.
func TestIterator_outlivesTheTreeItBeganOn(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	const keys = 600
	write := func(generation int) { writeGeneration(t, e, keys, generation) }
	generation := 0
	rebuild := func() {
		generation++
		write(generation)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CompactStep(); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CleanStep(); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	for _, direction := range []string{"forward", "backward"} {
		began := generation
		it, err := e.NewIterator(nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		start, next, i, step := it.First, it.Next, 0, 1
		if direction == "backward" {
			start, next, i, step = it.Last, it.Prev, keys-1, -1
		}
		for ok := start(); ok; ok = next() {
			for (i+began)%7 == 0 {
				i += step
			}
			value, err := it.Value()
			want := fmt.Sprintf("%d-%d", i, began)
			if key := fmt.Sprintf("%04d", i); err != nil || string(it.Key()) != key || string(value) != want {
				t.Fatalf("%s: %s = %s, %v; want %s = %s", direction, it.Key(), value, err, key, want)
			}
			i += step
			if i%20 == 0 {
				rebuild()
			}
		}
		if left := keys - i; it.Err() != nil || direction == "forward" && left > 1 || direction == "backward" && i > 0 {
			t.Errorf("%s scan ended at %d: %v", direction, i, it.Err())
		}
		if held := e.Metrics().MemtableHeld; held > int64(e.budget.Frozen+1)*int64(e.budget.Memtable) {
			t.Errorf("%s: %d bytes of memtables are held while one iterator is open", direction, held)
		}
		if err := it.Close(); err != nil {
			t.Error(err)
		}
	}
	if generation < 40 {
		t.Fatalf("the tree was rebuilt %d times only", generation)
	}
}

// writeGeneration puts or deletes keys, each according to its own number and that of the generation.
func writeGeneration(t *testing.T, e *Engine, keys, generation int) {
	t.Helper()
	var b batch.Batch
	for i := range keys {
		if (i+generation)%7 == 0 {
			b.Delete(fmt.Appendf(nil, "%04d", i))
		} else {
			b.Put(fmt.Appendf(nil, "%04d", i), fmt.Appendf(nil, "%d-%d", i, generation))
		}
	}
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
}

// A transaction whose snapshot moves forward would lose the cursors it has open.
func TestTxn_movingForwardLeavesItsIterators(t *testing.T) {
	e := openManual(t, memfs.New())
	defer e.Close()
	put(t, e, "a", "old")
	var tx Txn
	var reads txn.Reads
	e.Begin(&tx, &reads, 0)
	defer tx.Close()
	it, err := tx.Snapshot().NewIterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	it.First()
	it.Exit()
	put(t, e, "a", "new")
	if err := tx.Lock(t.Context(), []byte("a"), true); err != nil {
		t.Fatal(err)
	}
	if err := it.Enter(); err != nil {
		t.Fatalf("the iterator was ended: %v", err)
	}
	if v, err := it.Value(); string(v) != "old" || err != nil {
		t.Errorf("it shows %q, %v", v, err)
	}
}
