package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
)

// Charts are plain SVG on a light ground, drawn by hand: nothing else is needed to look at them.

// colours of the engines, which are told apart by people who see fewer colours, too.
var colours = map[string]string{
	"lightning":   "#111111",
	"bbolt":       "#e69f00",
	"bbolt-batch": "#8c6d1f",
	"pebble":      "#0072b2",
	"badger":      "#d55e00",
	"goleveldb":   "#56b4e9",
	"sqlite":      "#8a8a8a",
	"lmdb":        "#cc79a7",
	"rocksdb":     "#009e73",
	"gomap":       "#b8b8b8",
}

const (
	ahead, behind = "#2b7a5b", "#c0392b" // bars of ours
	ink, faint    = "#222222", "#dddddd"
)

// svg is a drawing that grows.
type svg struct{ bytes.Buffer }

func newSVG(width, height float64) *svg {
	s := &svg{}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" `+
		`font-family="Helvetica, Arial, sans-serif" font-size="12">`+"\n", width, height, width, height)
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

func (s *svg) dot(x, y float64, colour string) {
	fmt.Fprintf(s, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#ffffff" stroke-width="1"/>`+"\n", x, y, colour)
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
	out := newSVG(width, bottom+48)
	out.title(16, 26, fmt.Sprintf("%s: %s beside the best peer", s.title, r.Engines[0].Name))
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
			out.dot(x.at(v), y, colours[e.Name])
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
		out.dot(at, y-4, colours[e.Name])
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
	out := newSVG(width, height)
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
	fmt.Fprintf(s, `<polyline fill="none" stroke="%s" stroke-width="%.1f" stroke-linejoin="round" points="`,
		colours[c.engine], width)
	for second, v := range c.values {
		fmt.Fprintf(s, "%.1f,%.1f ", x(second), y.at(v)) // a second without writes is at the bottom
	}
	s.WriteString("\"/>\n")
	const few = 12 // a line through so few is hardly one
	for second, v := range c.values {
		if len(c.values) <= few {
			s.dot(x(second), y.at(v), colours[c.engine])
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
		s.line(x, at-4, x+18, at-4, colours[line.engine], 3)
		s.text(x+26, at, "start", ink, fmt.Sprintf("%s %s", line.engine, number(line.middle)))
	}
}
