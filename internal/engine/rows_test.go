package engine

import (
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/vfs/memfs"
)

// getTwice reads user and reads it again, then from the row cache.
func getTwice(t *testing.T, e *Engine, user, want string) {
	t.Helper()
	for _, when := range []string{"first", "second"} {
		if v, found, err := e.Get(nil, []byte(user), Latest); string(v) != want || found != (want != "") || err != nil {
			t.Errorf("%s read of %q: %q, found %v, %v; want %q", when, user, v, found, err, want)
		}
	}
}

// A cached row would outlive the commit that replaces it, by the log or by tables.
func TestGet_rowsFollowCommits(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	getTwice(t, e, "k000", "")
	put(t, e, "k000", "first")
	getTwice(t, e, "k000", "first")
	held := e.Snapshot()
	defer held.Close()
	put(t, e, "k000", "second")
	getTwice(t, e, "k000", "second")
	if v, _, err := held.Get(nil, []byte("k000")); string(v) != "first" || err != nil {
		t.Errorf("the snapshot has %q, %v", v, err)
	}
	getTwice(t, e, "k000", "second")
	if _, err := e.Ingest(writeRun(t, e.NewIngest(), 3, "run"), nil); err != nil {
		t.Fatal(err)
	}
	getTwice(t, e, "k000", "run")
}

// What a delete of a range is over would be read from the cache for ever.
func TestGet_rowsFollowDeletesOfRanges(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "k1", "one")
	put(t, e, "k2", "two")
	getTwice(t, e, "k1", "one")
	getTwice(t, e, "k2", "two")
	held := e.Snapshot()
	defer held.Close()
	deleteRange(t, e, "k", "k2") // its ends are not the key of a row
	getTwice(t, e, "k1", "")
	getTwice(t, e, "k2", "two")
	if v, _, err := held.Get(nil, []byte("k1")); string(v) != "one" || err != nil {
		t.Errorf("the snapshot has %q, %v", v, err)
	}
	getTwice(t, e, "k1", "")
}

// deleteRange deletes [lo, hi).
func deleteRange(t *testing.T, e *Engine, lo, hi string) {
	t.Helper()
	var b batch.Batch
	b.DeleteRange(span.Span{Lo: []byte(lo), Hi: []byte(hi)})
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
}

// A read of the past would become the newest value of its key.
func TestGet_rowsOfThePastStayThere(t *testing.T) {
	disk, c := memfs.New(), newClock()
	o := Options{Retain: time.Hour, Rows: true}
	e := openRetaining(t, disk, c, o)
	put(t, e, "key", "old")
	put(t, e, "key", "new")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openRetaining(t, disk.Kill(), c, o)
	defer e.Close()
	past, err := e.SnapshotAt(1)
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	for range 2 {
		if v, _, err := past.Get(nil, []byte("key")); string(v) != "old" || err != nil {
			t.Errorf("in the past: %q, %v", v, err)
		}
		getTwice(t, e, "key", "new")
	}
}

// A read that began before a memtable was frozen, and learned the newest sequence number after a commit into the next
// one, would leave the value of before in the cache, for every read to come.
func TestGet_rowsOfAViewThatWasLeftAreNotKept(t *testing.T) {
	var e *Engine
	var between func()
	elapsed := func() time.Duration {
		if do := between; do != nil {
			between = nil
			do()
		}
		return time.Second
	}
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Rows: true, Elapsed: elapsed})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "key", "old")
	between = func() { // in a read that looks at the clock, after it has loaded the view
		if err := e.rotateAny(); err != nil {
			t.Error(err)
		}
		putUnsynced(t, e, "key", "new")
	}
	for i := 0; between != nil; i++ {
		if _, _, err := e.Get(nil, []byte("key"), Latest); err != nil || i > 10_000 {
			t.Fatal(i, err)
		}
	}
	getTwice(t, e, "key", "new")
}
