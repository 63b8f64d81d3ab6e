// Package progress keeps one line of a terminal up to date while something long runs: how far it is, how fast it goes,
// and how long it will still take. It owns one goroutine per line, which Stop ends. Where the output is no terminal,
// the caller starts a line on a nil Screen and nothing happens at all.
package progress

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"lightningdb/cmd/internal/units"
)

// interval is the time between two drawings: five a second.
const interval = 200 * time.Millisecond

// usualColumns is the width of a terminal that does not say it.
const usualColumns = 80

// Screen is a terminal where a line is drawn again and again. It belongs to one Line at a time.
type Screen struct {
	Out     io.Writer
	Columns func() int // measures the width, which may change; nil, or a result of 0, is that of the usual terminal
}

// Draw replaces what stands in the line. Text that would not fit is cut: in a line that wraps, each drawing would begin
// a line of its own.
func (s *Screen) Draw(text string) {
	columns := 0
	if s.Columns != nil {
		columns = s.Columns()
	}
	if columns <= 0 {
		columns = usualColumns
	}
	runes := []rune(text)
	fmt.Fprint(s.Out, "\r\x1b[K"+string(runes[:min(len(runes), columns-1)])) // some wrap when the last column is full
}

// Sample is how far the work is at one moment. The callback that returns it is called from the line's own goroutine.
type Sample struct {
	Done, Total int64  // in the work's own unit; Total is 0 if nobody knows it
	Count       int64  // entries (or files) done, for the rate
	Noun        string // what Count counts, in the plural; "bytes" are shown in units that people read
}

// Line is a progress line. Stop must be called once.
type Line struct {
	screen *Screen
	label  string
	sample func() Sample
	start  time.Time
	stop   chan struct{} // closed by Stop
	ended  chan struct{} // closed by the goroutine when it draws no more
}

// Start begins to draw on screen, until Stop. A nil screen makes a Line that draws nothing.
func Start(screen *Screen, label string, sample func() Sample) *Line {
	l := &Line{screen: screen, label: label, sample: sample, start: time.Now()}
	if screen == nil {
		return l
	}
	l.stop, l.ended = make(chan struct{}), make(chan struct{})
	go l.run()
	return l
}

// Stop ends the drawing and wipes the line, so that what is written next begins at the left edge.
func (l *Line) Stop() {
	if l.screen == nil {
		return
	}
	close(l.stop)
	<-l.ended
}

func (l *Line) run() {
	defer close(l.ended)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			l.screen.Draw("")
			return
		case now := <-ticker.C:
			l.screen.Draw(render(l.label, l.sample(), now.Sub(l.start)))
		}
	}
}

// render is the line's text.
func render(label string, s Sample, elapsed time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s", label)
	if s.Total > 0 {
		fraction := min(1, float64(s.Done)/float64(s.Total))
		bar := units.Bar(20, fraction)
		fmt.Fprintf(&b, " %3.0f%% %s%s", fraction*100, bar, strings.Repeat("░", 20-utf8.RuneCountInString(bar)))
	}
	if rate := units.Rate(s.Count, elapsed); s.Noun == "bytes" {
		fmt.Fprintf(&b, " %s, %s/s", units.Bytes(s.Count), units.Bytes(rate))
	} else {
		fmt.Fprintf(&b, " %s %s, %s/s", units.Count(s.Count), s.Noun, units.Count(rate))
	}
	if left, known := remaining(s, elapsed); known {
		fmt.Fprintf(&b, ", %s left", left)
	}
	return b.String()
}

// remaining extrapolates. It is not known before a second has passed and a hundredth is done.
func remaining(s Sample, elapsed time.Duration) (time.Duration, bool) {
	if s.Total <= 0 || s.Done*100 < s.Total || elapsed < time.Second {
		return 0, false
	}
	left := float64(elapsed) * float64(max(0, s.Total-s.Done)) / float64(s.Done)
	return time.Duration(left).Round(time.Second), true
}
