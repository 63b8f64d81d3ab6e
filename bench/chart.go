package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Charts are plain SVG on a light ground, drawn by hand: nothing else is needed to look at them.

// style is how an engine is drawn. Shape and dashes say the same as the colour, for people who see fewer colours and
// for printers: no two engines share a shape, or dashes.
type style struct {
	colour string
	shape  string // path of a mark of some 8 by 8, around 0 0
	dashes string // of a line, as stroke-dasharray has them; empty for none
}

var styles = map[string]style{
	"lightning":   {"#111111", "M-4-4h8v8h-8z", ""},
	"bbolt":       {"#c77d00", "M0-5 5 0 0 5-5 0z", "8 3"},
	"bbolt-batch": {"#8c6d1f", "M-5 0h10M0-5v10", "2 2"},
	"pebble":      {"#0072b2", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "12 4"},
	"badger":      {"#b5460f", "M0-5 5 4h-10z", "6 2 2 2"},
	"goleveldb":   {"#3f97c9", "M0 5 5-4h-10z", "3 3"},
	"sqlite":      {"#6b6b6b", "M-5-3h10v6h-10z", "10 3 2 3"},
	"lmdb":        {"#a8477f", "M-4-4 4 4M-4 4 4-4", "5 5"},
	"rocksdb":     {"#00795a", "M-3-5h6v10h-6z", "12 3 2 3 2 3"},
	"gomap":       {"#a6a6a6", "M-5 0h10", "1 3"},
}

// Bars of ours: blue ahead, orange behind, which everybody tells apart; bars behind also run to the left.
const (
	ahead, behind = "#2166ac", "#c55a11"
	ink, faint    = "#222222", "#dddddd"
)

// svg is a drawing that grows.
type svg struct{ bytes.Buffer }

// newSVG begins a drawing. Programs that read to people who cannot see it find its title and description.
func newSVG(width, height float64, title, description string) *svg {
	s := &svg{}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" `+
		`role="img" aria-labelledby="title description" font-family="Helvetica, Arial, sans-serif" font-size="12">`+"\n",
		width, height, width, height)
	fmt.Fprintf(s, `<title id="title">%s</title>`+"\n"+`<desc id="description">%s</desc>`+"\n",
		html.EscapeString(title), html.EscapeString(description))
	s.rect(0, 0, width, height, "#fcfcfa")
	return s
}

func (s *svg) rect(x, y, width, height float64, fill string) {
	fmt.Fprintf(s, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, width, height, fill)
}

func (s *svg) line(x1, y1, x2, y2 float64, colour string, width float64) {
	fmt.Fprintf(s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n",
		x1, y1, x2, y2, colour, width)
}

// mark draws an engine's mark.
func (s *svg) mark(x, y float64, engine string) {
	m := styles[engine]
	fill, stroke := m.colour, "#ffffff"   // so that it shows on a bar
	if !strings.HasSuffix(m.shape, "z") { // strokes, not an area
		fill, stroke = "none", m.colour
	}
	fmt.Fprintf(s, `<path transform="translate(%.1f %.1f)" d="%s" fill="%s" stroke="%s" stroke-width="1.5"/>`+"\n",
		x, y, m.shape, fill, stroke)
}

// text is anchored at start, middle or end.
func (s *svg) text(x, y float64, anchor, colour, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n",
		x, y, anchor, colour, html.EscapeString(text))
}

func (s *svg) title(x, y float64, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" fill="%s" font-size="15" font-weight="bold">%s</text>`+"\n",
		x, y, ink, html.EscapeString(text))
}

func (s *svg) end() []byte {
	s.WriteString("</svg>\n")
	return s.Bytes()
}

// logScale maps values from low to high to places from a to b.
type logScale struct{ low, high, a, b float64 }

func (l logScale) at(v float64) float64 {
	v = min(max(v, l.low), l.high)
	return l.a + (l.b-l.a)*math.Log(v/l.low)/math.Log(l.high/l.low)
}

