package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A program that waited for its commit to be durable would lose it to a power cut: to any cut, after any mixture of
// commits, syncs, flushes and rotations of the log.
func TestWaitDurable_isTrueAfterAPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 40 {
		disk := memfs.New()
		e, err := Open(Options{FS: disk, Manual: true, LogLimit: 6 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			mixed(t, e, r, i)
			seq := key.SeqNum(r.Uint64N(uint64(e.tree.Visible()) + 1))
			if r.IntN(2) == 0 {
				seq = e.log.Durable() // what WaitDurable takes for granted
			}
			if err := e.WaitDurable(context.Background(), seq); err != nil {
				t.Fatal(err)
			}
			checkDurable(t, fmt.Sprintf("operation %d", i), disk.Image(memfs.None, 0), seq)
		}
		e.Close()
	}
}

// mixed does one thing that may or may not make commits durable.
func mixed(t *testing.T, e *Engine, r *rand.Rand, i int) {
	t.Helper()
	var err error
	switch r.IntN(10) {
	case 0:
		put(t, e, fmt.Sprint(i), "value")
	case 1:
		_, err = e.SyncStep()
	case 2:
		err = e.Flush()
	case 3:
		_, err = e.FlushStep()
	default:
		putUnsynced(t, e, fmt.Sprint(i), string(make([]byte, r.IntN(900))))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkDurable opens what a power cut left and looks how far it goes.
func checkDurable(t *testing.T, when string, image *memfs.FS, seq key.SeqNum) {
	t.Helper()
	e := openManual(t, image)
	defer e.Close()
	if last := key.SeqNum(e.Report().LastSequence); last < seq {
		t.Errorf("%s: the database ends at %d, though %d was durable", when, last, seq)
	}
}

// A commit that arrives while a sync is under way would count as synced, though the device may not have seen it.
func TestWaitDurable_commitsDuringASyncAreNotCovered(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	putUnsynced(t, e, "before", "value")
	during := false
	fs.SetRules(errfs.On(errfs.Sync).Named("*.wal").Times(1).Call(func(errfs.Op) {
		during = true
		putUnsynced(t, e, "during", "value")
	}))
	if _, err := e.SyncStep(); err != nil || !during {
		t.Fatalf("a commit was made during the sync: %v, %v", during, err)
	}
	if n := e.log.Durable(); n != 1 {
		t.Errorf("the sync is said to cover everything up to %d, the commit before it was 1", n)
	}
}

// A wait for what is durable already would cost a sync of its own; one for what is not committed would never be true.
func TestWaitDurable_syncsOnlyIfItMust(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	put(t, e, "key", "1")
	putUnsynced(t, e, "key", "2")
	for _, c := range []struct {
		seq   key.SeqNum
		syncs int
		err   error
	}{{0, 0, nil}, {1, 0, nil}, {2, 1, nil}, {2, 0, nil}, {1, 0, nil}, {3, 0, ErrFutureSequence}} {
		before := fs.Count(errfs.Sync)
		err := e.WaitDurable(context.Background(), c.seq)
		if n := fs.Count(errfs.Sync) - before; n != c.syncs || !errors.Is(err, c.err) {
			t.Errorf("sequence number %d: %d syncs, %v", c.seq, n, err)
		}
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.WaitDurable(done, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("with a done context: %v", err)
	}
}

// A caller that gives up would wait for a device that hangs.
func TestWaitDurable_honoursItsContext(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	putUnsynced(t, e, "key", "value")
	ctx, cancel := context.WithCancel(context.Background())
	resume := make(chan struct{})
	fs.SetRules(errfs.On(errfs.Sync).Named("*.wal").Times(1).Call(func(errfs.Op) {
		cancel()
		<-resume
	}))
	if err := e.WaitDurable(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("given up during the sync: %v", err)
	}
	close(resume)
	if err := e.WaitDurable(t.Context(), 1); err != nil {
		t.Errorf("waited again: %v", err)
	}
}

// A read-only handle cannot sync: what it replayed may be in the caches of the system only.
func TestWaitDurable_readOnlyKnowsTheTables(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	put(t, e, "key", "1")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	putUnsynced(t, e, "key", "2")
	killed := disk.Kill()
	e.Close()
	e, err := Open(Options{FS: killed, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.WaitDurable(context.Background(), 1); err != nil {
		t.Errorf("what is in a table: %v", err)
	}
	if err := e.WaitDurable(context.Background(), 2); !errors.Is(err, ErrReadOnly) {
		t.Errorf("what is in the log: %v", err)
	}
}
