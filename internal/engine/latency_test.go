package engine

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/system/latency"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/timing"
)

// slowDisk is a disk that takes syncTime for each sync of the log, in the time of a bubble.
func slowDisk() *errfs.FS {
	disk := errfs.New(memfs.New())
	disk.SetRules(errfs.On(errfs.Sync).Named("*.wal").Call(func(errfs.Op) { time.Sleep(syncTime) }))
	return disk
}

const syncTime = 5 * time.Millisecond

// took checks how many operations took from one latency to another, and how long the slowest of all took.
func took(t *testing.T, what string, c latency.Counts, from, to time.Duration, number uint64, slowest time.Duration) {
	t.Helper()
	n := uint64(0)
	for _, b := range c.Buckets {
		if b.UpTo >= from && b.UpTo <= to+to/8 {
			n += b.Count
		}
	}
	if n != number || c.Max != slowest {
		t.Errorf("%d %s took %v to %v, the slowest %v; want %d, and %v", n, what, from, to, c.Max, number, slowest)
	}
}

// Whoever asks how long a commit takes would be told a figure of something else.
func TestLatency_ofCommitsAndSyncsIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openManual(t, slowDisk())
		defer e.Close()
		before := e.Metrics()
		took(t, "syncs", before.SyncTimes, 0, time.Hour, 0, 0)
		for i := range 20 {
			put(t, e, fmt.Sprint(i), "value")
		}
		m := e.Metrics()
		took(t, "commits", m.CommitTimes, syncTime, syncTime, 20, syncTime)
		took(t, "syncs", m.SyncTimes, syncTime, syncTime, 20, syncTime)
		if err := e.Sync(); err != nil { // nothing is unsynced
			t.Fatal(err)
		}
		tx := beginTxn(t, e, "read")
		if _, err := tx.Commit(t.Context(), batchOf("read"), true); err != nil {
			t.Fatal(err)
		}
		late := beginTxn(t, e, "read")
		put(t, e, "read", "by others")
		if _, err := late.Commit(t.Context(), batchOf("read"), true); !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
		m = e.Metrics()
		took(t, "commits", m.CommitTimes, 0, time.Hour, 22, syncTime) // not what was refused, nor what wrote nothing
		took(t, "syncs", m.SyncTimes, 0, time.Hour, m.Syncs-before.Syncs-1, syncTime)
		putUnsynced(t, e, "k", "v")
		if synced, err := e.SyncStep(); !synced || err != nil {
			t.Fatal(synced, err)
		}
		took(t, "syncs", e.Metrics().SyncTimes, 0, time.Hour, m.SyncTimes.Number(), syncTime) // nobody waited
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		took(t, "syncs", e.Metrics().SyncTimes, 0, time.Hour, m.SyncTimes.Number()+1, syncTime) // of the seal
	})
}

// A request that waits for another's lock is what people ask about: it must not look as fast as the others.
func TestLatency_hasTheWaitForALock(t *testing.T) {
	const commits, held = 10, 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		e := openManual(t, memfs.New())
		defer e.Close()
		var writers sync.WaitGroup
		for i := range commits {
			k := fmt.Sprint(i)
			holder := beginTxn(t, e)
			if err := holder.Lock(t.Context(), []byte(k), true); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(held, holder.Close)
			writers.Go(func() { putUnsynced(t, e, k, "v") })
			writers.Go(func() {
				tx := begin(e)
				defer tx.Close()
				if _, err := tx.Commit(t.Context(), batchOf(k), false); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		took(t, "commits", e.Metrics().CommitTimes, held, held, 2*commits, held)
	})
}

// A stall is when latencies matter.
func TestLatency_hasTheWaitForRoom(t *testing.T) {
	const stalls, flushTime = 10, 2 * time.Second
	synctest.Test(t, func(t *testing.T) {
		disk := errfs.New(memfs.New())
		disk.SetRules(errfs.On(errfs.Create).Named("*.tbl").Call(func(errfs.Op) { time.Sleep(flushTime) }))
		e, err := Open(Options{FS: disk, MemoryLimit: MinMemoryLimit})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for n := 0; e.Metrics().Stall.Count < stalls; n++ {
			if err := putBytes(e, fmt.Sprint(n), 64<<10); err != nil {
				t.Fatal(err)
			}
		}
		m := e.Metrics()
		waited := latency.Counts{Max: m.CommitTimes.Max}
		for _, b := range m.CommitTimes.Buckets {
			if b.UpTo > 0 { // nothing else takes time in a bubble
				waited.Buckets = append(waited.Buckets, b)
			}
		}
		sum := waited.Mean() * time.Duration(waited.Number())
		if d := m.Stall.Duration; d < stalls*flushTime/2 || sum < d*9/10 || sum > d*11/10 || waited.Number() > stalls {
			t.Errorf("%d commits waited %v, and %d stalls took %v", waited.Number(), sum, m.Stall.Count, d)
		}
	})
}

// Reads are so fast that only some are timed: those must be some of all, and stand for all.
func TestLatency_ofReadsIsSampled(t *testing.T) {
	const reads = 400 * timing.PerTimed
	looks := 0
	e, err := Open(Options{FS: memfs.New(), Manual: true, Elapsed: func() time.Duration {
		looks++
		return time.Duration(looks) * time.Microsecond
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "k", "v")
	before := looks
	for i := range reads {
		if i%2 == 0 {
			if _, found, err := e.Get(nil, []byte("k"), Latest); !found || err != nil {
				t.Fatal(found, err)
			}
		} else if found, err := e.Has([]byte("absent"), Latest); found || err != nil {
			t.Fatal(found, err)
		}
	}
	timed := uint64(looks-before) / 2
	c := e.Metrics().Gets
	took(t, "reads", c, time.Microsecond, time.Microsecond, timed*timing.PerTimed, time.Microsecond)
	if n := c.Number(); n < reads*8/10 || n > reads*12/10 {
		t.Errorf("%d reads count as %d", reads, n)
	}
}

// Metrics are asked for at any time, and once the database is closed most of all.
func TestLatency_isToldDuringAndAfterClose(t *testing.T) {
	e, err := Open(Options{FS: memfs.New(), MemoryLimit: MinMemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	committed := make([]uint64, 4)
	for w := range committed {
		callers.Go(func() {
			for {
				if _, err := e.Commit(batchOf(fmt.Sprint(w)), w%2 == 0); err != nil {
					return // it is closed
				}
				committed[w]++
				e.Get(nil, []byte("k"), Latest)
			}
		})
		callers.Go(func() {
			for last := uint64(0); !e.Closed(); {
				n := e.Metrics().CommitTimes.Number()
				if n < last {
					t.Errorf("%d commits after %d", n, last)
				}
				last = n
			}
		})
	}
	for e.Metrics().Commits < 200 {
		time.Sleep(time.Millisecond)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	callers.Wait()
	m := e.Metrics()
	if n, synced := m.CommitTimes.Number(), committed[0]+committed[2]; n < synced || m.SyncTimes.Number() == 0 {
		t.Errorf("%d commits are counted, and %d were synced", n, synced)
	}
}
