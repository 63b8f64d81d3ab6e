package engine

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// A key would be missing that is in a table, because the manifest gives the table a smaller range; a compaction would
// drop a tombstone that hides something, because the manifest counts none.
func TestOpenTable_holdsItAgainstEveryWordOfTheManifest(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	put(t, e, "first", "a")
	put(t, e, "large", "b")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	named := *e.tree.Current().Version().Levels[0][0]
	o, err := e.tree.Tables().OpenInput(t.Context(), &named)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	for what, change := range map[string]func(m *manifest.TableMeta){
		"id":                       func(m *manifest.TableMeta) { m.ID++ },
		"size":                     func(m *manifest.TableMeta) { m.Size++ },
		"digest":                   func(m *manifest.TableMeta) { m.Digest++ },
		"entries":                  func(m *manifest.TableMeta) { m.Entries++ },
		"tombstones":               func(m *manifest.TableMeta) { m.Tombstones++ },
		"shadowed":                 func(m *manifest.TableMeta) { m.Shadowed++ },
		"raw bytes":                func(m *manifest.TableMeta) { m.RawBytes++ },
		"smallest sequence number": func(m *manifest.TableMeta) { m.SmallestSeq-- },
		"largest sequence number":  func(m *manifest.TableMeta) { m.LargestSeq++ },
		"smallest key":             func(m *manifest.TableMeta) { m.Smallest = []byte("firs") },
		"largest key":              func(m *manifest.TableMeta) { m.Largest = []byte("larg") },
	} {
		meta := named
		change(&meta)
		if o, err := e.tree.Tables().OpenInput(t.Context(), &meta); err == nil {
			o.Close()
			t.Errorf("another %s: the table is opened", what)
		} else if !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("another %s: %v", what, err)
		}
	}
}

// All readers would wait for the first of them that comes to a new table, until that has opened it.
func TestInstall_opensTablesAhead(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	for flushes := 1; flushes <= 2; flushes++ {
		put(t, e, "key", "value")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if open, _ := e.tree.Tables().Size(); open != flushes {
			t.Errorf("%d tables are open after %d flushes", open, flushes)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openManual(t, disk.Kill())
	defer e.Close()
	put(t, e, "key", "value")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if open, _ := e.tree.Tables().Size(); open != 1 {
		t.Errorf("%d tables are open after the first flush of an Open, of which one is new", open)
	}
}

// countingFS knows how many files are open.
type countingFS struct {
	vfs.FS
	open, most atomic.Int64
}

func (c *countingFS) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	c.most.Store(max(c.most.Load(), c.open.Add(1)))
	return &countedFile{f, c}, nil
}

type countedFile struct {
	vfs.File
	fs *countingFS
}

func (f *countedFile) Close() error {
	f.fs.open.Add(-1)
	return f.File.Close()
}

// A database that is only read has no housekeeper: every table that it closes to open another would stay open, until
// the process has no descriptors left.
func TestReadOnly_keepsFewTablesOpen(t *testing.T) {
	disk := memfs.New()
	e := openSplitting(t, disk)
	const keys = 1400
	var b batch.Batch
	for i := range keys {
		b.Put(fmt.Appendf(nil, "key %04d", i), fmt.Appendf(nil, "%0600d", i))
	}
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Compact(t.Context(), nil, nil), e.Close()); err != nil {
		t.Fatal(err)
	}
	counted := &countingFS{FS: disk.Kill()}
	e, err := Open(Options{FS: counted, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for i := range keys {
			if found, err := e.Has(fmt.Appendf(nil, "key %04d", i), Latest); !found || err != nil {
				t.Fatalf("key %d: %v, %v", i, found, err)
			}
		}
	}
	if tables := len(e.tree.Current().Version().Levels[manifest.NumLevels-1]); tables < 600 || counted.most.Load() > 510 {
		t.Errorf("of %d tables %d were open at once", tables, counted.most.Load())
	}
	if err := e.Close(); err != nil || counted.open.Load() != 0 {
		t.Errorf("Close: %v; %d files are open", err, counted.open.Load())
	}
}
