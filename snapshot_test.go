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
