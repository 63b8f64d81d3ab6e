package engine

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/vfs/errfs"
	"lightningdb/internal/vfs/memfs"
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
		{"the log cannot be written out", errfs.On(errfs.WriteOut).Named("*.wal"), (*Engine).writeOutLog},
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
			if err := e.writable(); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
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
