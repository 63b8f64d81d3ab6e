package lightningdb

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Options that do not reach the engine would keep nothing, or expire nothing, without a word.
func TestAt_readsWhatRetainKeeps(t *testing.T) {
	for _, retain := range []time.Duration{0, time.Hour} {
		db := openTemp(t, &Options{Retain: retain})
		mustPut(t, db, "key", "1")
		before := db.Metrics().Sequence
		mustPut(t, db, "key", "2")
		if err := db.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
		past, err := db.At(before)
		if kept := retain > 0; kept != (err == nil) || !kept && !errors.Is(err, ErrSnapshotExpired) {
			t.Fatalf("Retain %v: %v", retain, err)
		}
		if oldest := db.Metrics().OldestReadable; (oldest <= before) != (err == nil) {
			t.Errorf("Retain %v: the metrics say that %d is the oldest readable state", retain, oldest)
		}
		if err == nil {
			if v, err := past.Get([]byte("key")); string(v) != "1" || err != nil || past.Sequence() != before {
				t.Errorf("at %d: %q, %v", past.Sequence(), v, err)
			}
			past.Close()
		}
		if _, err := db.At(before + 2); !errors.Is(err, ErrFutureSequence) {
			t.Errorf("a state to come: %v", err)
		}
		db.Close()
	}
	db := openTemp(t, &Options{MaxSnapshotAge: time.Nanosecond})
	defer db.Close()
	mustPut(t, db, "key", "1")
	snap := db.Snapshot()
	defer snap.Close()
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Get([]byte("key")); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("a snapshot beyond its age: %v", err)
	}
}

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
