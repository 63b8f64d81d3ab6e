package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// openLayers returns a database of several tables, of many pages each, over each other.
func openLayers(t *testing.T) (*Engine, *errfs.FS) {
	t.Helper()
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	for layer := range 4 {
		var b batch.Batch
		for i := range 3000 {
			b.Put(fmt.Appendf(nil, "%d/%06d", i%7, i), fmt.Appendf(nil, "%0100d", i*layer))
		}
		if _, err := e.Commit(&b, true); err != nil {
			t.Fatal(err)
		}
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return e, fs
}

// cancelAtRead returns a context that ends with the nth read of a table from now on. count is one more rule.
func cancelAtRead(t *testing.T, fs *errfs.FS, n int, count *errfs.Rule) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	fs.SetRules(count, errfs.On(errfs.Read).Named("*.tbl").Nth(n).Call(func(errfs.Op) { cancel() }))
	return ctx
}

// A program that is to end, or a request that was given up, would wait for a medium that is slow, page after page.
func TestContext_endsAJobBeforeTheNextRead(t *testing.T) {
	for name, job := range map[string]func(*Engine, context.Context) error{
		"Verify":  func(e *Engine, ctx context.Context) error { return e.Verify(ctx, nil) },
		"Compact": func(e *Engine, ctx context.Context) error { return e.Compact(ctx, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			e, fs := openLayers(t)
			defer e.Close()
			const opening = 2 // reads of a table that was complete, and is opened ahead
			n := 1
			for ; ; n++ {
				reads := errfs.On(errfs.Read).Named("*.tbl")
				ctx := cancelAtRead(t, fs, n, reads)
				err := job(e, ctx)
				if ctx.Err() == nil || err == nil && reads.Applied(fs) == n {
					if err != nil {
						t.Errorf("without an end: %v", err)
					}
					break
				}
				if reads := reads.Applied(fs); !errors.Is(err, context.Canceled) || reads > n+opening {
					t.Errorf("ended at read %d: %d reads, %v", n, reads, err)
				}
				if err := e.dir.Writable(); err != nil {
					t.Fatal(err)
				}
			}
			if n < 10 {
				t.Errorf("there are only %d reads", n)
			}
		})
	}
}

// A compaction of hours holds the turn: whoever gives up waiting for it must be let go.
func TestContext_endsTheWaitForACompaction(t *testing.T) {
	e := openManual(t, memfs.New())
	defer e.Close()
	put(t, e, "key", "value")
	if err := e.compactor.turn.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.compactor.turn.End()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Compact(ctx, nil, nil) }()
	for !isInside("calls.Turn.Take") {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Compact: %v", err)
	}
}
