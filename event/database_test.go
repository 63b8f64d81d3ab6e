package event_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/event"
)

// held is a merge function that holds up the flush it is called in, once hold is called, until let go.
type held struct {
	holds atomic.Bool
	wait  chan struct{}
}

func (h *held) merge(_, _, argument []byte) ([]byte, error) {
	if h.holds.Load() {
		<-h.wait
	}
	return argument, nil
}

// long is an argument that is not merged in the commit, but in the flush.
var long = make([]byte, 1000)

// writer puts until stopped, or until a put fails, and keeps how long those puts took that waited.
type writer struct {
	stop   atomic.Bool
	waits  []time.Duration
	failed error
	done   chan struct{}
}

func startWriter(db *lightningdb.DB) *writer {
	w := &writer{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for n := 0; !w.stop.Load() && w.failed == nil; n++ {
			start := time.Now()
			w.failed = db.Put(fmt.Append(nil, n), make([]byte, 50_000))
			if took := time.Since(start); took > 0 { // by the clock of the bubble: it has waited
				w.waits = append(w.waits, took)
			}
		}
	}()
	return w
}

// stalled has a writer wait for a flush that is held up.
func stalled(t *testing.T, w *witness) (*lightningdb.DB, *held, *writer) {
	h := &held{wait: make(chan struct{})}
	db := w.open(t, "", lightningdb.Options{InMemory: true, Durability: lightningdb.Process, MemoryLimit: 10 << 20,
		Merge: h.merge, Events: event.Options{SlowOperation: time.Second}})
	h.holds.Store(true)
	check(t, db.Merge([]byte("k"), long))
	writer := startWriter(db)
	synctest.Wait()
	return db, h, writer
}

// Whoever watches would be told of a stall that is over, of one twice, or of another length than his users have waited.
func TestDatabase_tellsOfAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasts = 7*time.Second + 300*time.Millisecond
		w := new(witness)
		db, h, writer := stalled(t, w)
		began, at := one[event.StallBegan](t, w)
		if began.Cause != "waiting for a flush or a compaction" || !at.Equal(time.Now()) {
			t.Errorf("%+v, %v ago", began, time.Since(at))
		}
		time.Sleep(lasts)
		writer.stop.Store(true)
		close(h.wait)
		<-writer.done
		over := time.Now()
		time.Sleep(3 * event.StallPause)
		ended, at := one[event.StallEnded](t, w)
		if want := (event.StallEnded{Cause: began.Cause, Waits: 1, Waited: lasts}); ended != want {
			t.Errorf("%+v, want %+v", ended, want)
		}
		if after := at.Sub(over); after < event.StallPause || after > 2*event.StallPause {
			t.Errorf("told %v after the last wait", after)
		}
		slow, _ := one[event.SlowOperation](t, w)
		if slow.Operation != event.Commit || slow.Duration != lasts || slow.Parts != (event.Parts{Room: lasts}) {
			t.Errorf("%+v", slow)
		}
		if s := db.Metrics().Stall; !slices.Equal(writer.waits, []time.Duration{lasts}) || writer.failed != nil ||
			s.Count != 1 || s.Duration != lasts {
			t.Errorf("puts have waited for %v, %v; counted is %+v", writer.waits, writer.failed, s)
		}
		check(t, db.Close())
		w.mustBe(t, db, "Opened", "StallBegan", "SlowOperation", "StallEnded")
	})
}

// A beginning without an end would ring for ever after the program has closed its database.
func TestDatabase_endsAStallWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		db, h, writer := stalled(t, w)
		time.Sleep(5 * time.Second)
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		<-writer.done
		close(h.wait) // Close waits for the flush
		check(t, <-closed)
		if e, _ := one[event.StallEnded](t, w); e.Waits != 1 || e.Waited != 5*time.Second {
			t.Errorf("%+v", e)
		}
		if !errors.Is(writer.failed, lightningdb.ErrClosed) {
			t.Error(writer.failed)
		}
		w.mustBe(t, db, "Opened", "StallBegan", "SlowOperation", "StallEnded")
	})
}

// fill makes a database of one table in dir, and returns the table's path.
func fill(t *testing.T, dir string) string {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{Durability: lightningdb.Process})
	check(t, err)
	var b lightningdb.Batch
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		b.Put(fmt.Appendf(nil, "%04d", i), fmt.Appendf(nil, "%0100d", random.Uint64()))
	}
	check(t, errors.Join(db.Write(&b), db.Flush(), db.Close()))
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	check(t, err)
	if len(tables) != 1 {
		t.Fatalf("tables %q", tables)
	}
	return tables[0]
}

