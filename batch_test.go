package lightningdb

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// The number that a batch tells would lead At and WaitDurable to another commit.
func TestBatch_Sequence(t *testing.T) {
	db := openTemp(t, nil)
	defer db.Close()
	mustPut(t, db, "a", "1")
	var b Batch
	b.SetDurability(Process)
	b.Put([]byte("b"), nil)
	b.Put([]byte("c"), nil)
	if b.Sequence() != 0 {
		t.Errorf("before the first commit: %d", b.Sequence())
	}
	if err := db.Write(&b); err != nil || b.Sequence() != 3 {
		t.Errorf("after a commit of operations 2 and 3: %d, %v", b.Sequence(), err)
	}
	if m := db.Metrics(); m.DurableSequence > 3 || m.DurableSequence < 1 {
		t.Errorf("operations up to %d are said to be durable", m.DurableSequence)
	}
	if err := db.WaitDurable(t.Context(), b.Sequence()); err != nil || db.Metrics().DurableSequence != 3 {
		t.Errorf("WaitDurable: %v, and %d is durable", err, db.Metrics().DurableSequence)
	}
	if err := db.WaitDurable(t.Context(), 4); !errors.Is(err, ErrFutureSequence) {
		t.Errorf("WaitDurable of a commit to come: %v", err)
	}
	b.Reset()
	if b.Sequence() != 0 {
		t.Errorf("after Reset: %d", b.Sequence())
	}
}

// Room for more than a batch takes is never used, and to ask for it would panic, or end the process.
func TestBatch_growsToItsLimitAtMost(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0, MaxBatchSize, math.MaxInt/2 + 1, math.MaxInt} {
		var b Batch
		requireNil(t, b.Put([]byte("a"), nil))
		b.Grow(n)
		requireNil(t, b.Put([]byte("b"), nil))
		if b.Len() != 2 {
			t.Errorf("after Grow(%d): %d operations", n, b.Len())
		}
	}
}

// A loop that went on after a Reset would decode what was written over its operations from the middle of one.
func TestBatch_resetEndsALoop(t *testing.T) {
	for _, again := range []int{0, 100} { // operations that are added after it
		var b Batch
		for range 10 {
			requireNil(t, b.Put([]byte("key"), []byte("value")))
		}
		n := 0
		for range b.All() {
			if n++; n == 3 {
				b.Reset()
				for range again {
					requireNil(t, b.Append(nil, bytes.Repeat([]byte{1}, 7)))
				}
			}
		}
		if n != 3 || b.Len() != again {
			t.Errorf("%d operations were shown, and the batch has %d, not %d", n, b.Len(), again)
		}
	}
}
