package progress

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// A line drawn too often floods slow terminals; one that is not wiped leaves its tail in the next message.
func TestLine_fiveDrawingsASecondThenWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var done atomic.Int64
		line := Start(&Screen{Out: &out}, "import", func() Sample {
			return Sample{Done: done.Add(10), Total: 1000, Count: done.Load(), Noun: "entries"}
		})
		time.Sleep(2*time.Second + time.Millisecond)
		line.Stop()
		if got := strings.Count(out.String(), "\r") - 1; got != 10 {
			t.Errorf("%d drawings in two seconds; want 10", got)
		}
		if !strings.HasSuffix(out.String(), "\r\x1b[K") {
			t.Errorf("the line was not wiped: %q", out.String())
		}
		if !strings.Contains(out.String(), "left") {
			t.Errorf("no remaining time in %q", out.String())
		}
	})
}

// Progress in a pipe or a log file is noise: a nil writer must draw nothing and call nothing.
func TestLine_nilWriterIsSilent(t *testing.T) {
	Start(nil, "x", func() Sample { t.Error("sampled"); return Sample{} }).Stop()
}

// Nobody reads nine digits that change five times a second.
func TestRender_showsBytesInTheirUnits(t *testing.T) {
	got := render("backup", Sample{Done: 300 << 20, Total: 1 << 30, Count: 300 << 20, Noun: "bytes"}, 3*time.Second)
	if !strings.HasSuffix(got, " 300 MiB, 100 MiB/s, 7s left") {
		t.Errorf("%q", got)
	}
}

// A line wider than the window wraps, and each drawing of it then begins a new line, until the screen is full of them.
func TestScreen_neverDrawsWiderThanTheWindow(t *testing.T) {
	for _, columns := range []func() int{nil, func() int { return 0 }, func() int { return 1 }, func() int { return 2 },
		func() int { return 30 }, func() int { return 500 }} {
		most := usualColumns - 1
		if columns != nil && columns() > 0 {
			most = columns() - 1
		}
		for _, s := range []Sample{
			{Noun: "entries"},
			{Done: 1 << 62, Total: 1<<62 + 1, Count: 1 << 62, Noun: strings.Repeat("é", 100)},
			{Done: 7, Total: 5, Count: 7, Noun: "files"},
		} {
			var out bytes.Buffer
			screen := Screen{&out, columns}
			text := render("compaction", s, time.Hour)
			screen.Draw(text)
			got := strings.TrimPrefix(out.String(), "\r\x1b[K")
			if n := utf8.RuneCountInString(got); n > most || n < min(most, utf8.RuneCountInString(text)) ||
				!strings.HasPrefix(text, got) {
				t.Errorf("%d of %d columns: %q", n, most, got)
			}
			if strings.Contains(got, "-") {
				t.Errorf("negative number in %q", got)
			}
		}
	}
}
