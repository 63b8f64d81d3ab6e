package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// endings is an engine whose wall clock the test sets, over a file system that may fail.
type endings struct {
	*Engine
	t     *testing.T
	shown *atomic.Int64
	asked *atomic.Int64
}

func openEndings(t *testing.T, fs vfs.FS, shown int64) *endings {
	t.Helper()
	x := &endings{t: t, shown: new(atomic.Int64), asked: new(atomic.Int64)}
	x.shown.Store(shown)
	e, err := Open(Options{FS: fs, Manual: true, Followers: true, Wall: func() time.Time {
		x.asked.Add(1)
		return time.Unix(0, x.shown.Load())
	}})
	if err != nil {
		t.Fatal(err)
	}
	x.Engine = e
	t.Cleanup(func() { e.Close() })
	return x
}

func untilBatch(k, v string, end key.Time) *batch.Batch {
	b := new(batch.Batch)
	b.PutUntil([]byte(k), []byte(v), end)
	return b
}

func (x *endings) putUntil(k, v string, end key.Time) {
	x.t.Helper()
	if _, err := x.Commit(untilBatch(k, v, end), false); err != nil {
		x.t.Fatal(err)
	}
}

func (x *endings) want(when, k, v string) {
	x.t.Helper()
	got, found, err := x.Get(nil, []byte(k), Latest)
	if err != nil || found != (v != "") || string(got) != v {
		x.t.Errorf("%s: %s is %q, %v, %v, want %q", when, k, got, found, err, v)
	}
}

// readsOfE are ways to have read the key e in a snapshot.
var readsOfE = map[string]func(s *Snapshot) (found bool, err error){
	"Get":  func(s *Snapshot) (bool, error) { _, found, err := s.Get(nil, []byte("e")); return found, err },
	"Has":  func(s *Snapshot) (bool, error) { return s.Has([]byte("e")) },
	"Size": func(s *Snapshot) (bool, error) { _, found, err := s.Measure([]byte("e")); return found, err },
	"OpenValue": func(s *Snapshot) (bool, error) {
		value, long, _, err := s.OpenValue([]byte("e"))
		if long != nil {
			long.Close()
		}
		return value != nil || long != nil, err
	},
	"a walk":          func(s *Snapshot) (bool, error) { return walkOverE(s, (*Iterator).First, (*Iterator).Next) },
	"a walk backward": func(s *Snapshot) (bool, error) { return walkOverE(s, (*Iterator).Last, (*Iterator).Prev) },
}

func walkOverE(s *Snapshot, first, next func(*Iterator) bool) (found bool, err error) {
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		return false, err
	}
	defer it.Close()
	for ok := first(it); ok; ok = next(it) {
		found = found || string(it.Key()) == "e"
	}
	return found, it.Err()
}

// A transaction would commit what it has made of a lease that has ended: two programs hold it.
func TestTime_hasChangedWhatATransactionRead(t *testing.T) {
	for _, place := range placesOfWrites {
		for name, read := range readsOfE {
			for _, kind := range []string{"short", "long", "folded"} {
				x := openEndings(t, memfs.NewVolatile(), 10)
				put(t, x.Engine, "a", "first")
				put(t, x.Engine, "z", "last")
				value := "lease"
				if kind == "long" {
					value = string(make([]byte, 40_000))
				}
				x.putUntil("e", value, 100)
				if kind == "folded" {
					mergeInto(t, x.Engine, operand.Append, "e", []byte("+"))
				}
				if err := place.move(x.Engine); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s, %s, %s", place.name, name, kind)
				for _, at := range []struct {
					commit   int64
					conflict bool
				}{{99, false}, {100, true}, {101, false}} { // the last one begins when it has ended
					tx := beginTxn(t, x.Engine)
					found, err := read(tx.Snapshot())
					if err != nil || found != (at.commit <= 100 || kind == "folded") {
						t.Fatalf("%s: found %v, %v", name, found, err)
					}
					x.shown.Store(at.commit)
					if err := commitOf(t, tx, "other"); errors.Is(err, ErrConflict) != at.conflict || err != nil && !at.conflict {
						t.Errorf("%s, a commit at %d: %v", name, at.commit, err)
					}
					tx.Close()
				}
				if n := x.stats.Conflicts.Load(); n != 1 {
					t.Errorf("%s: %d conflicts are counted", name, n)
				}
				x.Close()
			}
		}
	}
}

