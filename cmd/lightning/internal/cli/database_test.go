package cli

import (
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/progress"
)

// A command that replays a long log would look as if it hung, or leave its last progress in front of the result.
func TestOpen_drawsWhatTakesLong(t *testing.T) {
	var terminal strings.Builder
	d := &drawnOpen{screen: &progress.Screen{Out: &terminal}}
	d.wipe()
	if terminal.Len() > 0 {
		t.Errorf("a short Open drew %q", terminal.String())
	}
	d.Info("replaying the log", "done", int64(3<<20), "total", int64(12<<20))
	d.Info("opened the database", "took", 3*time.Second)
	d.wipe()
	want := "\r\x1b[Kreplaying the log: 3.00 MiB of 12.0 MiB\r\x1b[Kopened the database\r\x1b[K"
	if terminal.String() != want {
		t.Errorf("drew %q, want %q", terminal.String(), want)
	}
}
