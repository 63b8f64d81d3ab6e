package main

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// report is measurements as Markdown with charts.
type report struct {
	*measurements
	charts map[string][]byte // SVG by file name
}

// markdown makes the report. Charts are in folder, as seen from the report.
func (r *report) markdown(folder string) []byte {
	var b bytes.Buffer
	r.header(&b)
	r.summary(&b)
	for _, s := range sections() {
		r.section(&b, s, folder)
	}
	r.footer(&b)
	return b.Bytes()
}

func (r *report) header(b *bytes.Buffer) {
	s, compressible := r.Settings, "do not compress"
	if s.Compress {
		compressible = "compress to half, and are compressed where the engine can"
	}
	fmt.Fprintf(b, "# Benchmarks\n\nWritten by `cd bench && %s` in %v; ", r.Command, r.Took.Round(time.Second))
	b.WriteString("[bench/doc.go](../bench/doc.go) says how it is made fair. Do not edit.\n\n")
	fmt.Fprintf(b, "Date: %s. Machine: %s. Processors in use by others before it began: %s.\n",
		r.Began.Format("2006-01-02 15:04 UTC"), r.Machine, percent(r.OtherWork))
	fmt.Fprintf(b, "\n%s rows, keys of %d random bytes, values of %d bytes that %s (%d in the first tenth ",
		number(float64(s.Rows)), keySize, valueSize, compressible, hotValueSize)
	fmt.Fprintf(b, "of the rows, the hot ones); memory %d MiB for each engine, %d MiB with ten times as much data; ",
		s.Memory>>20, s.LargeMemory>>20)
	fmt.Fprintf(b, "%v for each timed row, %v of sustained writes; median of %d repetitions, ",
		s.Each, s.Sustained, r.Repetitions)
	b.WriteString("of sustained writes and ten times the memory one. k: thousand, M: million.\n")
	b.WriteString("\nThe last column compares the first engine with the best of the peers, which it names: above 1 it " +
		"is better, by that factor; **rows that it loses are bold and marked ▼**. The Go map is no peer: it is the limit " +
		"that memory sets.\n")
}

// summary counts the rows that are won, by section, and then lists those that are lost.
func (r *report) summary(b *bytes.Buffer) {
	won, lost, compared := r.verdicts()
	if compared == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Summary\n\n%s is ahead of every peer in %d of %d rows:\n\n",
		r.Engines[0].Name, compared-len(lost), compared)
	for _, line := range won {
		fmt.Fprintf(b, "* %s\n", line)
	}
	if len(lost) > 0 {
		fmt.Fprintf(b, "\nIt loses:\n\n* %s\n", strings.Join(lost, "\n* "))
	}
}

// verdicts says of each section how many rows are won and by how much, describes each row in which a peer is ahead, and
// counts the rows that can be compared.
func (r *report) verdicts() (won, lost []string, compared int) {
	ours := r.Engines[0].Name
	for _, s := range sections() {
		var factors []float64 // of the rows that are won
		rows := 0
		parent := "" // of rows that begin with an ellipsis
		for _, line := range s.lines {
			title := line.title
			if rest, ok := strings.CutPrefix(title, "… "); ok {
				title = parent + ": " + rest
			} else {
				parent = title
			}
			c, ok := r.compare(line)
			if !ok {
				continue
			}
			rows++
			if c.lost(ours) {
				lost = append(lost, fmt.Sprintf("%s, %s: %.2f of %s", s.title, title, c.ratios[ours], c.best))
			} else {
				factors = append(factors, c.ratios[ours])
			}
		}
		compared += rows
		if len(factors) > 0 {
			slices.Sort(factors)
			won = append(won, fmt.Sprintf("%s: %d of %d, by a factor of %.2f to %.2f, in the middle %.2f",
				s.title, len(factors), rows, factors[0], factors[len(factors)-1], factors[len(factors)/2]))
		}
	}
	return won, lost, compared
}

