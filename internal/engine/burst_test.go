package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/compaction"
	"lightningdb/internal/vfs/memfs"
)

// A burst of writes would share processors and disk with compactions that can wait until it is over; or they would wait for
// ever, and readers with them.
func TestCompaction_waitsForTheEndOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := Open(Options{FS: memfs.NewVolatile()})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		defer e.Snapshot().Close() // what it needs is no garbage, of which the quiet moments of a burst take care
		level0 := func() int {
			synctest.Wait()
			return e.view.Load().level0
		}
		flush := func(runs int) {
			for i := range runs {
				put(t, e, fmt.Sprint("a", i), "value") // each run reaches from a to z
				put(t, e, fmt.Sprint("z", i), "value")
				if err := e.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		const most = burstDue * compaction.DefaultL0Trigger
		flush(most - 1)
		if n := level0(); n != most-1 {
			t.Errorf("in a burst level 0 has %d runs of %d", n, most-1)
		}
		time.Sleep(burstPause + time.Millisecond)
		if n := level0(); n >= compaction.DefaultL0Trigger {
			t.Errorf("after a burst level 0 still has %d runs", n)
		}
		flush(most)
		if n := level0(); n >= most {
			t.Errorf("in a long burst level 0 has %d runs", n)
		}
	})
}