// Damage that is told of every night is damage that nobody looks at any more.
func TestDatabase_tellsOfWhatAScrubFinds(t *testing.T) {
	for name, damaged := range map[string]bool{"damaged": true, "whole": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, w := filepath.Join(t.TempDir(), "db"), new(witness)
				table := fill(t, dir)
				kinds := []string{"Opened"}
				if damaged {
					content, err := os.ReadFile(table)
					check(t, err)
					content[len(content)/2] ^= 1
					check(t, os.WriteFile(table, content, 0o600))
					kinds = append(kinds, "Damaged")
				}
				db := w.open(t, dir, lightningdb.Options{ScrubRate: 1 << 20})
				begun := time.Now()
				time.Sleep(49 * time.Hour)
				verified := db.Verify(t.Context(), nil)
				m := db.Metrics()
				check(t, db.Close())
				w.mustBe(t, db, kinds...)
				if m.Scrub.Passes != 3 || m.Scrub.Done != m.Scrub.Total || m.Scrub.Total == 0 {
					t.Errorf("in two days: %+v", m.Scrub)
				}
				if !damaged {
					if verified != nil || m.Scrub.Damaged != 0 || m.Events.Damaged != 0 {
						t.Errorf("%v, %+v", verified, m.Scrub)
					}
					return
				}
				e, at := one[event.Damaged](t, w)
				var damage *lightningdb.CorruptionError
				if e.By != "scrub" || e.File != filepath.Base(table) || !errors.As(e.Err, &damage) ||
					damage.File != e.File || damage.Offset != e.Offset || at.Sub(begun) > time.Minute {
					t.Errorf("%+v, after %v", e, at.Sub(begun))
				}
				if !errors.Is(verified, lightningdb.ErrCorrupt) || m.Scrub.Damaged != 1 || m.Events.Damaged != 1 {
					t.Errorf("%v; scrub %+v, events %+v", verified, m.Scrub, m.Events)
				}
			})
		})
	}
}

// copied returns a copy of the files of a database that is in use: what a kill leaves behind.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "db")
	check(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// logEnd is where the log of a database ends, which has one segment: after its last byte that is not zero.
func logEnd(t *testing.T, dir string) (path string, end int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	check(t, err)
	if len(logs) != 1 {
		t.Fatalf("segments %q", logs)
	}
	content, err := os.ReadFile(logs[0])
	check(t, err)
	return logs[0], len(bytes.TrimRight(content, "\x00"))
}

// Whoever looks for what a crash has cost would count commits that came back as lost, or the other way round.
func TestDatabase_tellsOfARecovery(t *testing.T) {
	const commits = 50
	dir, made := filepath.Join(t.TempDir(), "db"), new(witness)
	db := made.open(t, dir, lightningdb.Options{Durability: lightningdb.Process})
	var b lightningdb.Batch
	for i := range commits {
		b.Reset()
		b.Put(fmt.Append(nil, i), []byte("value"))
		b.Put([]byte("newest"), fmt.Append(nil, i, "."))
		check(t, db.Write(&b))
	}
	whole := copied(t, dir)
	check(t, db.Put([]byte("last"), []byte("value")))
	torn := copied(t, dir)
	check(t, db.Close())
	made.mustBe(t, db, "Opened")
	if e, _ := one[event.Opened](t, made); !e.Created || e.Records != 0 || e.LogBytes != 0 || e.TornBytes != 0 ||
		e.Sequence != 0 || e.Duration <= 0 {
		t.Errorf("a new one: %+v", e)
	}

	_, whereItEnds := logEnd(t, whole)
	path, last := logEnd(t, torn)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	_, err = f.WriteAt([]byte{0}, int64(last-1))
	check(t, errors.Join(err, f.Close()))
	_, left := logEnd(t, torn)
	for dir, end := range map[string]int{whole: whereItEnds, torn: left} {
		w := new(witness)
		db := w.open(t, dir, lightningdb.Options{})
		e, _ := one[event.Opened](t, w)
		want := event.Opened{Records: commits, LogBytes: e.LogBytes, FilesRemoved: e.FilesRemoved, Sequence: 2 * commits,
			Duration: e.Duration}
		if dir == torn {
			want.TornBytes = int64(end) - e.LogBytes
		}
		if r := db.Recovery(); e != want || r.Records != e.Records || r.LogBytes != e.LogBytes ||
			r.TornBytes != e.TornBytes || len(r.FilesRemoved) != e.FilesRemoved || r.Duration != e.Duration {
			t.Errorf("%+v, want %+v; the report is %+v", e, want, r)
		}
		if padding := e.LogBytes - int64(whereItEnds); padding < 0 || padding > 8 {
			t.Errorf("of a log that ends at %d, %d bytes were read", whereItEnds, e.LogBytes)
		}
		v, err := db.Get([]byte("newest"))
		if has, _ := db.Has([]byte("last")); err != nil || string(v) != "49." || has {
			t.Errorf("%q, %v, and the torn one is there: %v", v, err, has)
		}
		check(t, db.Close())
		w.mustBe(t, db, "Opened")
	}
}

// A program that stops taking orders while the disk is full would not begin again, or never have stopped.
func TestDatabase_tellsOfALimitThatIsReachedAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		db := w.open(t, "", lightningdb.Options{InMemory: true, Durability: lightningdb.Process, MemoryLimit: 10 << 20,
			DiskLimit: 1, Compression: lightningdb.NoCompression})
		n, err := 0, error(nil)
		for ; err == nil; n++ {
			err = db.Put(fmt.Appendf(nil, "%06d", n), make([]byte, 8<<10))
		}
		if !errors.Is(err, lightningdb.ErrNoSpace) || errors.Is(err, lightningdb.ErrReadOnly) {
			t.Fatal(err)
		}
		refused := time.Now()
		time.Sleep(3 * time.Second)
		for i := range n {
			check(t, db.Delete(fmt.Appendf(nil, "%06d", i)))
		}
		time.Sleep(time.Minute) // the space returns by itself
		check(t, db.Put([]byte("k"), make([]byte, 8<<10)))
		check(t, db.Put([]byte("k"), make([]byte, 8<<10)))
		synctest.Wait()
		resumed := time.Now()
		check(t, db.Close())
		e, at := one[event.Hindered](t, w)
		if !e.Full || !errors.Is(e.Cause, lightningdb.ErrNoSpace) || e.By != "commits are" || !at.Equal(refused) {
			t.Errorf("%+v, told %v after it", e, at.Sub(refused))
		}
		if e, at := one[event.Resumed](t, w); e.By != "commits are" || e.After != resumed.Sub(refused) || !at.Equal(resumed) {
			t.Errorf("%+v, told %v after it", e, at.Sub(resumed))
		}
		w.mustBe(t, db, "Opened", "Hindered", "Resumed")
	})
}

