package lightningdb

import (
	"errors"
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
