package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A commit at Process durability may be lost to a power cut for SyncInterval and not longer.
func TestCommit_isSyncedWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := errfs.New(memfs.New())
		e, err := Open(Options{FS: fs, MemoryLimit: MinMemoryLimit, SyncInterval: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for range 3 {
			synctest.Wait()
			before := fs.Count(errfs.Sync)
			var b batch.Batch
			b.Put([]byte("k"), []byte("v"))
			if _, err := e.Commit(&b, false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2900 * time.Millisecond)
			synctest.Wait()
			if n := fs.Count(errfs.Sync) - before; n != 0 {
				t.Errorf("%d syncs before the interval was over", n)
			}
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
			if fs.Count(errfs.Sync) == before || e.log.Durable() != e.tree.Visible() {
				t.Error("the commit is not synced after the interval")
			}
			time.Sleep(time.Minute) // idle: nothing to sync
			synctest.Wait()
			if n := fs.Count(errfs.Sync) - before; n != 1 {
				t.Errorf("%d syncs for one commit", n)
			}
		}
	})
}
