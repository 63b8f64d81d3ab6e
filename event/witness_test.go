package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/event"
)

// witness is told of what a database does, as a listener and as the handler of a slog.Logger.
type witness struct {
	mu      sync.Mutex
	records []event.Record
	lines   []slog.Record
}

func (w *witness) hear(r event.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
}

func (w *witness) Enabled(context.Context, slog.Level) bool { return true }
func (w *witness) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *witness) WithGroup(string) slog.Handler            { return w }

func (w *witness) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, r)
	return nil
}

// open opens the database in dir under the eyes of w.
func (w *witness) open(t *testing.T, dir string, o lightningdb.Options) *lightningdb.DB {
	t.Helper()
	o.Logger, o.Events.Listener = slog.New(w), w.hear
	db, err := lightningdb.Open(dir, &o)
	check(t, err)
	return db
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// of returns the events of type T that w was told of, with when that was.
func of[T event.Event](w *witness) (events []T, at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.records {
		if e, ok := r.Event.(T); ok {
			events, at = append(events, e), append(at, r.At)
		}
	}
	return events, at
}

// one returns the only event of type T.
func one[T event.Event](t *testing.T, w *witness) (e T, at time.Time) {
	t.Helper()
	events, times := of[T](w)
	if len(events) != 1 {
		t.Fatalf("told of %d %T: %+v", len(events), e, events)
	}
	return events[0], times[0]
}

// mustBe checks that w was told of these kinds in this order, each once, and logged the same. Flushes and compactions
// come as they like; as many of them have to be there as db counts. So do stalls, where kinds has none: each has its
// beginning and its end. The database is closed, so nothing more comes.
func (w *witness) mustBe(t *testing.T, db *lightningdb.DB, kinds ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var told, stalls []string
	var flushes, compactions uint64
	for i, r := range w.records {
		switch kind := strings.TrimPrefix(fmt.Sprintf("%T", r.Event), "event."); kind {
		case "Flushed":
			flushes++
		case "Compacted":
			compactions++
		case "StallBegan", "StallEnded":
			stalls = append(stalls, kind)
			if slices.Contains(kinds, kind) {
				told = append(told, kind)
			}
		default:
			told = append(told, kind)
		}
		if r.Dropped != 0 || i > 0 && r.At.Before(w.records[i-1].At) {
			t.Errorf("%d events were dropped before %+v, which is of %v", r.Dropped, r.Event, r.At)
		}
	}
	if !slices.Equal(told, kinds) {
		t.Errorf("told of %q, want %q", told, kinds)
	}
	for i, kind := range stalls {
		if began := kind == "StallBegan"; began != (i%2 == 0) || began && i == len(stalls)-1 {
			t.Errorf("of %d, %s is in the wrong place", len(stalls), kind)
		}
	}
	m := db.Metrics()
	if flushes != m.Flush.Count || compactions != m.Compaction.Count {
		t.Errorf("told of %d flushes of %d, %d compactions of %d", flushes, m.Flush.Count, compactions, m.Compaction.Count)
	}
	if m.Events.Told != uint64(len(w.records)) || m.Events.Dropped != 0 {
		t.Errorf("%d events, counted are %+v", len(w.records), m.Events)
	}
	w.linesLocked(t)
}

// linesLocked checks that the log has one line for each event.
func (w *witness) linesLocked(t *testing.T) {
	t.Helper()
	if len(w.lines) != len(w.records) {
		t.Fatalf("%d events, and %d lines in the log", len(w.records), len(w.lines))
	}
	for i, r := range w.records {
		message, attributes := r.Log()
		want := slog.NewRecord(time.Time{}, slog.Level(r.Level()), message, 0)
		want.Add(attributes...)
		got := w.lines[i]
		if got.Level != want.Level || got.Message != message || !slices.Equal(attributesOf(got), attributesOf(want)) {
			t.Errorf("of %+v the log has %v %q %q", r.Event, got.Level, got.Message, attributesOf(got))
		}
	}
}

func attributesOf(r slog.Record) (all []string) {
	r.Attrs(func(a slog.Attr) bool {
		all = append(all, a.String())
		return true
	})
	return all
}