// section prints a heading, its chart, and its rows, with the engines that have figures for any of them.
func (r *report) section(b *bytes.Buffer, s section, folder string) {
	var columns []engineInfo
	for _, e := range r.Engines {
		if slices.ContainsFunc(s.lines, func(l row) bool { return len(r.Values[e.Name][l.name]) > 0 }) {
			columns = append(columns, e)
		}
	}
	if len(columns) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", s.title, s.text)
	r.sectionCharts(b, s, folder)
	b.WriteString("\n| |")
	for _, e := range columns {
		fmt.Fprintf(b, " %s |", e.Name)
	}
	fmt.Fprintf(b, " %s ÷ best peer |\n|---|%s---:|\n", r.Engines[0].Name, strings.Repeat("---:|", len(columns)))
	for _, line := range s.lines {
		r.line(b, line, columns)
	}
}

func (r *report) sectionCharts(b *bytes.Buffer, s section, folder string) {
	if s.chart {
		r.chart(b, folder, s.name, s.title+" and the best peer", r.bars(s))
	}
	if s.name == "sustained" {
		rate := lineChart{title: "Writes in each second", unit: "writes/s", less: false}
		slow := lineChart{title: "p99.9 latency of the writes in each second", unit: "µs", less: true}
		r.chart(b, folder, "sustained-rate", rate.title, r.lines(rate, "rate"))
		r.chart(b, folder, "sustained-latency", slow.title, r.lines(slow, "p999"))
	}
}

// chart keeps a chart, if there is anything in it, and refers to it.
func (r *report) chart(b *bytes.Buffer, folder, name, title string, svg []byte) {
	if svg == nil {
		return
	}
	if r.charts == nil {
		r.charts = make(map[string][]byte)
	}
	r.charts[name+".svg"] = svg
	fmt.Fprintf(b, "\n![%s](%s)\n", title, path.Join(folder, name+".svg"))
}

// line prints a row, unless no engine has it.
func (r *report) line(b *bytes.Buffer, line row, columns []engineInfo) {
	cells, any := "", false
	for _, e := range columns {
		v, ok := r.median(e.Name, line.name)
		if !ok {
			cells += " – |"
			continue
		}
		any = true
		cells += " " + number(v) + " |"
	}
	if any {
		fmt.Fprintf(b, "| %s |%s %s |\n", line.title, cells, r.ratioCell(line))
	}
}

func (r *report) ratioCell(line row) string {
	c, ok := r.compare(line)
	if !ok {
		return "–"
	}
	ours := r.Engines[0].Name
	if c.lost(ours) {
		return fmt.Sprintf("**%.2f %s ▼**", c.ratios[ours], c.best)
	}
	return fmt.Sprintf("%.2f %s", c.ratios[ours], c.best)
}

// percent prints a share; less than 0 is unknown.
func percent(share float64) string {
	if share < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// number prints v with three digits.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (r *report) footer(b *bytes.Buffer) {
	r.spread(b)
	b.WriteString("\n## Engines\n\n| engine | version | configuration |\n|---|---|---|\n")
	for _, e := range r.Engines {
		version := e.Version
		if version == "" {
			version = "–"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", e.Name, version, e.Config)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintf(b, "\n## Notes\n\n* %s\n", strings.Join(r.Notes, "\n* "))
	}
}

// spread says how far the repetitions of rates are apart.
func (r *report) spread(b *bytes.Buffer) {
	if r.Repetitions < 2 {
		return
	}
	b.WriteString("\n## Spread\n\nThe largest (max - min) / median of a rate over the repetitions, and where:")
	separator := " "
	for _, e := range r.Engines {
		widest, where := 0.0, "–"
		for _, s := range sections() {
			for _, line := range s.lines {
				v := r.Values[e.Name][line.name]
				if m, ok := r.median(e.Name, line.name); ok && m > 0 && !line.less && !line.plain {
					if s := (slices.Max(v) - slices.Min(v)) / m; s > widest {
						widest, where = s, line.name
					}
				}
			}
		}
		fmt.Fprintf(b, "%s%s %.0f %% (%s)", separator, e.Name, 100*widest, where)
		separator = ", "
	}
	b.WriteString(".\n")
}
