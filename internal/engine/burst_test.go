package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/engine/measure"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/burst"
	"lightningdb/internal/tree/compaction"
)

// A burst of writes would share processors and disk with compactions that can wait until it is over; or they would
// wait for ever, and readers with them.
func TestCompaction_waitsForTheEndOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.New()
		e, err := Open(Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { e.Close() }()
		level0 := func() int {
			synctest.Wait()
			return e.tree.Current().Level0()
		}
		flush := func(runs int) { flushRuns(t, e, runs) }
		const most = measure.BurstRuns
		flush(most - 1)
		if n := level0(); n != most-1 {
			t.Errorf("in a burst level 0 has %d runs of %d", n, most-1)
		}
		if !e.Metrics().Waiting {
			t.Error("the metrics do not say that a compaction waits")
		}
		time.Sleep(burst.LongestPause + time.Millisecond)
		if n := level0(); n >= compaction.DefaultL0Trigger {
			t.Errorf("after a burst level 0 still has %d runs", n)
		}
		if e.Metrics().Waiting {
			t.Error("after a burst a compaction still waits")
		}
		flush(most)
		if n := level0(); n >= most {
			t.Errorf("in a long burst level 0 has %d runs", n)
		}
		flush(compaction.DefaultL0Trigger)
		before := level0()
		if before < compaction.DefaultL0Trigger {
			t.Fatalf("level 0 has %d runs, and none are due", before)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		again, err := Open(Options{FS: fs.Kill()})
		if err != nil {
			t.Fatal(err)
		}
		e = again
		if n := level0(); n != before {
			t.Errorf("level 0 has %d runs right after Open, %d before", n, before)
		}
		time.Sleep(burst.LongestPause + time.Millisecond)
		if n := level0(); n >= compaction.DefaultL0Trigger {
			t.Errorf("level 0 still has %d runs, and nobody has written since Open", n)
		}
	})
}

// flushRuns adds sorted runs to level 0, each of which reaches from a to z.
func flushRuns(t *testing.T, e *Engine, runs int) {
	t.Helper()
	for i := range runs {
		put(t, e, fmt.Sprint("a", i), "value")
		put(t, e, fmt.Sprint("z", i), "value")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}