// A transaction that moves forward would keep what it has read of a lease, and see what others wrote after its end.
func TestTime_stopsATransactionFromMovingForward(t *testing.T) {
	for _, now := range []int64{99, 100} {
		x := openEndings(t, memfs.NewVolatile(), 10)
		x.putUntil("e", "lease", 100)
		put(t, x.Engine, "k", "before")
		tx := beginTxn(t, x.Engine)
		if found, err := tx.Snapshot().Has([]byte("e")); !found || err != nil {
			t.Fatal(found, err)
		}
		put(t, x.Engine, "k", "after")
		x.shown.Store(now)
		err := tx.Lock(context.Background(), []byte("k"), true)
		if now == 100 != errors.Is(err, ErrConflict) || now < 100 && err != nil {
			t.Errorf("at %d: %v", now, err)
		}
		if now < 100 {
			x.shown.Store(100)
			if err := commitOf(t, tx, "k"); !errors.Is(err, ErrConflict) {
				t.Errorf("what was read before it moved is forgotten: %v", err)
			}
		}
		tx.Close()
		x.Close()
	}
	x := openEndings(t, memfs.NewVolatile(), 10)
	x.putUntil("e", "lease", 100)
	tx := beginTxn(t, x.Engine)
	put(t, x.Engine, "k", "after")
	if err := tx.Lock(context.Background(), []byte("k"), true); err != nil {
		t.Fatal(err)
	}
	if found, err := tx.Snapshot().Has([]byte("e")); !found || err != nil {
		t.Fatal(found, err)
	}
	x.shown.Store(100)
	if err := commitOf(t, tx, "k"); !errors.Is(err, ErrConflict) {
		t.Errorf("what was read after it moved is forgotten: %v", err)
	}
}

// A reader would find the lease ended and not yet what the commit made of it that found it live: no order of the three
// could explain that.
func TestTime_standsStillForACommit(t *testing.T) {
	for _, fails := range []bool{false, true} {
		fs := errfs.New(memfs.NewVolatile())
		x := openEndings(t, fs, 10)
		x.putUntil("e", "lease", 100)
		tx := beginTxn(t, x.Engine)
		if found, err := tx.Snapshot().Has([]byte("e")); !found || err != nil {
			t.Fatal(found, err)
		}
		rule := errfs.On(errfs.Write, errfs.Sync).Named("*.wal").Times(1)
		if fails {
			rule = errfs.On(errfs.Write).Named("*.wal").Times(1).Fail(syscall.ENOSPC)
		}
		during := false
		fs.SetRules(rule.Call(func(errfs.Op) {
			during = true
			x.shown.Store(1000)
			x.want("during the commit", "e", "lease")
			x.want("during the commit", "done", "")
			s := x.Snapshot()
			defer s.Close()
			if s.Now() != 10 {
				t.Errorf("a snapshot during the commit has the time %d", s.Now())
			}
		}))
		b := new(batch.Batch)
		b.Put([]byte("done"), []byte("yes"))
		_, err := tx.Commit(context.Background(), b, true)
		fs.SetRules()
		if !during || fails != (err != nil) {
			t.Fatalf("during: %v, %v", during, err)
		}
		x.want("after the commit", "e", "")
		if fails {
			x.want("after a commit that failed", "done", "")
		} else {
			x.want("after the commit", "done", "yes")
		}
		tx.Close()
		x.Close()
	}
}

