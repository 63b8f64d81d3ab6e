package follower

import (
	"context"
	"testing"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
)

// twoClocks is a writer and its follower, each with a clock that the test sets.
type twoClocks struct {
	t         *testing.T
	writer    *engine.Engine
	follower  *Follower
	told, own int64
}

func openTwo(t *testing.T, disk *memfs.FS, told, own int64) *twoClocks {
	t.Helper()
	w := &twoClocks{t: t, told: told, own: own}
	var err error
	if w.writer, err = engine.Open(engine.Options{FS: disk, Manual: true, Followers: true,
		Wall: func() time.Time { return time.Unix(0, w.told) }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.writer.Close() })
	if w.follower, err = Open(Options{FS: disk, MemoryLimit: DefaultMemory, Manual: true,
		Wall: func() time.Time { return time.Unix(0, w.own) }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.follower.Close() })
	return w
}

// putUntil commits an entry that ends, and has the follower show it.
func (w *twoClocks) putUntil(k string, end key.Time) {
	w.t.Helper()
	var b batch.Batch
	b.PutUntil([]byte(k), []byte("v"), end)
	_, err := w.writer.Commit(&b, false)
	if err == nil {
		err = w.follower.Refresh(context.Background())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *twoClocks) want(when, k string, there bool) {
	w.t.Helper()
	if found, err := w.follower.Has([]byte(k)); err != nil || found != there {
		w.t.Errorf("%s: %s is there: %v, %v", when, k, found, err)
	}
	s := new(tree.Snapshot)
	w.follower.Hold(s, origin.Snapshot)
	defer s.Close()
	if found, err := s.Has([]byte(k)); err != nil || found != there {
		w.t.Errorf("%s, a snapshot: %s is there: %v, %v", when, k, found, err)
	}
}

// A follower would show what the commits that it shows saw ended, as its clock is behind; or all that ends for ever.
func TestTime_ofTheWriterOrOfTheFollower(t *testing.T) {
	w := openTwo(t, memfs.New(), 10, 5)
	before := new(tree.Snapshot)
	w.follower.Hold(before, origin.Snapshot)
	defer before.Close()
	if before.Now() != 0 {
		t.Errorf("a snapshot of a database in which nothing ends has the time %d", before.Now())
	}
	w.putUntil("e", 100)
	w.want("both clocks are before the end", "e", true)
	w.told = 100
	if found, err := w.writer.Has([]byte("e"), engine.Latest); found || err != nil {
		t.Fatal(found, err)
	}
	w.putUntil("rests on that", 1000)
	w.want("the writer's clock has passed the end", "rests on that", true)
	w.want("the writer's clock has passed the end", "e", false)
	if err := w.writer.Flush(); err != nil {
		t.Fatal(err)
	}
	w.putUntil("later", 300)
	w.want("in a table", "rests on that", true)
	w.want("in a table", "e", false)
	w.own = 300
	w.want("its own clock has passed the end", "later", false)
	w.own = 20
	w.want("its own clock was set back", "later", false)
	w.want("its own clock was set back", "rests on that", true)
}

// A follower of a database whose log was flushed would not know that something in it ends.
func TestTime_isFoundInTheManifest(t *testing.T) {
	disk := memfs.New()
	w := openTwo(t, disk, 50, 50)
	w.putUntil("e", 100)
	if err := w.writer.Close(); err != nil {
		t.Fatal(err)
	}
	w = openTwo(t, disk.Image(memfs.None, 0), 1, 2)
	s := new(tree.Snapshot)
	w.follower.Hold(s, origin.Snapshot)
	defer s.Close()
	if s.Now() != 50 {
		t.Errorf("the time is %d, and the writer before has told 50", s.Now())
	}
}
