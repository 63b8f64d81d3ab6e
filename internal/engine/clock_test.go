package engine

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/burst"
	"lightningdb/internal/tree/compaction"
)

// clock is the two clocks of an engine, moved by a test. Whenever time passes somebody sets the wall clock, one way
// and then the other: no test of an interval may notice.
type testClock struct {
	elapsed time.Duration
	wall    time.Time
	back    bool
}

func newClock() *testClock { return &testClock{wall: time.Unix(1_000_000_000, 0)} }

func (c *testClock) pass(d time.Duration) {
	step := 10 * 365 * 24 * time.Hour
	if c.back {
		step = -step
	}
	c.back = !c.back
	c.elapsed += d
	c.wall = c.wall.Add(d + step)
}

// into has the engine that o opens read c.
func (c *testClock) into(o *Options) {
	o.Elapsed = func() time.Duration { return c.elapsed }
	o.Wall = func() time.Time { return c.wall }
}

// timers is every interval that an engine measures: begin starts it, and returns what must hold once the wall clock has
// been set, and goes on to when the interval is over.
var timers = map[string]struct {
	options Options
	begin   func(*testing.T, *Engine) (after func())
}{
	"SyncInterval":   {Options{SyncInterval: 3 * time.Second}, beginSyncInterval},
	"MaxSnapshotAge": {Options{MaxSnapshotAge: time.Hour}, beginSnapshotAge},
	"Retain":         {Options{Retain: time.Hour}, beginRetain},
	"end of a burst": {Options{}, beginBurst},
	"spare memory":   {Options{MemoryLimit: 64 << 20}, beginSpareMemory},
	"LockTimeout":    {Options{LockTimeout: time.Minute}, beginLockTimeout},
	"ages":           {Options{TraceReaders: true}, beginAges},
}

// The clock of a machine is set: by a time server after a start without a network, by hand, by the resumption of a
// virtual machine. Commits at Process durability would stay unsynced for days, young snapshots expire, states within
// Retain go or stay for ever, compactions never begin, and memory be held.
func TestClock_mayBeSetUnderEveryTimer(t *testing.T) {
	const day = 24 * time.Hour
	for name, timer := range timers {
		for _, step := range []time.Duration{-3650 * day, -day, -time.Second, time.Second, day, 3650 * day} {
			t.Run(fmt.Sprint(name, step), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var set time.Duration
					o := timer.options
					o.FS, o.Wall = memfs.New(), func() time.Time { return time.Now().Add(set) }
					e, err := Open(o)
					if err != nil {
						t.Fatal(err)
					}
					defer e.Close()
					after := timer.begin(t, e)
					synctest.Wait()
					set = step
					after()
				})
			})
		}
	}
}

// wait lets d pass, and the background work that is due by then be done.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// P1: a commit at Process durability is synced within SyncInterval, and so is every one after it.
func beginSyncInterval(t *testing.T, e *Engine) func() {
	putUnsynced(t, e, "k", "before")
	return func() {
		for i := range 5 {
			wait(e.opts.SyncInterval)
			if m := e.Metrics(); m.Durable != m.Visible {
				t.Fatalf("commit %d: %d is durable, %d visible", i, m.Durable, m.Visible)
			}
			putUnsynced(t, e, "k", fmt.Sprint(i))
		}
	}
}

func beginSnapshotAge(t *testing.T, e *Engine) func() {
	put(t, e, "k", "old")
	s := e.Snapshot()
	check := func(want error) {
		t.Helper()
		compactAll(t, e)
		if _, _, err := s.Get(nil, []byte("k")); !errors.Is(err, want) {
			t.Errorf("a snapshot after %v: %v, want %v", e.clock(), err, want)
		}
	}
	return func() {
		defer s.Close()
		wait(time.Minute)
		check(nil)
		wait(58 * time.Minute)
		check(nil)
		wait(2 * time.Minute)
		check(ErrSnapshotExpired)
	}
}

func beginRetain(t *testing.T, e *Engine) func() {
	put(t, e, "key", "1")
	wait(time.Minute)
	put(t, e, "key", "2")
	check := func(when string, expired bool) {
		t.Helper()
		compactAll(t, e)
		checkAt(t, when, e, 2, func(seq int) bool { return expired && seq == 1 })
	}
	return func() {
		check("at once", false)
		wait(59 * time.Minute)
		check("within the time", false)
		wait(2 * time.Minute)
		check("after it", true)
	}
}

func beginBurst(t *testing.T, e *Engine) func() {
	const runs = compaction.DefaultL0Trigger + 1
	for i := range runs {
		put(t, e, fmt.Sprint("a", i), "value")
		put(t, e, fmt.Sprint("z", i), "value")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		e.background.compactor.Wake()
		wait(burst.LongestPause / 20)
		if n := e.tree.Current().Level0(); n != runs {
			t.Errorf("in a burst level 0 has %d runs of %d", n, runs)
		}
		wait(burst.LongestPause)
		if n := e.tree.Current().Level0(); n >= compaction.DefaultL0Trigger {
			t.Errorf("after a burst level 0 still has %d runs", n)
		}
	}
}

func beginSpareMemory(t *testing.T, e *Engine) func() {
	quiet := e.Metrics().MemtableHeld
	put(t, e, "k", "v")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() {
		wait(tree.SpareAge / 2)
		if e.Metrics().MemtableHeld == quiet {
			t.Error("a memtable that is soon needed was given back")
		}
		wait(tree.SpareAge)
		if held := e.Metrics().MemtableHeld; held != quiet {
			t.Errorf("memtables hold %d bytes, and %d are in use", held, quiet)
		}
	}
}

func beginLockTimeout(t *testing.T, e *Engine) func() {
	holder := begin(e)
	if err := holder.Lock(t.Context(), []byte("k"), true); err != nil {
		t.Fatal(err)
	}
	start, done := time.Now(), make(chan error, 1)
	go func() { _, err := e.Commit(batchOf("k"), false); done <- err }()
	return func() {
		defer holder.Close()
		var timeout *lock.TimeoutError
		if err := <-done; !errors.As(err, &timeout) || time.Since(start) != time.Minute || timeout.Age != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	}
}

func beginAges(t *testing.T, e *Engine) func() {
	holder := begin(e)
	if err := holder.Lock(t.Context(), []byte("k"), true); err != nil {
		t.Fatal(err)
	}
	return func() {
		defer holder.Close()
		wait(time.Hour)
		m := e.Metrics()
		if m.OldestAge != time.Hour || m.Locks.Oldest != time.Hour || len(m.Readers) != 1 || m.Readers[0].Age != time.Hour {
			t.Errorf("reader %v, lock %v, traced %v", m.OldestAge, m.Locks.Oldest, m.Readers)
		}
	}
}

// A duration that the setting of a clock had made negative, or ten years long, would spoil every sum that it is part
// of.
func TestClock_isNotInDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := 24 * time.Hour
		e, err := Open(Options{FS: memfs.New(), Manual: true, Wall: func() time.Time {
			day = -2 * day // overflows now and then, which does not matter
			return time.Now().Add(day)
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		put(t, e, "k", "v")
		compactAll(t, e)
		m := e.Metrics() // in a bubble nothing takes any time
		if m.Flush.Duration != 0 || m.Compaction.Duration != 0 || m.Stall.Duration != 0 || e.Report().Duration != 0 {
			t.Errorf("flush %v, compaction %v, stall %v, recovery %v", m.Flush.Duration, m.Compaction.Duration, m.Stall.Duration,
				e.Report().Duration)
		}
		if m.Flush.Count == 0 {
			t.Error("nothing was flushed")
		}
	})
}
