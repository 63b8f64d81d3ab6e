package ledger

import (
	"fmt"
	"path/filepath"
	"testing"

	"lightningdb"
)

// A judge who misses that something is lost, or there in part, would acquit every database.
func TestWriter_findsWhatIsNotAsAcknowledged(t *testing.T) {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := &Writer{Ledger: open(t, filepath.Join(t.TempDir(), "ledger")), DB: db,
		Key:   func(key uint64) []byte { return fmt.Appendf(nil, "%04d", key) },
		Value: func(key uint64, version uint32) []byte { return fmt.Appendf(nil, "%d of %d", version, key) },
	}
	commit := func(changes ...Change) {
		t.Helper()
		if refused, err := w.Commit(changes); refused != nil || err != nil {
			t.Fatal(refused, err)
		}
	}
	expect := func(when string, wrong, there int64) {
		t.Helper()
		if gotWrong, gotThere, err := w.Compare(); gotWrong != wrong || gotThere != there || err != nil {
			t.Errorf("%s: %d wrong and %d there, want %d and %d: %v", when, gotWrong, gotThere, wrong, there, err)
		}
	}
	commit(Change{0, 1}, Change{1, 1}, Change{2, 1})
	commit(Change{1, 0})
	expect("as acknowledged", 0, 2)
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"lost", func() error { return db.Delete(w.Key(0)) }},
		{"an older version", func() error { return db.Put(w.Key(0), w.Value(0, 9)) }},
		{"a delete undone", func() error { return db.Put(w.Key(1), w.Value(1, 1)) }},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		expect(c.name, 1, 2)
		commit(Change{0, 1}, Change{1, 0})
	}
	for _, there := range []int{0, 1, 2} {
		if err := w.Begin([]Change{{0, 2}, {2, 2}}); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.Pending()[:there] { // a kill in the middle
			if err := db.Put(w.Key(c.Key), w.Value(c.Key, c.Version)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Settle(); err != nil {
			t.Fatal(err)
		}
		expect(fmt.Sprintf("%d of 2 changes are there", there), map[int]int64{1: 1}[there], 2)
		commit(Change{0, 1}, Change{2, 1})
	}
}
