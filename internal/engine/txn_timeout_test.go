package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A commit that has begun rests on its locks. If the end of the context took them away in its middle, another
// transaction could write what is locked before the commit is there.
func TestTxn_commitKeepsItsLocksWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := errfs.New(memfs.New())
		e := openManual(t, disk)
		defer e.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tx := begin(e)
		defer tx.Close()
		if err := tx.Lock(ctx, []byte("k"), true); err != nil {
			t.Fatal(err)
		}
		medium, committed := make(chan struct{}), make(chan error, 1)
		// The commit waits for the medium.
		disk.SetRules(errfs.On(errfs.Sync).Named("*.wal").Times(1).Call(func(errfs.Op) { <-medium }))
		go func() { _, err := tx.Commit(ctx, batchOf("other"), true); committed <- err }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if e.locks.TryAcquire(lock.NewOwner(0), []byte("k")) {
			t.Error("a lock was let go in the middle of a commit")
		}
		close(medium)
		if err := <-committed; err != nil {
			t.Error(err)
		}
	})
}

// Once the locks have gone, others may have written what they were for: under snapshot isolation nothing else would
// keep the commit from coming after them.
func TestTxn_cannotCommitOnceItsLocksHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openManual(t, memfs.New())
		defer e.Close()
		ctx, cancel := context.WithCancel(t.Context())
		tx := begin(e)
		defer tx.Close()
		if err := tx.Lock(ctx, []byte("k"), true); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		put(t, e, "k", "other")
		if _, err := tx.Commit(ctx, batchOf("mine"), false); !errors.Is(err, context.Canceled) {
			t.Errorf("Commit: %v", err)
		}
	})
}
