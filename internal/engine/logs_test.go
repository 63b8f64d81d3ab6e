package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// rotateLog fills a segment a little, flushes it, and has the housekeeper come by.
func rotateLog(t *testing.T, e *Engine, round int) {
	t.Helper()
	put(t, e, fmt.Sprintf("k%d", round), "v")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.CleanStep(); err != nil {
		t.Fatal(err)
	}
}

// A segment in fresh blocks makes each sync write metadata, and each page of the log a search for memory.
func TestFlush_logSegmentsAreUsedAgain(t *testing.T) {
	disk := memfs.New()
	fs := errfs.New(disk)
	e := openManual(t, fs)
	created, renamed := errfs.On(errfs.Create).Named("*.wal"), errfs.On(errfs.Rename).Named("*.wal")
	fs.SetRules(created, renamed)
	const rounds = 10
	for i := range rounds {
		rotateLog(t, e, i)
	}
	if n := created.Applied(fs) - renamed.Applied(fs); n > 2 { // a name is created before a segment takes it
		t.Errorf("%d segments were created for %d rotations", n, rounds)
	}
	put(t, e, "last", "in the log")
	next := openManual(t, disk.Kill())
	defer next.Close()
	if got := scan(t, next, nil); len(got) != rounds+1 {
		t.Errorf("%d keys of %d are there after a kill", len(got), rounds+1)
	}
	if r := next.Report(); r.TornBytes != 0 {
		t.Errorf("%d bytes are said to be torn: what the segment held before", r.TornBytes)
	}
}

// Files that are kept for speed must not hold the space that a full disk needs, nor stay when the database is closed.
func TestClean_letsGoOfSegmentsThatWait(t *testing.T) {
	c := newClock()
	for name, end := range map[string]func(e *Engine) error{
		"full disk": func(e *Engine) error {
			e.noteBackground(vfs.ErrNoSpace)
			_, err := e.CleanStep()
			return err
		},
		"quiet": func(e *Engine) error {
			c.pass(e.MemoryStep())
			_, err := e.CleanStep()
			return err
		},
		"close": (*Engine).Close,
	} {
		disk := memfs.New()
		e := openRetaining(t, disk, c, Options{})
		rotateLog(t, e, 0)
		if !e.log.HasSpare() {
			t.Fatal("no segment is ready")
		}
		if err := end(e); err != nil {
			t.Fatal(err)
		}
		want := 1
		if name == "close" {
			want = 0
		}
		if names := logNames(t, disk.Kill()); len(names) != want {
			t.Errorf("%s: the directory holds %v", name, names)
		}
	}
}

// An archive would have a gap because there were no descriptors for a moment, or fill the disk while it lags.
func TestClean_givesUpWhatAnArchiveNeedsForSpaceAlone(t *testing.T) {
	e := openRetaining(t, memfs.New(), newClock(), Options{HoldLog: 1 << 20})
	defer e.Close()
	for i := range 3 {
		rotateLog(t, e, i)
	}
	for _, c := range []struct {
		cause error
		keeps bool
	}{{nil, true}, {syscall.EMFILE, true}, {vfs.ErrNoSpace, false}} {
		e.noteBackground(c.cause)
		if _, err := e.CleanStep(); err != nil {
			t.Fatal(err)
		}
		if held, lost := e.log.Held(); held > 0 != c.keeps || lost > 0 == c.keeps {
			t.Errorf("%v: %d bytes are held, %d segments were given up", c.cause, held, lost)
		}
	}
}

// The next Open would look through a segment of megabytes for records that prove damage, and free its blocks.
func TestClose_leavesNoUsedLog(t *testing.T) {
	for name, last := range map[string]func(e *Engine){
		"nothing in it":   func(*Engine) {},
		"commits in it":   func(e *Engine) { put(t, e, "last", "v") },
		"another is next": func(e *Engine) { rotateLog(t, e, 9); rotateLog(t, e, 10) },
	} {
		disk := memfs.New()
		e := openManual(t, disk)
		for i := range 4 {
			put(t, e, fmt.Sprint("large", i), string(make([]byte, 100_000)))
			rotateLog(t, e, i)
		}
		last(e)
		if e.log.FileBytes() < 100_000 {
			t.Fatalf("%s: the segment is a fresh one", name)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		closed := disk.Kill()
		if names := logNames(t, closed); len(names) > 0 {
			t.Errorf("%s: the directory holds %v", name, names)
		}
		next := openManual(t, closed)
		if r := next.Report(); r.LogBytes > 0 || len(scan(t, next, nil)) < 8 {
			t.Errorf("%s: %+v, %d keys", name, r, len(scan(t, next, nil)))
		}
		next.Close()
	}
}

// logNames are the names of log segments in disk.
func logNames(t *testing.T, disk vfs.FS) (logs []string) {
	t.Helper()
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind == filename.Log {
			logs = append(logs, name)
		}
	}
	return logs
}

// A large commit begins the log anew. A segment that was ready before has a smaller number: what is written to it would
// lie before the beginning of the log.
func TestIngest_leavesASegmentThatIsReadyBehind(t *testing.T) {
	disk := memfs.New()
	e := openSplitting(t, disk)
	rotateLog(t, e, 0)
	if !e.log.HasSpare() {
		t.Fatal("no segment is ready")
	}
	ready := slices.Max(e.log.Files())
	if err := ingestAll(e, 40); err != nil {
		t.Fatal(err)
	}
	if !e.log.HasSpare() || e.log.Num() < ready {
		t.Fatal("the segment that was ready is used up, or the newest")
	}
	put(t, e, "k100", "flushed")
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	put(t, e, "k101", "logged")
	checkFiles(t, "after the flush", e, disk)
	next := openManual(t, disk.Kill())
	defer next.Close()
	if got := scan(t, next, nil); got["k100"] != "flushed" || got["k101"] != "logged" {
		t.Errorf("of the commits behind the large one there are %q and %q", got["k100"], got["k101"])
	}
}

// The housekeeper may come by while somebody else takes the step: neither may forget, or remove twice, what the other
// sees.
func TestClean_besideItself(t *testing.T) {
	disk := memfs.New()
	e := openManual(t, disk)
	var cleaners sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		cleaners.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := e.CleanStep(); err != nil {
					t.Error(err)
				}
				e.MemoryStep()
			}
		})
	}
	for i := range 300 {
		put(t, e, "key", fmt.Sprint(i))
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	cleaners.Wait()
	e.CleanStep()
	if n := e.Metrics().Obsolete; n != 0 {
		t.Errorf("%d obsolete files are left", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