// What has ended would be there again after a restart with a clock that is behind.
func TestTime_goesOnAfterAnOpen(t *testing.T) {
	ends := map[string]func(x *endings, disk *memfs.FS) *memfs.FS{
		"a close": func(x *endings, disk *memfs.FS) *memfs.FS {
			if err := x.Close(); err != nil {
				x.t.Fatal(err)
			}
			return disk.Image(memfs.None, 0)
		},
		"a kill after a commit": func(x *endings, disk *memfs.FS) *memfs.FS {
			putUnsynced(x.t, x.Engine, "another", "")
			return disk.Kill()
		},
		"a power cut after a flush": func(x *endings, disk *memfs.FS) *memfs.FS {
			put(x.t, x.Engine, "another", "")
			if err := x.Flush(); err != nil {
				x.t.Fatal(err)
			}
			return disk.Image(memfs.None, 0)
		},
	}
	for name := range ends {
		disk := memfs.New()
		x := openEndings(t, disk, 10)
		x.putUntil("e", "lease", 100)
		for _, next := range []string{name, "a close", name} { // the second time nothing is written but the time
			x.want(name, "e", map[bool]string{true: "lease"}[x.tree.Time().Told() < 100])
			x.shown.Store(100)
			x.want(name, "e", "")
			disk = ends[next](x, disk)
			x = openEndings(t, disk, 20)
			x.want("after "+next, "e", "")
			if now := x.tree.Time().Now(); now != 100 {
				t.Errorf("after %s the time is %d", next, now)
			}
		}
	}
}

// Who closes a database in which only time has passed would find it at the time of before.
func TestTime_isKeptByACloseWithoutWrites(t *testing.T) {
	disk := memfs.New()
	x := openEndings(t, disk, 10)
	x.putUntil("e", "lease", 100)
	x.Close()
	for _, now := range []int64{50, 100, 100} {
		disk = disk.Image(memfs.None, 0)
		x = openEndings(t, disk, now)
		x.want("open", "e", map[bool]string{true: "lease"}[now < 100])
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		disk = disk.Image(memfs.None, 0)
		if err := disk.Remove("STATUS"); err != nil { // the manifest alone must do
			t.Fatal(err)
		}
	}
	x = openEndings(t, disk.Image(memfs.None, 0), 20)
	x.want("with a clock that was set back", "e", "")
}

// Every View and every Get would ask the clock in databases in which nothing ends.
func TestTime_isAskedForOnlyIfSomethingEnds(t *testing.T) {
	x := openEndings(t, memfs.NewVolatile(), 10)
	put(t, x.Engine, "k", "v")
	use := func() int64 {
		x.asked.Store(0)
		for _, read := range readsOfE {
			s := x.Snapshot()
			if _, err := read(s); err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		x.want("use", "k", "v")
		if _, _, err := x.Measure([]byte("k"), Latest); err != nil {
			t.Fatal(err)
		}
		put(t, x.Engine, "k", "v")
		return x.asked.Load()
	}
	if n := use(); n > 0 {
		t.Errorf("the clock was asked %d times", n)
	}
	x.putUntil("e", "lease", 100)
	if use() == 0 {
		t.Error("nobody asks the clock though something ends")
	}
	x.asked.Store(0)
	if x.want("a key that does not end", "k", "v"); x.asked.Load() > 0 {
		t.Error("a point read of a key that does not end asks the clock")
	}
}

// A crash at any moment would lose an end, or bring an entry back that had ended.
func TestTime_isKeptByCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 60 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		disk := memfs.New()
		x := openEndings(t, disk, 1)
		acked, told := map[string]key.Time{}, key.Time(0) // of each key its end, and the time at the last commit
		disk.CrashAt(disk.Ops() + 1 + r.IntN(160))
		for i := range 60 {
			k, end := fmt.Sprintf("k%02d", r.IntN(20)), key.Time(1+r.IntN(400))
			if _, err := x.Commit(untilBatch(k, fmt.Sprint(i), end), true); err != nil {
				delete(acked, k) // its fate is not known
				break
			}
			acked[k], told = end, x.tree.Time().Told()
			x.shown.Add(r.Int64N(20) - 4)
			if r.IntN(6) == 0 && x.Flush() != nil {
				break
			}
			if r.IntN(12) == 0 && x.Compact(context.Background(), nil, nil) != nil {
				break
			}
		}
		y := openEndings(t, disk.Kill(), 1)
		if now := y.tree.Time().Now(); now < told {
			t.Fatalf("round %d: the time was %d when a commit was told, and is %d", round, told, now)
		}
		now := y.tree.Time().Now()
		for k, end := range acked {
			if found, err := y.Has([]byte(k), Latest); err != nil || found != (now < end) {
				t.Fatalf("round %d at %d: %s, which ends at %d: %v, %v", round, now, k, end, found, err)
			}
		}
		y.Close()
	}
}
