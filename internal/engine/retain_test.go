package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

func openRetaining(t *testing.T, fs vfs.FS, c *testClock, o Options) *Engine {
	t.Helper()
	o.FS, o.Manual = fs, true
	c.into(&o)
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkAt compares "key" at the sequence number of every state with what was put there; expired tells which must be
// gone.
func checkAt(t *testing.T, when string, e *Engine, states int, expired func(seq int) bool) {
	t.Helper()
	for seq := 1; seq <= states; seq++ {
		s, err := e.SnapshotAt(key.SeqNum(seq))
		if expired(seq) != errors.Is(err, ErrSnapshotExpired) || err != nil && !expired(seq) {
			t.Errorf("%s: state %d: expired must be %v: %v", when, seq, expired(seq), err)
		}
		if err != nil {
			continue
		}
		if v, _, err := s.Get(nil, []byte("key")); string(v) != fmt.Sprint(seq) || err != nil {
			t.Errorf("%s: state %d: %q, %v", when, seq, v, err)
		}
		s.Close()
	}
}

func compactAll(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
}

// entries is the number of versions in tables.
func entries(e *Engine) (n uint64) {
	for _, level := range e.tree.Current().Version().Levels {
		for _, t := range level {
			n += t.Entries
		}
	}
	return n
}

// A mistake that is noticed within the time for which states are kept could not be undone; and what is older than that
// would fill the disk for ever.
func TestRetain_keepsWhatWasCurrentWithinTheTime(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.New(), c, Options{Retain: time.Hour})
	defer e.Close()
	for i := 1; i <= 120; i++ { // one state a minute
		put(t, e, "key", fmt.Sprint(i))
		if i%7 == 0 {
			compactAll(t, e)
		}
		c.pass(time.Minute)
	}
	compactAll(t, e)
	// State 61 came 60 minutes ago and was current then.
	checkAt(t, "after two hours", e, 120, func(seq int) bool { return seq < 61 })
	if n := entries(e); n != 60 {
		t.Errorf("%d versions are left of 60", n)
	}
	if m := e.Metrics(); m.Horizon != 61 {
		t.Errorf("the metrics say that %d is the oldest readable state", m.Horizon)
	}
	e.RetainStep()
	c.pass(2 * time.Hour)
	compactAll(t, e)
	checkAt(t, "after two idle hours", e, 120, func(seq int) bool { return seq < 120 })
	if n := entries(e); n != 1 {
		t.Errorf("%d versions are left of one key", n)
	}
}

// A restart, clean or not, would take the past with it: the log is flushed by the recovery, which knows no times.
func TestRetain_outlivesTheProcess(t *testing.T) {
	for _, clean := range []bool{true, false} {
		disk, c := memfs.New(), newClock()
		o := Options{Retain: time.Hour}
		e := openRetaining(t, disk, c, o)
		for i := 1; i <= 10; i++ {
			put(t, e, "key", fmt.Sprint(i))
			if i == 5 {
				compactAll(t, e)
			}
		}
		if clean {
			e.Close()
		}
		next := disk.Kill()
		e.Close()
		c.pass(50 * time.Minute) // how long it was closed is not known to the next
		e = openRetaining(t, next, c, o)
		c.pass(50 * time.Minute)
		compactAll(t, e)
		checkAt(t, fmt.Sprintf("clean %v: reopened", clean), e, 10, func(int) bool { return false })
		c.pass(11 * time.Minute)
		compactAll(t, e)
		checkAt(t, fmt.Sprintf("clean %v: an hour later", clean), e, 10, func(seq int) bool { return seq < 10 })
		e.Close()
	}
}

// A state of which a compaction has dropped a part would be shown as if it were whole: by another handle, which did not
// see the compaction, or after the option was turned on too late.
func TestSnapshotAt_knowsWhatEarlierHandlesDropped(t *testing.T) {
	disk, c := memfs.New(), newClock()
	e := openRetaining(t, disk, c, Options{})
	for i := 1; i <= 10; i++ {
		put(t, e, "key", fmt.Sprint(i))
		if i == 6 {
			compactAll(t, e)
		}
	}
	killed := disk.Kill()
	e.Close()
	reader, err := Open(Options{FS: killed, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	checkAt(t, "read-only", reader, 10, func(seq int) bool { return seq < 6 })
	reader.Close()
	e = openRetaining(t, killed.Kill(), c, Options{Retain: time.Hour})
	defer e.Close()
	checkAt(t, "reopened", e, 10, func(seq int) bool { return seq < 6 })
}

// A power cut takes commits that a flush has been told of, and their sequence numbers are given out again: no state of
// the new ones may be taken for dropped, nor any of the old ones for kept.
func TestSnapshotAt_afterLostCommits(t *testing.T) {
	disk, c := memfs.New(), newClock()
	e := openRetaining(t, disk, c, Options{})
	put(t, e, "key", "1")
	put(t, e, "key", "2")
	if err := e.queue.Exclusive(func() error { return e.freeze(0) }); err != nil {
		t.Fatal(err)
	}
	putUnsynced(t, e, "key", "3")
	putUnsynced(t, e, "key", "4")
	if _, err := e.FlushStep(); err != nil {
		t.Fatal(err)
	}
	cut := disk.Image(memfs.None, 0)
	e.Close()
	e = openRetaining(t, cut, c, Options{Retain: time.Hour})
	defer e.Close()
	checkAt(t, "recovered", e, 2, func(seq int) bool { return seq < 2 })
	put(t, e, "key", "3")
	checkAt(t, "going on", e, 3, func(seq int) bool { return seq < 2 })
}

// Between a compaction's look at the readers and its end, a reader would be let in to what is being dropped.
func TestSnapshotAt_isRefusedOnceAJobHasBegun(t *testing.T) {
	e := openManual(t, memfs.New())
	defer e.Close()
	for i := 1; i <= 3; i++ {
		put(t, e, "key", fmt.Sprint(i))
	}
	early, err := e.SnapshotAt(1)
	if err != nil {
		t.Fatal(err)
	}
	if held := e.tree.HoldVersions(3); len(held) != 2 || held[0] != 1 || held[1] != 3 {
		t.Fatalf("the job holds %d", held)
	}
	if _, err := e.SnapshotAt(2); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("a state that the job drops: %v", err)
	}
	twin, err := e.SnapshotAt(1)
	if err != nil {
		t.Fatalf("a state that a reader holds: %v", err)
	}
	early.Close()
	compactAll(t, e)
	if v, _, err := twin.Get(nil, []byte("key")); string(v) != "1" || err != nil {
		t.Errorf("at the older of two readers' states: %q, %v", v, err)
	}
	twin.Close()
	if _, err := e.SnapshotAt(1); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("a state that nobody holds any more: %v", err)
	}
	if _, err := e.SnapshotAt(4); !errors.Is(err, ErrFutureSequence) {
		t.Errorf("a state to come: %v", err)
	}
}

