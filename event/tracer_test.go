package event_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/event"
)

// spans is a tracer that keeps the spans that have ended.
type spans struct {
	mu    sync.Mutex
	begun int
	ended []string
}

func (s *spans) Start(ctx context.Context, _ event.Operation) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	return ctx
}

func (s *spans) End(_ context.Context, op event.Operation, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, fmt.Sprint(op, " ", err))
}

// take returns the spans that have ended since the last call, without those of flushes.
func (s *spans) take(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun != len(s.ended) {
		t.Errorf("%d spans began, %d ended", s.begun, len(s.ended))
	}
	ended := slices.DeleteFunc(s.ended, func(op string) bool { return strings.HasPrefix(op, "flush") })
	s.begun, s.ended = 0, nil
	return ended
}

// A request whose reads have no spans seems to have done nothing while it waited for the disk.
func TestTracer_isToldOfEveryRead(t *testing.T) {
	s := new(spans)
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Events: event.Options{Tracer: s}})
	check(t, err)
	key, long, none := []byte("key"), []byte("long"), []byte("none")
	check(t, errors.Join(db.Put(key, []byte("value")), db.Put(long, make([]byte, 10_000)), db.Flush()))
	snapshot := db.Snapshot()
	s.take(t)
	inTx := func(tx *lightningdb.Tx) error {
		v, err := tx.Get(key)
		if string(v) != "value" {
			t.Errorf("%q", v)
		}
		return err
	}
	for name, c := range map[string]struct {
		do   func() error
		want []string
	}{
		"Get":       {func() error { _, err := db.Get(key); return err }, []string{"get <nil>"}},
		"Has":       {func() error { _, err := db.Has(key); return err }, []string{"get <nil>"}},
		"Has, long": {func() error { _, err := db.Has(long); return err }, []string{"get <nil>"}},
		"none": {func() error {
			if _, err := db.Get(none); !errors.Is(err, lightningdb.ErrNotFound) {
				return err
			}
			return nil
		}, []string{"get <nil>"}},
		"Snapshot": {func() error { _, err := snapshot.Get(key); return err }, []string{"get <nil>"}},
		"View":     {func() error { return db.View(t.Context(), inTx) }, []string{"get <nil>", "view <nil>"}},
		"Update": {func() error {
			return db.Update(t.Context(), func(tx *lightningdb.Tx) error {
				return errors.Join(inTx(tx), tx.Put(key, []byte("value")))
			})
		}, []string{"get <nil>", "commit <nil>", "update <nil>"}},
	} {
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.take(t); !slices.Equal(got, c.want) {
			t.Errorf("%s: spans %q, want %q", name, got, c.want)
		}
	}
	check(t, errors.Join(snapshot.Close(), db.Close()))
	s.take(t)
	if _, err := db.Get(key); !errors.Is(err, lightningdb.ErrClosed) || len(s.take(t)) != 0 {
		t.Errorf("after Close: %v", err)
	}
}

// Reading a long value only to say that it is there is no failure: an alarm on errors would ring for it.
func TestSlowOperation_ofHasIsNoError(t *testing.T) {
	l := new(witness)
	db := l.open(t, "", lightningdb.Options{InMemory: true, Events: event.Options{SlowOperation: 1}})
	check(t, errors.Join(db.Put([]byte("long"), make([]byte, 10_000)), db.Flush()))
	has, err := db.Has([]byte("long"))
	if !has || err != nil {
		t.Fatal(has, err)
	}
	check(t, db.Close())
	slow, _ := of[event.SlowOperation](l)
	if last := slow[len(slow)-1]; last.Operation != event.Get || last.Err != nil {
		t.Errorf("%+v", last)
	}
}

// hooked are the hooks that may be set.
var hooked = []struct {
	name string
	o    event.Options
}{
	{"unset", event.Options{}},
	{"listener", event.Options{Listener: func(event.Record) {}}},
	{"slow", event.Options{SlowOperation: time.Hour}},
	{"tracer", event.Options{Tracer: nothing{}}},
}

// nothing is a tracer that does nothing.
type nothing struct{}

func (nothing) Start(ctx context.Context, _ event.Operation) context.Context { return ctx }
func (nothing) End(context.Context, event.Operation, error)                  {}

// calls are the fastest calls, of a database with a row in a memtable.
func calls(tb testing.TB, o event.Options) map[string]func() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Durability: lightningdb.Process, Events: o})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	key, row := []byte("key"), make([]byte, 0, 128)
	if err := db.Put(key, make([]byte, 100)); err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	read := func(tx *lightningdb.Tx) error {
		_, err := tx.GetAppend(row, key)
		return err
	}
	put := func(tx *lightningdb.Tx) error { return tx.Put(key, row[:100]) }
	return map[string]func(){
		"get":    func() { db.GetAppend(row, key) },
		"has":    func() { db.Has(key) },
		"view":   func() { db.View(ctx, read) },
		"put":    func() { db.Put(key, row[:100]) },
		"update": func() { db.Update(ctx, put) },
	}
}

// Hooks that nobody has set would cost every program what few of them use. An Update allocates its transaction, one of
// many Views the handles of all.
func TestHooks_unsetAllocateNothing(t *testing.T) {
	if testing.CoverMode() != "" || raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	want := map[string]float64{"get": 0, "has": 0, "view": 0, "put": 0, "update": 1}
	for _, h := range hooked[:2] { // a listener is nobody's business but that of who has something to tell
		for name, call := range calls(t, h.o) {
			if got := testing.AllocsPerRun(2000, call); got != want[name] {
				t.Errorf("%s, %s: %v allocations, want %v", h.name, name, got, want[name])
			}
		}
	}
}

// What hooks cost: nothing if they are unset, which is the first of the lines of each call.
func BenchmarkHooks(b *testing.B) {
	for _, h := range hooked {
		for name, call := range calls(b, h.o) {
			b.Run(name+"/"+h.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					call()
				}
			})
		}
	}
}
