package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// A database whose level 0 is long could not be closed cleanly: Close waited for a compaction that it had stopped.
func TestClose_flushesWhateverLevel0Holds(t *testing.T) {
	fs := memfs.New()
	for range stopRuns + 3 {
		e := openManual(t, fs)
		put(t, e, "key", "value")
		if err := e.Close(); err != nil {
			t.Fatalf("Close with a long level 0: %v", err)
		}
		fs = fs.Kill()
	}
	e := openManual(t, fs)
	defer e.Close()
	if n := len(e.tree.Current().Version().Levels[0]); n <= stopRuns {
		t.Fatalf("level 0 has %d tables; this test needs more than %d", n, stopRuns)
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
	if err := e.Metrics().Failure; !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without descriptors, the metrics say %v", err)
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

// Whoever asked for the flush that found no descriptors has gone. An operator would be told of nothing while nothing is
// flushed, or of something that has long passed.
func TestFlush_isBegunAgainWhenThereAreDescriptors(t *testing.T) {
	fs := errfs.New(memfs.New())
	e, err := Open(Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "key", "value")
	none := errfs.On(errfs.Create, errfs.Open).Fail(syscall.EMFILE)
	fs.SetRules(none)
	if err := e.Flush(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Flush without descriptors gave %v", err)
	}
	if err := e.Metrics().Failure; !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without descriptors, the metrics say %v", err)
	}
	time.Sleep(2 * retryInterval)
	if n := none.Applied(fs); n > 20 { // some in each half second, not as many as the processor makes
		t.Errorf("%d calls found no descriptor meanwhile", n)
	}
	if err := e.Metrics().Failure; !errors.Is(err, syscall.EMFILE) {
		t.Errorf("after some tries, the metrics say %v", err)
	}
	fs.SetRules()
	deadline := time.Now().Add(time.Minute)
	for m := e.Metrics(); m.Failure != nil || m.Flush.Count != 1; m = e.Metrics() {
		if time.Now().After(deadline) {
			t.Fatalf("with descriptors, after a minute: %v, %d flushes", m.Failure, m.Flush.Count)
		}
		time.Sleep(time.Millisecond)
	}
}

// What a medium that has failed takes the second time need not be there: Close would remove the log for it.
func TestClose_doesNotFlushAgainAfterAFailure(t *testing.T) {
	begun := make(chan bool)
	disk := memfs.New()
	fs := errfs.New(disk)
	e, err := Open(Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	put(t, e, "key", "value")
	fs.SetRules(errfs.On(errfs.Sync).Named("*.tbl").Times(1).Fail(syscall.EIO).Call(func(errfs.Op) {
		close(begun)
		for !e.Closed() {
			runtime.Gosched()
		}
	}))
	if err := freezeActive(e); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := e.Close(); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v", err)
	}
	version, _, err := manifest.Recover(disk.Kill())
	if err != nil || len(version.Levels[0]) > 0 {
		t.Errorf("%d tables were installed: %v", len(version.Levels[0]), err)
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
		var b batch.Batch
		b.Put([]byte("key"), []byte("value"))
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
		fs.SetRules(rule.Fail(syscall.EIO))
		if err := e.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Close says: %v", name, err)
		}
	}
}

// After a clean close no log is needed, and the manifest says so: one that somebody adds must not pass for
// a part of the database, nor may its absence.
func TestClose_leavesNoLog(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	put(t, e, "key", "value")
	log := readFile(t, disk, filename.Make(filename.Log, e.log.Num()))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	disk = disk.Kill()
	names, err := disk.List()
	if err != nil || slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".wal") }) {
		t.Errorf("after Close there are %q, %v", names, err)
	}
	again := openManual(t, disk)
	if r := again.Report(); r.Records != 0 || r.Segments != 0 || r.LastSequence != 1 {
		t.Errorf("Open reports %+v", r)
	}
	again.Close()

	disk = disk.Kill()
	f, err := disk.Create(filename.Make(filename.Log, 1000)) // commits of which the manifest knows nothing
	if err == nil {
		_, err = f.WriteAt(log, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if stray, err := Open(Options{FS: disk, Manual: true}); err == nil {
		if got := scan(t, stray, nil); len(got) != 1 {
			t.Errorf("beside a log from elsewhere there are %v", got)
		}
		stray.Close()
	} else if !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("Open beside a log from elsewhere: %v", err)
	}
}

func readFile(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	data := make([]byte, size)
	if _, err2 := f.ReadAt(data, 0); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return data
}

// What was flushed before the close is closed, too: a log would be left that holds nothing, and a salvage could not say
// that nothing is missing behind what it has found.
func TestClose_leavesNoLogBehindAFlush(t *testing.T) {
	disk := memfs.New()
	for i, change := range []func(e *Engine) error{
		func(e *Engine) error { put(t, e, "key", "value"); return e.Flush() },
		func(e *Engine) error { return e.Compact(context.Background(), nil, nil) },
	} {
		e := openManual(t, disk)
		if err := errors.Join(change(e), e.Close()); err != nil {
			t.Fatal(err)
		}
		disk = disk.Kill()
		names, err := disk.List()
		if err != nil || slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".wal") }) {
			t.Errorf("change %d: after Close there are %q, %v", i, names, err)
		}
	}
}

// A program that opens a database to read would wait for syncs that make nothing safer.
func TestClose_writesNothingWhereNothingWasCommitted(t *testing.T) {
	disk := memfs.New()
	openManual(t, disk).Close()
	disk = disk.Kill()
	e := openManual(t, disk)
	if _, err := e.Has([]byte("key"), Latest); err != nil {
		t.Fatal(err)
	}
	before := disk.Ops()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := disk.Ops() - before; n > 1 { // the lock says that it is closed
		t.Errorf("Close made %d changes", n)
	}
}

// A log that was lost in a crash would be taken for the one that the clean close before it had left empty.
func TestOpen_missesALogThatBeganAfterACleanClose(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	put(t, e, "key", "value")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	disk = disk.Kill()
	e = openManual(t, disk)
	put(t, e, "another", "value")
	name := filename.Make(filename.Log, e.log.Num())
	disk = disk.Kill()
	if err := disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{FS: disk, Manual: true}); !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("Open without %s: %v", name, err)
	}
}
