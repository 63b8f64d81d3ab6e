//go:build !race

// Under the race detector a sync.Pool forgets at random, and each call allocates.

package typed

import (
	"errors"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/tuple"
)

// One allocation more is one for each row that is read.
func TestTable_allocatesWhatItReturns(t *testing.T) {
	db := open(t)
	defer db.Close()
	counts := Must(New("counts", tuple.Pair(tuple.String, tuple.Int), Int, nil))
	texts := Must(New("texts", tuple.String, String, nil))
	key := tuple.Two[string, int64]{A: "ann", B: 1 << 40}
	if err := errors.Join(counts.Put(db, key, 7), texts.Put(db, "ann", "a text of some length")); err != nil {
		t.Fatal(err)
	}
	var b lightningdb.Batch
	b.Grow(1 << 20)
	for name, c := range map[string]struct {
		f    func() error
		want float64
	}{
		"get":           {func() error { _, err := counts.Get(db, key); return err }, 0},
		"get of a text": {func() error { _, err := texts.Get(db, "ann"); return err }, 1},
		"has":           {func() error { _, err := counts.Has(db, key); return err }, 0},
		"put":           {func() error { return counts.Put(&b, key, 8) }, 0},
		"delete":        {func() error { return counts.Delete(&b, key) }, 0},
	} {
		var err error
		if n := testing.AllocsPerRun(100, func() { err = c.f() }); n != c.want || err != nil {
			t.Errorf("%s: %v allocations, want %v, %v", name, n, c.want, err)
		}
	}
}

// A walk would allocate for each row, whatever is in it.
func TestRows_allocateWhatTheyYield(t *testing.T) {
	db := open(t)
	defer db.Close()
	counts := Must(New("counts", tuple.Int, Int, nil))
	for i := range int64(1000) {
		if err := counts.Put(db, i, i); err != nil {
			t.Fatal(err)
		}
	}
	n := testing.AllocsPerRun(10, func() {
		for range counts.All(db).All() {
		}
	})
	if n > 30 {
		t.Errorf("%v allocations for 1000 rows", n)
	}
}

// A row of a megabyte would stay in memory for each goroutine that ever read one.
func TestScratch_ofALargeRowIsNotKept(t *testing.T) {
	db := open(t)
	defer db.Close()
	texts := Must(New("texts", tuple.String, String, nil))
	large := strings.Repeat("x", 1<<20)
	if err := texts.Put(db, "ann", large); err != nil {
		t.Fatal(err)
	}
	if _, err := texts.Get(db, "ann"); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if s := scratches.Get().(*scratch); cap(s.row)+cap(s.key) > maxScratch {
			t.Fatalf("%d bytes are kept", cap(s.row))
		}
	}
}
