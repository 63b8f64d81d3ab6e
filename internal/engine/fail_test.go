package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A database would go on writing to a device that has failed, and build acknowledged commits on what is not there.
func TestFail_stopsWrites(t *testing.T) {
	for _, c := range []struct {
		name string
		rule *errfs.Rule
		meet func(e *Engine) error
	}{
		{"a table cannot be created", errfs.On(errfs.Create).Named("*.tbl"), (*Engine).Flush},
		{"a table cannot be synced", errfs.On(errfs.Sync).Named("*.tbl"), (*Engine).Flush},
		{"a table cannot be written out", errfs.On(errfs.WriteOut).Named("*.tbl"), (*Engine).Flush},
		{"an edit cannot be written", errfs.On(errfs.Write).Named("MANIFEST-*"), (*Engine).Flush},
		{"an edit cannot be synced", errfs.On(errfs.Sync).Named("MANIFEST-*"), (*Engine).Flush},
		{"the log cannot be synced", errfs.On(errfs.Sync).Named("*.wal"),
			func(e *Engine) error { _, err := e.SyncStep(); return err }},
		{"the log cannot be written out", errfs.On(errfs.WriteOut).Named("*.wal"),
			func(e *Engine) error { return e.log.WriteOut() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := errfs.New(memfs.New())
			e := openManual(t, fs)
			defer e.Close()
			var b batch.Batch
			b.Put([]byte("key"), []byte("value"))
			b.Put([]byte("large"), bytes.Repeat([]byte("incompressible"), 150_000)) // a table of more than one piece
			if _, err := e.Commit(&b, false); err != nil {
				t.Fatal(err)
			}
			fs.SetRules(c.rule.Times(1).Fail(syscall.EIO))
			if err := c.meet(e); !errors.Is(err, syscall.EIO) {
				t.Fatalf("the failure is reported as: %v", err)
			}
			if err := e.dir.Writable(); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
				t.Errorf("writes are refused with: %v", err)
			}
			if _, err := e.Commit(&b, true); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
				t.Errorf("the next commit: %v", err)
			}
			if ok, err := e.Has([]byte("key"), Latest); !ok || err != nil {
				t.Errorf("a read: found %v, %v", ok, err)
			}
		})
	}
}

// The second copy of what a failed sync has lost is in files that are needed no more if all is well: a flush that ran
// on would have them removed.
func TestFail_leavesTheFilesAsTheyAre(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	failed := make(map[string]int)
	for range 60 {
		name, rule := failures[random.IntN(len(failures))].pick(random)
		if failBesideEverything(t, random, name, rule) {
			failed[name]++
		}
		if t.Failed() {
			return
		}
	}
	t.Log(failed)
	if len(failed) < len(failures)/2 {
		t.Errorf("too few calls failed: %v", failed)
	}
}

// failing is calls of the directory of which one fails.
type failing struct {
	kind errfs.Kind
	file string
}

func (f failing) pick(random *rand.Rand) (string, *errfs.Rule) {
	return fmt.Sprint(f.kind, " ", f.file), errfs.On(f.kind).Named(f.file).Nth(1 + random.IntN(8)).Fail(syscall.EIO)
}

var failures = []failing{
	{errfs.Sync, "*.wal"}, {errfs.Write, "*.wal"}, {errfs.Close, "*.wal"}, {errfs.Create, "*.wal"},
	{errfs.Sync, "*.tbl"}, {errfs.Write, "*.tbl"}, {errfs.Close, "*.tbl"},
	{errfs.Sync, "MANIFEST-*"}, {errfs.Write, "MANIFEST-*"}, {errfs.Create, "MANIFEST-*"},
	{errfs.Rename, "CURRENT"}, {errfs.Rename, "*.wal"}, {errfs.SyncDir, ""},
}

// changesFiles reports whether op changes what counts in the directory.
func changesFiles(op errfs.Op) bool {
	manifest, _ := path.Match("MANIFEST-*", op.Name)
	switch op.Kind {
	case errfs.Rename, errfs.Remove:
		return true
	case errfs.Create, errfs.Write, errfs.Sync:
		return manifest || op.Name == "CURRENT.tmp"
	}
	return false
}

