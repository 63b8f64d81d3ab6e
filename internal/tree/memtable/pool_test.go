package memtable

import (
	"testing"
	"time"

	"lightningdb/internal/system/clock"
)

// Scans that get no processor time hold memtables that were flushed; if writers did not wait for them, there would
// be more memtables than the limit has room for. A scan that stands still must not stop writers.
func TestPool_crowdedWaitsForReadersOnTheirWay(t *testing.T) {
	const start, limit = clock.Instant(1e9), 3000
	p := Pool{size: 1000, allocated: 2000}
	want := func(what string, passed, wait time.Duration) {
		t.Helper()
		if got := p.Crowded(limit, start.Plus(passed)); got != wait {
			t.Errorf("%s a writer waits %v, want %v", what, got, wait)
		}
	}
	still := &Table{}
	p.held = []heldBack{{still, start}}
	want("with memory for one more", 0, 0)
	p.allocated = limit
	want("with a reader on its way", 0, readerWait)
	want("a while later", readerWait/4, readerWait*3/4)
	want("with a reader that stands still", readerWait, 0)
	p.held = append(p.held, heldBack{&Table{}, start.Plus(readerWait)})
	want("with one of each", readerWait+1, readerWait-1)
	p.spare = append(p.spare, nil)
	want("with a spare memtable", readerWait+1, 0)
}
