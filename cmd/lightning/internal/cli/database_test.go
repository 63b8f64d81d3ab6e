package cli

import (
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/progress"
	"lightningdb/event"
)

// A command that replays a long log would look as if it hung, or leave its last progress in front of the result.
func TestOpen_drawsWhatTakesLong(t *testing.T) {
	var terminal strings.Builder
	d := &drawnOpen{screen: &progress.Screen{Out: &terminal}}
	d.wipe()
	if terminal.Len() > 0 {
		t.Errorf("a short Open drew %q", terminal.String())
	}
	for _, e := range []event.Event{
		event.Opening{Step: "replaying the log", Done: 3 << 20, Total: 12 << 20},
		event.Opening{Step: "opening the database"}, event.Opened{Duration: 3 * time.Second},
		event.StallBegan{Cause: "much is written"},
	} {
		d.hear(event.Record{Event: e})
	}
	d.wipe()
	want := "\r\x1b[Kreplaying the log: 3.00 MiB of 12.0 MiB\r\x1b[Kopening the database\r\x1b[K"
	if terminal.String() != want {
		t.Errorf("drew %q, want %q", terminal.String(), want)
	}
}
