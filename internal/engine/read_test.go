package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// An unreadable page would turn into a missing key, or bring back the value before.
func TestGet_errorIsNeverAnAbsentKey(t *testing.T) {
	fs := errfs.New(memfs.NewVolatile())
	e := openManual(t, fs)
	defer e.Close()
	check := func(where string, name string) {
		t.Helper()
		fs.SetRules(errfs.On(errfs.Read, errfs.Open).Named(name).Fail(syscall.EIO))
		defer fs.SetRules()
		if v, found, err := e.Get(nil, []byte("key"), Latest); !errors.Is(err, syscall.EIO) || found || len(v) > 0 {
			t.Errorf("%s: %q, found %v, %v", where, v, found, err)
		}
	}
	put(t, e, "key", "old")
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(e.tree.Current().Version().Levels[0]); n != 0 {
		t.Fatalf("%d tables in level 0", n)
	}
	check("in a deeper level", "*.tbl")
	put(t, e, "key", "new")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	level0 := e.tree.Current().Version().Levels[0]
	if len(level0) != 1 {
		t.Fatalf("%d tables in level 0", len(level0))
	}
	check("in level 0", tableName(level0[0]))
	if v, _, err := e.Get(nil, []byte("key"), Latest); string(v) != "new" || err != nil {
		t.Errorf("when the device is well again: %q, %v", v, err)
	}
}

// Keys that begin alike are found by the head of a table's largest key, and then by the whole of it: those between two
// tables of one head would be missed.
func TestGet_findsKeysThatBeginAlike(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, TableBytes: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var b batch.Batch
	for i := range 100 {
		b.Put(fmt.Appendf(nil, "the same beginning %03d", i), bytes.Repeat([]byte{byte(i), byte(i * 7)}, 300))
	}
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(e.tree.Current().Version().Levels[manifest.NumLevels-1]); n < 3 {
		t.Fatalf("%d tables in the last level", n)
	}
	for i := range 100 {
		if ok, err := e.Has(fmt.Appendf(nil, "the same beginning %03d", i), Latest); !ok || err != nil {
			t.Errorf("key %d: found %v, %v", i, ok, err)
		}
	}
}

// Age follows depth: a reader that looks in another order finds the value before.
func TestGet_newestIsInTheHighestLevel(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	put(t, e, "key", "old")
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	put(t, e, "key", "new")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	moveLevel0(t, e, 3)
	if v, _, err := e.Get(nil, []byte("key"), Latest); string(v) != "new" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

// A reader would see a part of a batch: what is applied is nobody's to see before it is published.
func TestApply_showsNothingBeforePublish(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	put(t, e, "key", "old")
	before := e.tree.Visible()
	var b batch.Batch
	b.Put([]byte("key"), []byte("new"))
	b.Put([]byte("other"), []byte("new"))
	writer{e}.Apply(&commit.Request{Commit: commit.Commit{Batch: &b}, First: before + 1})
	if now := e.tree.Visible(); now != before {
		t.Errorf("%d is visible instead of %d", now, before)
	}
	if v, _, err := e.Get(nil, []byte("key"), Latest); string(v) != "old" || err != nil {
		t.Errorf("a reader sees %q, %v", v, err)
	}
}

// moveLevel0 moves the table of level 0 to another level, whatever there is in between.
func moveLevel0(t *testing.T, e *Engine, level int) {
	t.Helper()
	_, err := e.compactOnce(context.Background(), func(v *tree.View, _ compaction.Params) *compaction.Job {
		job := &compaction.Job{Reason: compaction.ReasonManual, OutputLevel: level, Move: true}
		job.Inputs[0] = v.Version().Levels[0]
		return job
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A table in the wrong level hides what is newer; Verify is where somebody can see it.
func TestVerify_noticesAgeThatDoesNotFollowDepth(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	for _, level := range []int{3, 5} { // the newer version comes to lie deeper
		put(t, e, "key", fmt.Sprint("in level ", level))
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		moveLevel0(t, e, level)
		var damage *corrupt.Error
		if err := e.Verify(context.Background(), nil); errors.As(err, &damage) != (level == 5) {
			t.Errorf("with a version in level %d: %v", level, err)
		}
	}
}
