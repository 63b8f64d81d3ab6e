package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"lightningdb/event"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// listener keeps what it is told.
type listener struct {
	mu   sync.Mutex
	told []event.Event
}

func (l *listener) hear(r event.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, r.Event)
}

// heard returns the events of type T that l was told of.
func heard[T event.Event](l *listener) (all []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.told {
		if e, ok := e.(T); ok {
			all = append(all, e)
		}
	}
	return all
}

// await returns the first event of type T, which comes soon.
func await[T event.Event](t *testing.T, l *listener) (first T) {
	t.Helper()
	for range 2000 {
		if all := heard[T](l); len(all) > 0 {
			return all[0]
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("nobody was told of a %T", first)
	return first
}

func (l *listener) options() *Options { return &Options{Events: event.Options{Listener: l.hear}} }

// Whoever counts for an invoice, or compares two machines, would count something else.
func TestEvents_andCountersMatchAScript(t *testing.T) {
	l := new(listener)
	o := l.options()
	o.Durability = Process
	db := openTemp(t, o)
	for i := range 10 {
		mustPut(t, db, fmt.Sprint(i), "value")
	}
	requireNil(t, db.Flush())
	requireNil(t, db.Delete([]byte("3")))
	var b Batch
	b.Put([]byte("x"), nil)
	b.Put([]byte("y"), nil)
	requireNil(t, db.Write(&b))
	requireNil(t, db.Compact(t.Context(), nil, nil))
	var copied bytes.Buffer
	seq, err := db.Backup(t.Context(), &copied, nil)
	requireNil(t, err)
	broken := errors.New("broken")
	if _, err := db.Backup(t.Context(), failing{broken}, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
	m := db.Metrics()
	requireNil(t, db.Close())
	m.Events = db.Metrics().Events
	if m.Commits != 12 || m.Operations != 13 || m.Sequence != 13 || m.Flush.Count != 2 || m.Latency.Flush.Count != 2 ||
		m.Latency.Compaction.Count != m.Compaction.Count || m.FreeBytes <= 0 {
		t.Errorf("%+v", m)
	}
	if k := m.Backups; k.Count != 1 || k.Failed != 1 || k.LastCommit != seq || k.LastBytes != int64(copied.Len()) ||
		time.Since(k.Last) > time.Minute {
		t.Errorf("backups: %+v", k)
	}
	opened, flushed, compacted, saved := heard[event.Opened](l), heard[event.Flushed](l), heard[event.Compacted](l),
		heard[event.BackedUp](l)
	if len(opened) != 1 || !opened[0].Created || len(flushed) != 2 || uint64(len(compacted)) != m.Compaction.Count ||
		len(saved) != 2 || saved[0].Sequence != seq || !errors.Is(saved[1].Err, broken) {
		t.Errorf("told %+v", l.told)
	}
	if got := m.Events.Told; got != uint64(len(l.told)) || m.Events.Dropped != 0 {
		t.Errorf("%+v, and %d were told", m.Events, len(l.told))
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A program that reads what has happened from the database itself would hang.
func TestEvents_aListenerMayUseAndCloseTheDatabase(t *testing.T) {
	var db *DB
	ready, done := make(chan struct{}), make(chan error, 1)
	db, err := Open(t.TempDir(), &Options{Events: event.Options{Listener: func(r event.Record) {
		if _, ok := r.Event.(event.Flushed); ok {
			<-ready
			_, err := db.Get([]byte("k"))
			done <- errors.Join(err, db.Put([]byte("l"), nil), db.Close())
		}
	}}})
	requireNil(t, err)
	mustPut(t, db, "k", "v")
	requireNil(t, db.Flush())
	close(ready)
	requireNil(t, within(t, "the listener", func() error { return <-done }))
}

// Whoever is called at night has to be told that writes have stopped, and why.
func TestEvents_tellOfTheFailureThatStopsWrites(t *testing.T) {
	l, fs := new(listener), errfs.New(memfs.New())
	o := l.options()
	o.fs = fs
	db, err := Open("", o)
	requireNil(t, err)
	mustPut(t, db, "k", "v")
	fs.SetRules(errfs.On(errfs.Sync).Fail(errBroken))
	if err := db.Put([]byte("k"), nil); !errors.Is(err, ErrCommitUnknown) {
		t.Fatal(err)
	}
	if e := await[event.Stopped](t, l); !errors.Is(e.Cause, errBroken) {
		t.Error(e.Cause)
	}
	db.Close()
}

var errBroken = errors.New("the medium is broken")

// A disk that is full, and is so no more, is what a program can do something about.
func TestEvents_tellOfAFullDiskAndItsEnd(t *testing.T) {
	l, fs := new(listener), errfs.New(memfs.New())
	o := l.options()
	o.fs = fs
	db, err := Open("", o)
	requireNil(t, err)
	mustPut(t, db, "k", "v")
	fs.SetRules(errfs.On(errfs.Write).Fail(vfs.ErrNoSpace))
	if err := db.Put([]byte("k"), make([]byte, 1<<20)); !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	if e := await[event.Hindered](t, l); !e.Full || !errors.Is(e.Cause, ErrNoSpace) {
		t.Errorf("%+v", e)
	}
	fs.SetRules()
	time.Sleep(event.StallPause)
	mustPut(t, db, "k", "again")
	await[event.Resumed](t, l)
	requireNil(t, db.Close())
}

// Damage is told of by the first read that meets it, not by the scrub of the next day.
func TestEvents_tellOfDamageThatAReadMeets(t *testing.T) {
	for how, read := range map[string]func(db *DB) error{
		"Get": func(db *DB) error {
			_, err := db.Get([]byte("0001"))
			return err
		},
		"a loop": func(db *DB) error {
			r := db.Range(nil, nil)
			for range r.All() {
			}
			return r.Err()
		},
		"a cursor": func(db *DB) error {
			s := db.Snapshot()
			defer s.Close()
			c := s.Range(nil, nil).Cursor()
			defer c.Close()
			c.First()
			return c.Err()
		},
	} {
		dir, table := damagedTable(t)
		l := new(listener)
		db, err := Open(dir, l.options())
		requireNil(t, err)
		for range 3 {
			if err := read(db); !errors.Is(err, ErrCorrupt) {
				t.Fatal(how, err)
			}
		}
		e := await[event.Damaged](t, l)
		if e.By != "read" || !errors.Is(e.Err, ErrCorrupt) || e.File != table {
			t.Errorf("%s: %+v", how, e)
		}
		if m := db.Metrics(); m.Events.Damaged != 1 || len(heard[event.Damaged](l)) != 1 {
			t.Errorf("%s: %+v", how, m.Events)
		}
		db.Close()
	}
}

// damagedTable returns the directory of a database, and the name of its only table, of which the first half is
// damaged.
func damagedTable(t *testing.T) (dir, name string) {
	t.Helper()
	dir = t.TempDir()
	db, err := Open(dir, nil)
	requireNil(t, err)
	for i := range 2000 {
		mustPut(t, db, fmt.Sprintf("%04d", i), "value")
	}
	requireNil(t, errors.Join(db.Flush(), db.Close()))
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	requireNil(t, err)
	data, err := os.ReadFile(tables[0])
	requireNil(t, err)
	for i := 100; i < len(data)/2; i += 64 {
		data[i] ^= 1
	}
	requireNil(t, os.WriteFile(tables[0], data, 0o600))
	return dir, filepath.Base(tables[0])
}

// "It was slow" says nothing about what to buy: a disk, memory, or time of those who hold locks.
func TestEvents_tellWhereTheTimeOfSlowOperationsWent(t *testing.T) {
	l := new(listener)
	o := l.options()
	o.Events.SlowOperation, o.Events.Keys = time.Nanosecond, true
	db := openTemp(t, o)
	mustPut(t, db, "key", "value")
	commit := await[event.SlowOperation](t, l)
	if p := commit.Parts; commit.Operation != event.Commit || string(commit.Key) != "key" || commit.Keys != 1 ||
		p.Sync <= 0 || p.Log <= 0 || p.Queue+p.Log+p.Sync > commit.Duration || p.Lock != 0 {
		t.Errorf("%+v", commit)
	}
	tx, err := db.Begin(t.Context(), TxOptions{})
	requireNil(t, err)
	_, err = tx.GetForUpdate([]byte("key"))
	requireNil(t, err)
	go func() {
		for db.Metrics().Transactions.Waiting == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		tx.Rollback()
	}()
	mustPut(t, db, "key", "another")
	slow := db.Metrics().Events.Recent
	if last := slow[len(slow)-1]; last.Parts.Lock < 10*time.Millisecond {
		t.Errorf("%+v", last)
	}
}

// A key may be a name: it stays out of logs unless the program says otherwise.
func TestEvents_tellNoKeysUnlessAllowed(t *testing.T) {
	l := new(listener)
	o := l.options()
	o.Events.SlowOperation = time.Nanosecond
	db := openTemp(t, o)
	mustPut(t, db, "secret", "value")
	requireNil(t, db.Flush())
	db.Get([]byte("secret"))
	requireNil(t, db.Close())
	for _, e := range heard[event.SlowOperation](l) {
		if e.Key != nil {
			t.Errorf("%+v", e)
		}
	}
}

// tracer keeps how spans stand in each other.
type tracer struct {
	mu   sync.Mutex
	told []string
}

type tracerKey struct{}

func (r *tracer) Start(ctx context.Context, op event.Operation) context.Context {
	within, _ := ctx.Value(tracerKey{}).(string)
	return context.WithValue(ctx, tracerKey{}, within+"/"+string(op))
}

func (r *tracer) End(ctx context.Context, op event.Operation, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, fmt.Sprint(ctx.Value(tracerKey{}), " ", err))
}

// A span of a request that does not have the commit in it does not say where the request waited.
func TestEvents_tracerSeesOperationsInEachOther(t *testing.T) {
	r := new(tracer)
	db := openTemp(t, &Options{Events: event.Options{Tracer: r}})
	ctx := context.WithValue(t.Context(), tracerKey{}, "request")
	mustPut(t, db, "k", "v")
	db.Get([]byte("k"))
	requireNil(t, db.View(ctx, func(*Tx) error { return nil }))
	requireNil(t, db.Update(ctx, func(tx *Tx) error { return tx.Put([]byte("k"), nil) }))
	_, err := db.Backup(ctx, io.Discard, nil)
	requireNil(t, errors.Join(err, db.Verify(ctx, nil)))
	want := []string{"/commit <nil>", "/get <nil>", "request/view <nil>", "request/update/commit <nil>",
		"request/update <nil>", "request/backup <nil>", "request/verify <nil>"}
	r.mu.Lock()
	defer r.mu.Unlock()
	told := slices.DeleteFunc(slices.Clone(r.told), func(s string) bool { return s == "/flush <nil>" })
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
