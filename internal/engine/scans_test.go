package engine

import (
	"context"
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/memfs"
)

// A database that is only scanned would pay for the runs that its last writes left, for ever; one that is only written
// would have all of them merged for nobody.
func TestCompact_makesOneRunWhenScansHavePaidForIt(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	const keys, every = 1000, 10
	for part := range 2 { // most keys in the last level, and some between them in level 0
		var b batch.Batch
		for i := range keys {
			if i%every == 0 == (part == 1) {
				b.Put(fmt.Appendf(nil, "k%03d", i), []byte("value"))
			}
		}
		if _, err := e.Commit(&b, true); err != nil {
			t.Fatal(err)
		}
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if part == 0 {
			if err := e.Compact(context.Background(), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	compact := func() int {
		t.Helper()
		for {
			worked, err := e.CompactStep()
			if err != nil {
				t.Fatal(err)
			}
			if !worked {
				return e.tree.Current().SortedRuns()
			}
		}
	}
	scan(t, e, nil)
	if n := compact(); n != 2 {
		t.Fatalf("%d runs after one scan, want 2", n)
	}
	for range every {
		scan(t, e, nil)
	}
	if n := compact(); n != 1 {
		t.Errorf("%d runs after %d scans that went from one to the other for every %dth key, want 1", n, 1+every, every)
	}
	if got := scan(t, e, nil); len(got) != keys {
		t.Errorf("%d keys, want %d", len(got), keys)
	}
	if debt := e.tree.Debt(); debt != 0 {
		t.Errorf("a debt of %d is left", debt)
	}
}
