package watch

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/units"
)

// Look is how a line is to stand out.
type Look int

// The looks. Faint is what may be out of date, Alarm what somebody should look at.
const (
	Plain Look = iota
	Bold
	Faint
	Alarm
)

// Line is a line of the picture.
type Line struct {
	Text string
	Look Look
}

// Picture draws what is known, the most urgent first, into a window of columns by rows.
func (w *Watch) Picture(now time.Time, columns, rows int) []Line {
	lines := []Line{{w.headline(now, columns), Bold}}
	if !w.told {
		lines = append(lines, Line{"it has told nothing about itself yet", Faint})
	}
	switch {
	case w.Ended != "" && w.URL != "":
		lines = append(lines, Line{"THE PROGRAM GIVES " + w.Ended, Alarm})
	case w.Ended != "":
		lines = append(lines, Line{"THE WRITER HAS ENDED: " + w.Ended + "; waiting for the next", Alarm})
	}
	if err := w.last.Metrics.BackgroundError; err != nil {
		lines = append(lines, Line{"FAILED: " + strings.Join(strings.Fields(err.Error()), " "), Alarm})
	}
	if w.told {
		lines = append(lines, w.body(now, columns)...)
		lines = append(lines, w.tail(columns, rows-len(lines))...)
	}
	lines = lines[:min(len(lines), max(0, rows))]
	for i, line := range lines {
		lines[i].Text = cut(line.Text, columns)
	}
	return lines
}

// headline is the database and its writer, with the end of a long path.
func (w *Watch) headline(now time.Time, columns int) string {
	if !w.told {
		return w.Path
	}
	s, place, since := &w.last, w.Path, "open"
	if w.URL != "" {
		place, since = strings.TrimSpace(w.URL+" "+w.Path), "shown" // since when it is open, is not told there
	}
	rest := fmt.Sprintf("  process %d (%s), %s for %s, told %s ago", s.Pid, s.Program, since, age(s.At.Sub(s.Opened)),
		age(now.Sub(s.At)))
	path := []rune(place)
	if room := max(8, columns-utf8.RuneCountInString(rest)); len(path) > room {
		path = append([]rune("…"), path[len(path)-room+1:]...)
	}
	return string(path) + rest
}

// body is what fits into every window.
func (w *Watch) body(now time.Time, columns int) []Line {
	m, rates, look := &w.last.Metrics, w.rates(now), Plain
	r := &rates
	if r.Period == 0 {
		r = nil
	}
	if w.Ended != "" {
		look = Faint
	}
	stalls := Line{stallLine(m, r), look}
	if r != nil && r.Stalled >= 0.05 && look == Plain {
		stalls.Look = Alarm
	}
	took, known := w.latency(now)
	since := ""
	if !known {
		took, since = m.Latency, " so far"
	}
	lines := []Line{{w.speedLine(r), look}, {w.minuteLine(now, columns), look}, {quantileLine(took, since), look}, stalls}
	for _, text := range []string{
		labelled("flush", work(m.Flush, false)),
		labelled("compaction", work(m.Compaction, m.CompactionWaits)),
		memoryLine(m), cacheLine(m, r), memtableLine(m), logLine(m), transactionLine(m, r), readerLine(m), diskLine(m),
	} {
		lines = append(lines, Line{text, look})
	}
	for _, text := range valueLines(m) {
		lines = append(lines, Line{text, look})
	}
	for _, text := range limitLines(m) {
		if m.Disk.Refusing != "" {
			look = Alarm
		}
		lines = append(lines, Line{text, look})
	}
	for _, text := range scrubLines(m) {
		if m.Scrub.Damaged > 0 {
			look = Alarm
		}
		lines = append(lines, Line{text, look})
	}
	return append(lines, w.archive()...)
}

// archive is how far the archive is. It stands out while the archive cannot go on, or has a gap.
func (w *Watch) archive() (lines []Line) {
	m, look := &w.last.Metrics, Plain
	switch {
	case m.Archive.LastError != "" || m.Archive.Gaps > 0:
		look = Alarm
	case w.Ended != "":
		look = Faint
	}
	for _, text := range archiveLines(m) {
		lines = append(lines, Line{text, look})
	}
	return lines
}

// tail is the levels, and what there is room for below them.
func (w *Watch) tail(columns, room int) (lines []Line) {
	look := Plain
	if w.Ended != "" {
		look = Faint
	}
	texts := picture.LevelsWithin(w.last.Metrics, columns)
	if traced := w.last.Metrics.Readers; len(traced) > 0 && len(texts)+2+len(traced) <= room {
		texts = append(texts, "", "readers, the oldest first")
		for _, r := range traced {
			texts = append(texts, "  "+reader(r))
		}
	}
	if len(texts)+2 <= room {
		texts = append([]string{""}, texts...)
	}
	for _, text := range texts {
		lines = append(lines, Line{text, look})
	}
	if len(lines) < room {
		lines = append(lines, Line{"q ends", Faint})
	}
	return lines
}

func (w *Watch) speedLine(r *Rates) string {
	m := &w.last.Metrics
	if r == nil {
		return labelled("commits", fmt.Sprintf("%s with %s so far", units.Count(m.Commits),
			units.Plural(m.Operations, "operation")))
	}
	return labelled("commits", fmt.Sprintf("%-11s operations %-12s log %s/s, %s syncs", each(r.Commits),
		each(r.Operations), units.Bytes(int64(r.LogBytes)), each(r.Syncs)))
}

// minuteLine draws the commits of the last minute.
func (w *Watch) minuteLine(now time.Time, columns int) string {
	n := 30
	if columns >= 110 {
		n = 60
	}
	rates := w.history(now, n)
	most := 0.0
	for _, rate := range rates {
		most = max(most, rate)
	}
	return labelled("last minute", sparks(rates, most)+" at most "+each(most))
}

// sparks draws a column for each rate. What is not known is empty, and what is more than nothing is more than the
// lowest.
func sparks(rates []float64, most float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, rate := range rates {
		switch {
		case rate < 0:
			b.WriteByte(' ')
		case rate == 0:
			b.WriteRune(blocks[0])
		default:
			b.WriteRune(blocks[max(1, int(math.Round(rate/most*float64(len(blocks)-1))))])
		}
	}
	return b.String()
}

// cut shortens text that would not fit: in a line that wraps, it would push others out of the window. So would control
// characters, which the name of a program or directory may have.
func cut(text string, columns int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text))
	switch {
	case len(runes) <= columns:
		return string(runes)
	case columns < 1:
		return ""
	}
	return string(runes[:columns-1]) + "…"
}
