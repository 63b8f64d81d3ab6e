package engine

import (
	"errors"
	"syscall"
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/corrupt"
	"lightningdb/internal/filename"
	"lightningdb/internal/record"
	"lightningdb/internal/vfs/errfs"
	"lightningdb/internal/vfs/memfs"
)

// A database whose level 0 is long could not be closed cleanly: Close waited for a compaction that it had stopped.
func TestClose_flushesWhateverLevel0Holds(t *testing.T) {
	fs := memfs.New()
	for range stopTables + 3 {
		e := openManual(t, fs)
		put(t, e, "key", "value")
		if err := e.Close(); err != nil {
			t.Fatalf("Close with %d tables in level 0: %v", len(e.tables), err)
		}
		fs = fs.Kill()
	}
	e := openManual(t, fs)
	defer e.Close()
	if n := len(e.view.Load().levels[0]); n <= stopTables {
		t.Fatalf("level 0 has %d tables; this test needs more than %d", n, stopTables)
	}
	if e.Report().Records != 0 {
		t.Errorf("%d commits had to be replayed after a clean close", e.Report().Records)
	}
}

// A program that ends with a clean Close believes its commits durable, also those whose sync failed behind its back.
func TestClose_tellsOfASyncThatFailedInTheBackground(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	var b batch.Batch
	b.Put([]byte("key"), []byte("value"))
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
	fs.SetRules(errfs.On(errfs.Sync).Named("*.wal").Fail(syscall.EIO))
	if _, err := e.SyncStep(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("SyncStep gave %v", err)
	}
	fs.SetRules()
	if err := e.Close(); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Close gave %v", err)
	}
}

// Running out of file descriptors is the program's passing trouble: a database that never wrote again after it would
// have to be restarted at night.
func TestCommit_resumesAfterFileDescriptorsRanOut(t *testing.T) {
	fs := errfs.New(memfs.New())
	e := openManual(t, fs)
	defer e.Close()
	put(t, e, "before", "1")
	fs.SetRules(errfs.On(errfs.Create, errfs.Open).Fail(syscall.EMFILE))
	if err := e.Flush(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Flush without descriptors gave %v", err)
	}
	put(t, e, "meanwhile", "2")
	fs.SetRules()
	if err := e.Flush(); err != nil {
		t.Errorf("Flush with descriptors gave %v", err)
	}
	for _, k := range []string{"before", "meanwhile"} {
		if ok, err := e.Has([]byte(k), Latest); !ok || err != nil {
			t.Errorf("%s: %v, %v", k, ok, err)
		}
	}
}

// A program would end in the belief that everything is in tables, or at least in the log.
func TestClose_saysWhatItCouldNotWrite(t *testing.T) {
	for name, rule := range map[string]*errfs.Rule{
		"log":      errfs.On(errfs.Sync).Named("*.wal"),
		"table":    errfs.On(errfs.Create).Named("*.tbl"),
		"manifest": errfs.On(errfs.Write).Named("MANIFEST-*"),
	} {
		fs := errfs.New(memfs.New())
		e := openManual(t, fs)
		put(t, e, "key", "value")
		fs.SetRules(rule.Fail(syscall.EIO))
		if err := e.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Close says: %v", name, err)
		}
	}
}

// After a clean close it is known where the log ends: one that lost its last records would open without them.
func TestClose_notesWhereTheLogEnds(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	put(t, e, "key", "value")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	disk = disk.Kill()
	name := filename.Make(filename.Log, e.segmentNum)
	header := make([]byte, record.FileHeaderSize)
	f, err := disk.Open(name)
	if err == nil {
		_, err = f.ReadAt(header, 0)
	}
	if err = errors.Join(err, disk.Remove(name)); err != nil {
		t.Fatal(err)
	}
	if f, err = disk.Create(name); err == nil {
		_, err = f.WriteAt(header, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{FS: disk, Manual: true})
	if !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("a log that was cut: %v", err)
	}
	if err == nil {
		again.Close()
	}
}
