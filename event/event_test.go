package event_test

import (
	"bytes"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"lightningdb/event"
)

// all is one event of each kind.
var all = []event.Event{
	event.Opening{Step: "replaying the log", Done: 1, Total: 2}, event.Opened{Records: 3, Duration: time.Minute},
	event.Flushed{Tables: 1}, event.Flushed{Err: errors.New("broken")}, event.Compacted{Reason: "score"},
	event.Compacted{Err: errors.New("broken")}, event.StallBegan{Cause: "level 0"}, event.StallEnded{Waits: 4},
	event.Stopped{Cause: errors.New("broken")}, event.Hindered{By: "commits are", Full: true, Cause: errors.New("full")},
	event.Resumed{By: "commits are", After: time.Second}, event.ReserveSpent{DiskFull: true},
	event.ReserveMissing{Cause: errors.New("full")}, event.ReserveMade{},
	event.Damaged{File: "7.tbl", By: "scrub", Err: errors.New("broken")}, event.BackedUp{To: "stream"},
	event.BackedUp{Err: errors.New("broken")}, event.Unfollowable{Cause: errors.New("broken")},
	event.SlowOperation{Operation: event.Get, Duration: time.Second, Key: []byte("secret")},
}

// What stopped the writes at night would be logged at a level that nobody reads, or without its cause.
func TestLogTo_logsEachKindAtItsLevel(t *testing.T) {
	for _, e := range all {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		event.LogTo(logger)(event.Record{Event: e, Dropped: 5})
		text := log.String()
		for _, want := range []string{"level=" + slog.Level(e.Level()).String() + " ", `"events dropped before"=5`} {
			if !strings.Contains(text, want) {
				t.Errorf("%T: no %q in %q", e, want, text)
			}
		}
		if _, attributes := e.Log(); len(attributes)%2 != 0 || strings.Contains(text, "BADKEY") {
			t.Errorf("%T: attributes without names: %q", e, text)
		}
		for i := range reflect.TypeOf(e).NumField() {
			f := reflect.ValueOf(e).Field(i)
			if err, ok := f.Interface().(error); ok && err != nil && !strings.Contains(text, err.Error()) {
				t.Errorf("%T: no %q in %q", e, err, text)
			}
		}
	}
}

// A line of twelve zeros hides the one part in which the time went.
func TestSlowOperation_logsOnlyWhatTookTime(t *testing.T) {
	_, attributes := event.SlowOperation{Operation: event.Commit, Duration: time.Second,
		Parts: event.Parts{Lock: 900 * time.Millisecond}, Key: []byte{0xff}}.Log()
	want := []any{"operation", "commit", "took", time.Second, "lock", 900 * time.Millisecond, "key", []byte{0xff}}
	if !reflect.DeepEqual(attributes, want) {
		t.Errorf("%v; want %v", attributes, want)
	}
}
