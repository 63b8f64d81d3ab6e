package engine

import (
	"errors"
	"testing"

	"lightningdb/internal/format/corrupt"
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
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	for flushes := 1; flushes <= 2; flushes++ {
		put(t, e, "key", "value")
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if open, _ := e.tree.Tables().Size(); open != flushes {
			t.Errorf("%d tables are open after %d flushes", open, flushes)
		}
	}
}