// ticks are 1, 2 and 5 times the powers of ten between low and high, without 2 and 5 if that is many.
func (l logScale) ticks() (all []float64) {
	steps := []float64{1, 2, 5}
	if math.Log10(l.high/l.low) > 3 {
		steps = steps[:1]
	}
	for exponent := math.Floor(math.Log10(l.low)); exponent <= math.Ceil(math.Log10(l.high)); exponent++ {
		for _, step := range steps {
			if v := step * math.Pow(10, exponent); v >= l.low*0.999 && v <= l.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

// tidy widens low and high to 1, 2 or 5 times powers of ten.
func tidy(low, high float64) (float64, float64) {
	down := func(v float64) float64 {
		power := math.Pow(10, math.Floor(math.Log10(v)))
		for _, step := range []float64{5, 2, 1} {
			if step*power <= v*1.001 {
				return step * power
			}
		}
		return power
	}
	top := down(high)
	for top < high*0.999 {
		top = down(top * 2.6)
	}
	return down(low), top
}

// bars draws how the first engine stands to the best peer in each row of a section, and dots for all others. nil if
// nothing can be compared.
func (r *report) bars(s section) []byte {
	var rows []comparison
	for _, line := range s.lines {
		if c, ok := r.compare(line); ok && !line.less {
			rows = append(rows, c)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	const width, left, right, top, height = 980, 390, 70, 84, 22
	x := barScale(rows)
	x.a, x.b = left, width-right
	bottom := float64(top + height*len(rows))
	title := fmt.Sprintf("%s: %s and the best peer", s.title, r.Engines[0].Name)
	out := newSVG(width, bottom+48, title, r.describeBars(rows))
	out.title(16, 26, title)
	r.barLegend(out, rows)
	for _, v := range x.ticks() {
		out.line(x.at(v), top-6, x.at(v), bottom+4, faint, 1)
		out.text(x.at(v), bottom+20, "middle", ink, fmt.Sprintf("%g", v))
	}
	out.line(x.at(1), top-6, x.at(1), bottom+4, ink, 1.5)
	out.text((x.a+x.b)/2, bottom+38, "middle", ink,
		"throughput relative to the best peer (1), logarithmic; right is better")
	for i, c := range rows {
		r.bar(out, x, c, float64(top+height*i)+height/2)
	}
	return out.end()
}

// describeBars says in words what the bars show.
func (r *report) describeBars(rows []comparison) string {
	ours := r.Engines[0].Name
	parts := make([]string, len(rows))
	for i, c := range rows {
		parts[i] = fmt.Sprintf("%s: %.2f times %s", c.line.title, c.ratios[ours], c.best)
	}
	return "Throughput of " + ours + " as a multiple of the best peer's. " + strings.Join(parts, "; ") + "."
}

// barScale takes in all ratios, but no more than leaves the differences visible.
func barScale(rows []comparison) logScale {
	const least, most = 0.01, 100
	low, high := 0.5, 2.0
	for _, c := range rows {
		for _, v := range c.ratios {
			low, high = min(low, v), max(high, v)
		}
	}
	low, high = tidy(max(low, least), min(high, most))
	return logScale{low: low, high: high}
}

func (r *report) bar(out *svg, x logScale, c comparison, y float64) {
	ours := c.ratios[r.Engines[0].Name]
	colour := ahead
	if ours < 1 {
		colour = behind
	}
	from, to := min(x.at(1), x.at(ours)), max(x.at(1), x.at(ours))
	out.rect(from, y-6, max(to-from, 1), 12, colour)
	out.text(x.a-10, y+4, "end", ink, c.line.title)
	out.text(x.b+10, y+4, "start", colour, fmt.Sprintf("%.2f×", ours))
	for _, e := range r.Engines[1:] {
		if v, ok := c.ratios[e.Name]; ok {
			out.mark(x.at(v), y, e.Name)
		}
	}
}

// barLegend names the engines that have a dot in any row.
func (r *report) barLegend(out *svg, rows []comparison) {
	const y = 52
	at := 16.0
	out.rect(at, y-9, 14, 10, ahead)
	out.rect(at+16, y-9, 14, 10, behind)
	out.text(at+36, y, "start", ink, r.Engines[0].Name+", ahead or behind")
	at += 210
	for _, e := range r.Engines[1:] {
		if !slices.ContainsFunc(rows, func(c comparison) bool { _, ok := c.ratios[e.Name]; return ok }) {
			continue
		}
		out.mark(at, y-4, e.Name)
		out.text(at+9, y, "start", ink, e.Name)
		at += 32 + 7*float64(len(e.Name))
	}
}

// lineChart is a value of each second for each engine.
type lineChart struct {
	title, unit string
	less        bool // less is better
}

// curve is one engine's line.
type curve struct {
	engine string
	values []float64
	middle float64
}

// lines draws a series of all engines. nil if none has it.
func (r *report) lines(c lineChart, series string) []byte {
	var curves []curve
	for _, e := range r.Engines {
		if v := r.Series[e.Name][series]; len(v) > 0 {
			sorted := slices.Sorted(slices.Values(v))
			curves = append(curves, curve{e.Name, v, sorted[len(sorted)/2]})
		}
	}
	if len(curves) == 0 {
		return nil
	}
	const width, height, left, right, top, bottom = 980, 420, 80, 190, 60, 56
	y := lineScale(curves)
	y.a, y.b = height-bottom, top
	seconds := 1
	for _, line := range curves {
		seconds = max(seconds, len(line.values))
	}
	x := func(second int) float64 {
		return left + (width-left-right)*(float64(second)+0.5)/float64(seconds)
	}
	out := newSVG(width, height, c.title, describeLines(curves, c))
	out.title(16, 28, c.title)
	for _, v := range y.ticks() {
		out.line(left, y.at(v), width-right, y.at(v), faint, 1)
		out.text(left-8, y.at(v)+4, "end", ink, number(v))
	}
	step := (seconds + 11) / 12 // between labels
	for second := step; second <= seconds; second += step {
		out.text(x(second-1), height-bottom+18, "middle", ink, fmt.Sprint(second))
	}
	better := "up is better"
	if c.less {
		better = "down is better"
	}
	out.text(left+(width-left-right)/2.0, height-14, "middle", ink, "second of the run")
	out.text(left, top-12, "start", ink, c.unit+", logarithmic; "+better)
	// Ours comes last, so that it lies on top.
	for i := len(curves) - 1; i >= 0; i-- {
		out.curve(curves[i], x, y)
	}
	out.lineLegend(curves, c, width-right+20, top)
	return out.end()
}

// describeLines says in words what the lines show.
func describeLines(curves []curve, c lineChart) string {
	parts := make([]string, len(curves))
	for i, line := range curves {
		parts[i] = fmt.Sprintf("%s %s, from %s to %s", line.engine, number(line.middle),
			number(slices.Min(line.values)), number(slices.Max(line.values)))
	}
	return "A line for each engine, in " + c.unit + "; the medians of all seconds: " + strings.Join(parts, "; ") + "."
}

func lineScale(curves []curve) logScale {
	low, high := math.Inf(1), 1.0
	for _, c := range curves {
		for _, v := range c.values {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	low, high = tidy(min(low, high/10), high)
	return logScale{low: low, high: high}
}

func (s *svg) curve(c curve, x func(second int) float64, y logScale) {
	width := 1.5
	if c.engine == "lightning" {
		width = 3
	}
	fmt.Fprintf(s, `<polyline fill="none" stroke="%s" stroke-width="%.1f" stroke-dasharray="%s" points="`,
		styles[c.engine].colour, width, styles[c.engine].dashes)
	for second, v := range c.values {
		fmt.Fprintf(s, "%.1f,%.1f ", x(second), y.at(v)) // a second without writes is at the bottom
	}
	s.WriteString("\"/>\n")
	const few = 12 // a line through so few is hardly one
	for second, v := range c.values {
		if len(c.values) <= few {
			s.mark(x(second), y.at(v), c.engine)
		}
	}
}

// lineLegend lists the engines with their median, the best first.
func (s *svg) lineLegend(curves []curve, c lineChart, x, y float64) {
	sorted := slices.Clone(curves)
	slices.SortStableFunc(sorted, func(a, b curve) int {
		if (a.middle < b.middle) == c.less {
			return -1
		}
		return 1
	})
	s.text(x, y, "start", ink, "median")
	for i, line := range sorted {
		at := y + 20*float64(i+1)
		style := styles[line.engine]
		fmt.Fprintf(s, `<path d="M%.1f %.1fh26" stroke="%s" stroke-width="3" stroke-dasharray="%s"/>`+"\n",
			x, at-4, style.colour, style.dashes)
		s.text(x+34, at, "start", ink, fmt.Sprintf("%s %s", line.engine, number(line.middle)))
	}
}
