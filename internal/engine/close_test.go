package engine

import (
	"testing"

	"lightningdb/internal/vfs/memfs"
)

// A database whose level 0 is long could not be closed cleanly: Close waited for a compaction that it had stopped.
func TestClose_flushesWhateverLevel0Holds(t *testing.T) {
	fs := memfs.New()
	for range stopTables + 3 {
		e := openManual(t, fs)
		put(t, e, "key", "value")
		if err := e.Close(); err != nil {
			t.Fatalf("Close with %d tables in level 0: %v", len(e.tables), err)
		}
		fs = fs.Kill()
	}
	e := openManual(t, fs)
	defer e.Close()
	if n := len(e.view.Load().levels[0].tables); n <= stopTables {
		t.Fatalf("level 0 has %d tables; this test needs more than %d", n, stopTables)
	}
	if e.Report().Records != 0 {
		t.Errorf("%d commits had to be replayed after a clean close", e.Report().Records)
	}
}
