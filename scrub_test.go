package lightningdb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lightningdb/metrics"
)

// scrubbed waits until a scrub has come to something.
func scrubbed(t *testing.T, db *DB, to func(metrics.Scrub) bool) metrics.Scrub {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s := db.Metrics().Scrub
		if to(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("the scrub has come to %+v", s)
		}
	}
}

func passed(s metrics.Scrub) bool { return s.Passes > 0 }

// fillForScrub makes a database of several tables.
func fillForScrub(t *testing.T, dir string) {
	t.Helper()
	db, err := Open(dir, &Options{Durability: Process, Compression: NoCompression})
	if err != nil {
		t.Fatal(err)
	}
	for part := range 4 {
		var b Batch
		for i := range 2000 {
			b.Put(fmt.Appendf(nil, "%d/%05d", part, i), fmt.Appendf(nil, "%0200d", i))
		}
		if err := errors.Join(db.Write(&b), db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// Damage of any byte of a table would be found by whoever needs it.
func TestScrub_findsDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for round := range 20 {
		dir := filepath.Join(t.TempDir(), "db")
		fillForScrub(t, dir)
		tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
		if err != nil || len(tables) < 2 {
			t.Fatalf("tables %q, %v", tables, err)
		}
		name := tables[rng.IntN(len(tables))]
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := rng.IntN(len(content))
		content[at] ^= 1 << rng.IntN(8)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir, &Options{ScrubRate: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		got := scrubbed(t, db, passed)
		if got.Damaged != 1 || len(got.Found) != 1 || got.Found[0].File != filepath.Base(name) || got.Found[0].Damage == "" {
			t.Errorf("round %d, byte %d of %s: found %+v", round, at, filepath.Base(name), got)
		}
		if err := db.Put([]byte("other"), []byte("value")); err != nil {
			t.Errorf("writes do not go on: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if after := db.Metrics().Scrub; after.Damaged != 1 || after.Passes == 0 || after.Done == 0 {
			t.Errorf("after Close the scrub has found %+v", after)
		}
	}
}

// What a compaction removes while it is read would look like damage, or be read after its space is used again.
func TestScrub_findsNothingDuringCompactions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	fillForScrub(t, dir)
	db, err := Open(dir, &Options{Durability: Process, MemoryLimit: 10 << 20, ScrubRate: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rng := rand.New(rand.NewPCG(4, 3))
	for !passed(db.Metrics().Scrub) {
		var b Batch
		for range 500 {
			b.Put(fmt.Appendf(nil, "%d/%05d", rng.IntN(4), rng.IntN(2000)), fmt.Appendf(nil, "%0200d", rng.Int()))
		}
		if err := errors.Join(db.Write(&b), db.Flush(), db.Compact(t.Context(), nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if got := db.Metrics(); got.Scrub.Damaged != 0 || got.Scrub.Done != got.Scrub.Total || got.Compaction.Count == 0 {
		t.Errorf("found %+v during %d compactions", got.Scrub, got.Compaction.Count)
	}
}

// Close would wait for a scrub that takes days, or leave it behind.
func TestScrub_endsWithItsDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	fillForScrub(t, dir)
	if _, err := Open(dir, &Options{ScrubRate: -1}); err == nil {
		t.Error("a negative rate is accepted")
	}
	var closing sync.WaitGroup
	for i := range 20 {
		db, err := Open(dir, &Options{ScrubRate: 1})
		if err != nil {
			t.Fatal(err)
		}
		scrubbed(t, db, func(s metrics.Scrub) bool { return s.Total > 0 })
		closing.Go(func() {
			if i%2 == 0 {
				db.Metrics()
			}
		})
		closed := make(chan error, 1)
		go func() { closed <- db.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("Close waits for the scrub")
		}
		closing.Wait()
	}
	db, err := Open(dir, &Options{ScrubRate: 1 << 30, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := db.Metrics().Scrub; got.Total != 0 || got.Passes != 0 {
		t.Errorf("a read-only database scrubs: %+v", got)
	}
}
