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
		line := Start(&out, "import", func() Sample {
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

// A line wider than the terminal wraps, and rewriting it then scrolls the screen away.
func TestRender_neverWiderThanTheTerminal(t *testing.T) {
	for _, s := range []Sample{
		{Noun: "entries"},
		{Done: 1 << 62, Total: 1<<62 + 1, Count: 1 << 62, Noun: strings.Repeat("é", 100)},
		{Done: 7, Total: 5, Count: 7, Noun: "files"},
	} {
		text := render("compaction", s, time.Hour)
		if n := utf8.RuneCountInString(text); n > columns {
			t.Errorf("%d columns: %q", n, text)
		}
		if strings.Contains(text, "-") {
			t.Errorf("negative number in %q", text)
		}
	}
}
