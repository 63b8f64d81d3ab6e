package engine

import (
	"errors"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// put commits one operation at Sync durability.
func put(t *testing.T, e *Engine, k, v string) {
	t.Helper()
	var b batch.Batch
	b.Put([]byte(k), []byte(v))
	if _, err := e.Commit(&b, true); err != nil {
		t.Fatal(err)
	}
}

// putUnsynced commits one operation at Process durability.
func putUnsynced(t *testing.T, e *Engine, k, v string) {
	t.Helper()
	var b batch.Batch
	b.Put([]byte(k), []byte(v))
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
}

func openManual(t *testing.T, fs vfs.FS) *Engine {
	t.Helper()
	e, err := Open(Options{FS: fs, Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// openSwitching opens an engine that begins a new manifest with each edit.
func openSwitching(t *testing.T, fs vfs.FS) *Engine {
	t.Helper()
	e, err := Open(Options{FS: fs, Manual: true, ManifestLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// tableName is the name of the file of t.
func tableName(t *manifest.TableMeta) string { return filename.Make(filename.Table, t.Num) }

// A flushed table, and all commits in it, would be lost: when the disk was too full for the manifest's sync, the edit
// is in the manifest all the same, and names a table that was removed as if it were not.
func TestFlush_keepsTablesOfAnUndecidedEdit(t *testing.T) {
	disk := memfs.New()
	fs := errfs.New(disk)
	e := openManual(t, fs)
	put(t, e, "key", "value")
	fs.SetRules(errfs.On(errfs.Sync).Named("MANIFEST-*").Nth(1).Fail(syscall.ENOSPC))
	if err := e.Flush(); err == nil {
		t.Fatal("Flush succeeded though the manifest was not synced")
	}
	if _, err := e.CleanStep(); err != nil {
		t.Fatal(err)
	}
	e.Close()
	e = openManual(t, disk.Kill())
	defer e.Close()
	if v, found, err := e.Get(nil, []byte("key"), Latest); string(v) != "value" || err != nil {
		t.Errorf("after reopening: %q, found %v, %v", v, found, err)
	}
}

// A file system may report a lost write no earlier than at the close: the log would be removed all the same.
func TestFlush_closeErrorOfATableCounts(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	put(t, e, "key", "value")
	fs.SetRules(errfs.On(errfs.Close).Named("*.tbl").Fail(syscall.EIO))
	if err := e.Flush(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Flush: %v", err)
	}
	if n := len(e.tree.Current().Version().Levels[0]); n != 0 {
		t.Errorf("%d tables are in use", n)
	}
}

// A flush of one memtable would lose another: at once, or in the next crash.
func TestFlush_keepsTheOtherMemtables(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	for _, k := range []string{"a", "b", "c"} {
		put(t, e, k, "value")
		if err := e.queue.Exclusive(func() error { return e.freeze(0) }); err != nil {
			t.Fatal(err)
		}
	}
	put(t, e, "d", "value")
	for flushed := range 4 {
		again := openManual(t, disk.Image(memfs.None, 0))
		for _, k := range []string{"a", "b", "c", "d"} {
			if ok, err := e.Has([]byte(k), Latest); !ok || err != nil {
				t.Errorf("after %d flushes, %s: found %v, %v", flushed, k, ok, err)
			}
			if ok, err := again.Has([]byte(k), Latest); !ok || err != nil {
				t.Errorf("after %d flushes and a power cut, %s: found %v, %v", flushed, k, ok, err)
			}
		}
		again.Close()
		if worked, err := e.FlushStep(); worked != (flushed < 3) || err != nil {
			t.Fatalf("flush %d: %v, %v", flushed, worked, err)
		}
		if _, err := e.CleanStep(); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
}

// A database would be without a manifest if a crash came while one took over from the other.
func TestManifest_takeoverSurvivesPowerCutsAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		disk := memfs.New()
		e := openSwitching(t, disk)
		put(t, e, "key", "value")
		before := e.store.Num()
		disk.CrashAt(disk.Ops() + n)
		err := e.Flush()
		if err == nil {
			_, err = e.CleanStep()
		}
		if !disk.Crashed() && (err != nil || e.store.Num() == before) {
			t.Fatalf("manifest %d is still in force: %v", before, err)
		}
		for _, policy := range memfs.Policies {
			again, err := Open(Options{FS: disk.Image(policy, uint64(n)), Manual: true})
			if err != nil {
				t.Fatalf("crash at change %d, %v: %v", n, policy, err)
			}
			if v, _, err := again.Get(nil, []byte("key"), Latest); string(v) != "value" || err != nil {
				t.Errorf("crash at change %d, %v: %q, %v", n, policy, v, err)
			}
			again.Close()
		}
		crashed := disk.Crashed()
		e.Close()
		if !crashed {
			return
		}
	}
}

// After a rename whose sync failed, either manifest may be in force: the database would be without one if the new one
// were removed, even if the cause was a full disk.
func TestManifest_undecidedTakeoverKeepsBoth(t *testing.T) {
	disk := memfs.New()
	fs := errfs.New(disk)
	e := openSwitching(t, fs)
	put(t, e, "key", "value")
	renamed := false
	fs.SetRules(errfs.On(errfs.Rename).Named("CURRENT").Call(func(errfs.Op) {
		renamed = true
		fs.SetRules(errfs.On(errfs.SyncDir).Times(1).Fail(syscall.ENOSPC),
			errfs.On(errfs.Write).Named("MANIFEST-*").Call(func(op errfs.Op) {
				t.Errorf("%v, though it is not known to count", op)
			}))
	}))
	if err := e.Flush(); err == nil || !renamed {
		t.Fatalf("CURRENT was renamed: %v; and the error: %v", renamed, err)
	}
	if _, err := e.CleanStep(); err != nil {
		t.Fatal(err)
	}
	for _, policy := range memfs.Policies {
		again, err := Open(Options{FS: disk.Image(policy, 1), Manual: true})
		if err != nil {
			t.Errorf("%v: %v", policy, err)
			continue
		}
		if v, _, err := again.Get(nil, []byte("key"), Latest); string(v) != "value" || err != nil {
			t.Errorf("%v: %q, %v", policy, v, err)
		}
		again.Close()
	}
	e.Close()
}

// A database without background goroutines would never write again after its disk was full once.
func TestCommit_resumesAfterFullDiskInManualMode(t *testing.T) {
	fs := errfs.New(memfs.New())
	e, err := Open(Options{FS: fs, Manual: true, LogLimit: 6 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	fs.SetRules(errfs.On(errfs.Create).Named("*.tbl").Fail(syscall.ENOSPC))
	var b batch.Batch
	b.Put([]byte("key"), make([]byte, 2<<10))
	for err == nil {
		_, err = e.Commit(&b, true)
	}
	fs.SetRules()
	if _, err := e.Commit(&b, true); err != nil {
		t.Errorf("the disk has space again, yet: %v", err)
	}
}

// A program that frees space and flushes would be told that the disk is still full.
func TestFlush_triesAgainAfterFullDisk(t *testing.T) {
	fs := errfs.New(memfs.New())
	e, err := Open(Options{FS: fs, LogLimit: 6 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	fs.SetRules(errfs.On(errfs.Create).Named("*.tbl").Fail(syscall.ENOSPC))
	var b batch.Batch
	b.Put([]byte("key"), make([]byte, 2<<10))
	for err == nil {
		_, err = e.Commit(&b, true)
	}
	fs.SetRules()
	if err := e.Flush(); err != nil {
		t.Errorf("the disk has space again, yet: %v", err)
	}
}