// A forgotten snapshot would keep every old version on the disk for ever; or its reader would be shown what is left of
// the state after a compaction.
func TestMaxSnapshotAge_endsReadersWithAnError(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.New(), c, Options{MaxSnapshotAge: time.Minute})
	defer e.Close()
	put(t, e, "key", "old")
	old := e.Snapshot()
	defer old.Close()
	before, err := e.NewIterator(old, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	c.pass(50 * time.Second)
	put(t, e, "key", "new")
	young, err := e.SnapshotAt(old.Seq())
	if err != nil {
		t.Fatal(err)
	}
	compactAll(t, e)
	if v, _, err := old.Get(nil, []byte("key")); string(v) != "old" || err != nil {
		t.Errorf("in time: %q, %v", v, err)
	}
	c.pass(20 * time.Second)
	e.RetainStep()
	if _, _, err := old.Get(nil, []byte("key")); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("Get of an old snapshot: %v", err)
	}
	if _, err := old.Has([]byte("key")); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("Has of an old snapshot: %v", err)
	}
	if _, err := e.NewIterator(old, nil, nil); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("an iterator of an old snapshot: %v", err)
	}
	if before.First() || !errors.Is(before.Err(), ErrSnapshotExpired) {
		t.Errorf("a move of an old iterator: %v", before.Err())
	}
	if v, _, err := young.Get(nil, []byte("key")); string(v) != "old" || err != nil {
		t.Errorf("a younger snapshot of the same state: %q, %v", v, err)
	}
	young.Close()
	put(t, e, "key", "newest")
	compactAll(t, e)
	if n := entries(e); n != 1 {
		t.Errorf("%d versions are left of one key", n)
	}
}

// A state would be shown in part if the decision that it is whole, or still held, were not made in one step with what
// flushes and compactions look at.
func TestSnapshotAt_isWholeOrRefusedBesideBackgroundWork(t *testing.T) {
	for _, age := range []time.Duration{0, time.Nanosecond} {
		e, err := Open(Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit, LogLimit: 24 << 10, MaxSnapshotAge: age})
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		var whole atomic.Int64
		done := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for n := uint64(0); ; n++ {
					select {
					case <-done:
						return
					default:
					}
					if visible := uint64(e.tree.Visible()); visible > 0 && readPast(t, e, visible-n%min(visible, 20)) {
						whole.Add(1)
					}
				}
			})
		}
		pad := strings.Repeat(".", 200)
		for i := 1; i <= 4000; i++ {
			putUnsynced(t, e, "key", fmt.Sprintf("%d%s", i, pad))
			runtime.Gosched() // with one processor nobody would read
			if i%1000 == 0 {
				compactAll(t, e)
			}
		}
		close(done)
		readers.Wait()
		if whole.Load() == 0 {
			t.Error("no state was read")
		}
		e.Close()
	}
}

// readPast reads the state at seq twice, with work of others in between. It reports whether that was still there.
func readPast(t *testing.T, e *Engine, seq uint64) bool {
	s, err := e.SnapshotAt(key.SeqNum(seq))
	for range 2 {
		var v []byte
		if err == nil {
			runtime.Gosched()
			v, _, err = s.Get(nil, []byte("key"))
		}
		if err == nil && !strings.HasPrefix(string(v), fmt.Sprint(seq)+".") {
			t.Errorf("the state at %d shows %.10q", seq, v)
		}
	}
	if s != nil {
		s.Close()
	}
	if err != nil && !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("the state at %d: %v", seq, err)
	}
	return err == nil
}

// A reader that has expired would go on to say so once the database is closed, where everybody else says ErrClosed.
func TestMaxSnapshotAge_closedComesFirst(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.New(), c, Options{MaxSnapshotAge: time.Minute})
	put(t, e, "key", "old")
	old := e.Snapshot()
	c.pass(2 * time.Minute)
	put(t, e, "key", "new")
	e.RetainStep()
	if _, _, err := old.Get(nil, []byte("key")); !errors.Is(err, ErrSnapshotExpired) {
		t.Fatalf("before Close: %v", err)
	}
	e.Close()
	_, _, get := old.Get(nil, []byte("key"))
	_, has := old.Has([]byte("key"))
	if !errors.Is(get, ErrClosed) || !errors.Is(has, ErrClosed) {
		t.Errorf("after Close: %v, %v", get, has)
	}
}
