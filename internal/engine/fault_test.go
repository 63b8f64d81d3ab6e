package engine

import (
	"syscall"
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/vfs"
	"lightningdb/internal/vfs/errfs"
	"lightningdb/internal/vfs/memfs"
)

// put commits one operation at Sync durability.
func put(t *testing.T, e *Engine, k, v string) {
	t.Helper()
	var b batch.Batch
	b.Put([]byte(k), []byte(v))
	if _, err := e.Commit(&b, true, nil); err != nil {
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

// A flushed table, and all commits in it, would be lost: when the disk was too full for the manifest's sync, the edit is
// in the manifest all the same, and names a table that was removed as if it were not.
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
		_, err = e.Commit(&b, true, nil)
	}
	fs.SetRules()
	if _, err := e.Commit(&b, true, nil); err != nil {
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
		_, err = e.Commit(&b, true, nil)
	}
	fs.SetRules()
	if err := e.Flush(); err != nil {
		t.Errorf("the disk has space again, yet: %v", err)
	}
}