// counting is a writer that counts its bytes, and fails once it has had some.
type counting struct {
	bytes, limit int64
}

var errNoMore = errors.New("it takes no more")

func (c *counting) Write(p []byte) (int, error) {
	if c.bytes+int64(len(p)) > c.limit {
		return 0, errNoMore
	}
	c.bytes += int64(len(p))
	return len(p), nil
}

// Whoever relies on last night's backup would rely on one that has failed, is older, or is not there.
func TestDatabase_tellsOfBackups(t *testing.T) {
	w, ctx := new(witness), t.Context()
	db := w.open(t, filepath.Join(t.TempDir(), "db"), lightningdb.Options{})
	check(t, db.Put([]byte("k"), make([]byte, 100_000)))
	stream := &counting{limit: 1 << 30}
	seq, err := db.Backup(ctx, stream, nil)
	check(t, err)
	check(t, db.Put([]byte("l"), nil))
	if _, err := db.Backup(ctx, &counting{limit: 2000}, nil); !errors.Is(err, errNoMore) {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := db.Backup(ended, io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	folder := t.TempDir()
	repository, err := backup.OpenFolder(folder)
	check(t, err)
	created, err := repository.Create(ctx, db, nil)
	check(t, err)
	if _, err := repository.Create(ended, db, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	check(t, db.Close())
	w.mustBe(t, db, "Opened", "BackedUp", "BackedUp", "BackedUp", "BackedUp", "BackedUp")
	told, at := of[event.BackedUp](w)
	for i, want := range []struct {
		to       string
		sequence uint64
		bytes    int64
		err      error
	}{
		{"stream", seq, stream.bytes, nil}, {"stream", 0, 0, errNoMore}, {"stream", 0, 0, context.Canceled},
		{"repository", created.Sequence, created.Moved.Bytes, nil}, {"repository", 0, 0, context.Canceled},
	} {
		e := told[i]
		if e.To != want.to || !errors.Is(e.Err, want.err) || (e.Err == nil) != (want.err == nil) || e.Duration < 0 {
			t.Errorf("%d: %+v, want %+v", i, e, want)
		}
		if e.Err == nil && (e.Sequence != want.sequence || e.Bytes != want.bytes) {
			t.Errorf("%d: %+v, want %+v", i, e, want)
		}
	}
	k := db.Metrics().Backups
	if last := told[3]; k.Count != 2 || k.Failed != 3 || k.LastCommit != 2 || k.LastCommit != last.Sequence ||
		k.LastBytes != last.Bytes || k.LastTook != last.Duration || at[3].Sub(k.Last).Abs() > time.Minute {
		t.Errorf("%+v, after %+v", k, last)
	}
}