// failBesideEverything lets rule meet a database that does all it can, and reports whether it did. From the failure
// on no file may be changed, and what was acknowledged must be there afterwards.
func failBesideEverything(t *testing.T, random *rand.Rand, name string, rule *errfs.Rule) bool {
	disk := memfs.New()
	files := errfs.New(disk)
	e, err := Open(Options{FS: files, MemoryLimit: 1 << 20, LogLimit: 64 << 10, ManifestLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	watch := errfs.On().Call(func(op errfs.Op) {
		if !changesFiles(op) {
			return
		}
		if cause := e.dir.Cause(); cause != nil {
			t.Errorf("%s: %v, after %v", name, op, cause)
		}
		runtime.Gosched() // another may fail now
	})
	files.SetRules(watch, rule)
	var workers sync.WaitGroup
	acked := make([]int, 3)
	for w := range acked {
		workers.Go(func() {
			for n := 1; n < 400; n++ {
				if _, err := e.Commit(failBatch(w, n), w > 0); err != nil {
					return
				}
				if w > 0 {
					acked[w] = n // at Sync
				}
			}
		})
	}
	for range random.IntN(3) {
		workers.Go(func() {
			for e.Flush() == nil && e.Compact(context.Background(), nil, nil) == nil {
				if e.tree.Visible() >= 3*399 {
					return
				}
			}
		})
	}
	workers.Wait()
	e.Close() // it says what failed
	checkAcked(t, name, disk.Kill(), acked)
	checkAcked(t, name, disk.Image(memfs.None, 0), acked)
	return rule.Applied(files) > 0
}

// failBatch is the nth commit of worker w.
func failBatch(w, n int) *batch.Batch {
	var b batch.Batch
	b.Put(fmt.Appendf(nil, "%d/%d", w, n), bytes.Repeat([]byte{byte(n)}, 300))
	return &b
}

func checkAcked(t *testing.T, name string, disk *memfs.FS, acked []int) {
	t.Helper()
	again, err := Open(Options{FS: disk, Manual: true})
	if err != nil {
		t.Errorf("%s: reopen: %v", name, err)
		return
	}
	defer again.Close()
	for w := range acked {
		for n := 1; n <= acked[w]; n++ {
			if ok, err := again.Has(fmt.Appendf(nil, "%d/%d", w, n), Latest); !ok || err != nil {
				t.Errorf("%s: commit %d of %d was acknowledged: found %v, %v", name, n, w, ok, err)
				return
			}
		}
	}
}

// Whoever is called makes room for a database that has stopped, or replaces a disk that is only full.
func TestMetrics_tellWhetherWritesHaveStopped(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	var b batch.Batch
	b.Put([]byte("key"), bytes.Repeat([]byte("incompressible"), 150_000))
	fs.SetRules(errfs.On(errfs.Create, errfs.Write, errfs.Allocate).Named("*.wal").Fail(syscall.ENOSPC))
	refused := uint64(0)
	for range 100 {
		if _, err := e.Commit(&b, false); errors.Is(err, syscall.ENOSPC) {
			refused++
		}
	}
	if m := e.Metrics(); refused == 0 || m.Disk.Refused != refused || errors.Is(m.Failure, ErrReadOnly) {
		t.Errorf("%d of %d commits met the full disk, %v", m.Disk.Refused, refused, m.Failure)
	}
	fs.SetRules(errfs.On(errfs.Sync).Named("*.wal").Times(1).Fail(syscall.EIO))
	if _, err := e.Commit(&b, true); err == nil {
		t.Fatal("a sync that failed is not told of")
	}
	if m := e.Metrics(); !errors.Is(m.Failure, ErrReadOnly) || !errors.Is(m.Failure, syscall.EIO) {
		t.Errorf("after a failed sync: %v", m.Failure)
	}
}
