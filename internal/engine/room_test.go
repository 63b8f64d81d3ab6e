package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// full is an engine whose flushes stand still until released is closed, by release, and to which there have been
// commits until one of them waited for room. waited has the result of that one.
type full struct {
	*Engine
	released chan struct{}
	release  func()
	waited   chan error
}

func openFull(t *testing.T) full {
	t.Helper()
	fs := errfs.New(memfs.New())
	f := full{released: make(chan struct{}), waited: make(chan error, 1)}
	f.release = sync.OnceFunc(func() { close(f.released) })
	time.AfterFunc(20*time.Second, f.release) // what waits on all the same fails, and does not hang
	fs.SetRules(errfs.On(errfs.Write).Named("*.tbl").Call(func(errfs.Op) { <-f.released }))
	var err error
	if f.Engine, err = Open(Options{FS: fs, MemoryLimit: MinMemoryLimit}); err != nil {
		t.Fatal(err)
	}
	go func() {
		var err error
		for n := 0; err == nil && f.Metrics().Stall.Count == 0; n++ {
			err = putBytes(f.Engine, fmt.Sprint("filling ", n), 64<<10)
		}
		f.waited <- err
	}()
	f.untilWaiting(t, 1)
	return f
}

// untilWaiting returns once n commits have waited, or wait.
func (f *full) untilWaiting(t *testing.T, n uint64) {
	t.Helper()
	for start := time.Now(); f.Metrics().Stall.Count < n; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("%d commits do not wait", n)
		}
	}
}

// stillFull reports whether the flush stands.
func (f *full) stillFull() bool {
	select {
	case <-f.released:
		return false
	default:
		return true
	}
}

func putBytes(e *Engine, user string, n int) error {
	var b batch.Batch
	b.Put([]byte(user), make([]byte, n))
	_, err := e.Commit(&b, false)
	return err
}

// A request with a deadline would wait for the flush of others, on a slow disk for seconds.
func TestRoom_theWaitEndsWithTheContext(t *testing.T) {
	f := openFull(t)
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	tx := begin(f.Engine)
	defer tx.Close()
	var b batch.Batch
	b.Put([]byte("given up"), make([]byte, 64<<10))
	if _, err := tx.Commit(ctx, &b, false); !errors.Is(err, context.DeadlineExceeded) || !f.stillFull() {
		t.Errorf("a commit that found no room: %v", err)
	}
	f.queue.Settle() // nobody waits inside the queue: this returns while the flush stands
	f.release()
	if err := <-f.waited; err != nil {
		t.Error(err)
	}
	if got, found, err := f.Get(nil, []byte("given up"), f.tree.Visible()); found || err != nil {
		t.Errorf("what was given up is there: %d bytes, %v", len(got), err)
	}
	if err := putBytes(f.Engine, "later", 64<<10); err != nil {
		t.Errorf("after the flush: %v", err)
	}
}

// Close would wait for a commit that waits for a flush, which may never come.
func TestRoom_theWaitEndsWithTheEngine(t *testing.T) {
	f := openFull(t)
	waited := make(chan error, 1)
	go func() { waited <- putBytes(f.Engine, "late", 64<<10) }()
	f.untilWaiting(t, 2)
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	for _, result := range []chan error{waited, f.waited} {
		if err := <-result; !errors.Is(err, ErrClosed) || !f.stillFull() {
			t.Errorf("a commit that Close has ended: %v", err)
		}
	}
	f.release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
