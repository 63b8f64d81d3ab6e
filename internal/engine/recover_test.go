package engine

import (
	"errors"
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// Of a log that is longer than a memtable, only the end would be there after a restart.
func TestOpen_replaysMoreThanAMemtable(t *testing.T) {
	const commits = 400
	disk := memfs.New()
	e := openManual(t, disk)
	value := make([]byte, 10_000)
	for i := range commits {
		var b batch.Batch
		b.Put(fmt.Appendf(nil, "%05d", i), value)
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
	}
	killed := disk.Kill()
	e.Close()
	for _, readOnly := range []bool{true, false} {
		e, err := Open(Options{FS: killed, Manual: true, MemoryLimit: MinMemoryLimit, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		if n := e.Report().Records; n != commits || int64(n*10_000) < 3*int64(e.budget.Memtable) {
			t.Fatalf("%d commits replayed, for memtables of %d bytes", n, e.budget.Memtable)
		}
		for i := range commits {
			if ok, err := e.Has(fmt.Appendf(nil, "%05d", i), Latest); !ok || err != nil {
				t.Fatalf("read-only %v: commit %d: found %v, %v", readOnly, i, ok, err)
			}
		}
		e.Close()
		killed = killed.Kill()
	}
}

// A database that lost a table would open as if it were whole, and say so at some read, or never.
func TestOpen_refusesWhenATableIsMissing(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	put(t, e, "key", "value")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	level0 := e.tree.Current().Version().Levels[0]
	killed := disk.Kill()
	e.Close()
	if err := killed.Remove(tableName(level0[0])); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		e, err := Open(Options{FS: killed.Kill(), Manual: true, ReadOnly: readOnly})
		if !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("read-only %v: %v", readOnly, err)
		}
		if err == nil {
			e.Close()
		}
	}
}

// A table of the right name and identity, but not the one that the manifest speaks of, would be served.
func TestOpen_comparesTablesWithTheManifest(t *testing.T) {
	for name, change := range map[string]func(meta *manifest.TableMeta){
		"digest":  func(meta *manifest.TableMeta) { meta.Digest++ },
		"entries": func(meta *manifest.TableMeta) { meta.Entries++ },
		"size":    func(meta *manifest.TableMeta) { meta.Size++ },
		"id":      func(meta *manifest.TableMeta) { meta.ID++ },
	} {
		e := openManual(t, memfs.New())
		put(t, e, "key", "value")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		meta := *e.tree.Current().Version().Levels[0][0]
		o, err := e.tree.Tables().OpenInput(t.Context(), &meta)
		if err != nil {
			t.Fatal(err)
		}
		o.Close()
		change(&meta)
		if _, err := e.tree.Tables().OpenInput(t.Context(), &meta); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("another %s: %v", name, err)
		}
		e.Close()
	}
}
