package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a line of the report.
type row struct {
	name  string // in run.results; empty for a heading
	title string
	less  bool   // less is better
	peers string // the peers' row to compare with; empty: this one
}

var rows = slices.Concat([]row{
	{title: "Writes"},
	{name: "load", title: "bulk load, batches of 1,000, until synced (entries/s)"},
	{name: "settle", title: "… background work after it (s)", less: true},
	{name: "durable1", title: "durable write, 1 goroutine (commits/s)"},
	{name: "durable64", title: "durable write, 64 goroutines (commits/s)"},
	{name: "durable_batch", title: "durable batches of 1,000 (entries/s)"},
	{name: "nosync1", title: "unsynced write, 1 goroutine (commits/s)"},
	{name: "nosync2", title: "unsynced write, 2 goroutines (commits/s)"},
	{title: "Point reads"},
	{name: "uniform1", title: "uniform, 1 goroutine (reads/s)"},
	{name: "uniform2", title: "uniform, 2 goroutines"},
	{name: "uniform_own1", title: "uniform, each its own transaction, 1 goroutine"},
	{name: "uniform_own2", title: "uniform, each its own transaction, 2 goroutines"},
	{name: "zipf1", title: "zipfian, 1 goroutine"},
	{name: "zipf2", title: "zipfian, 2 goroutines"},
	{name: "hot1", title: "among a tenth of the rows, 1 goroutine"},
	{name: "hot2", title: "among a tenth of the rows, 2 goroutines"},
	{name: "absent1", title: "absent keys, 1 goroutine"},
	{name: "absent2", title: "absent keys, 2 goroutines"},
	{title: "Scans"},
	{name: "scan10", title: "seek + 10 entries (scans/s)"},
	{name: "scan100", title: "seek + 100 entries (scans/s)"},
	{name: "scan_all", title: "everything (entries/s)"},
}, bankRows(), []row{
	{title: "Size, open, memory"},
	{name: "disk", title: "on disk after load and close (MiB)", less: true},
	{name: "close", title: "close after load (ms)", less: true},
	{name: "open", title: "open after a clean close, and one read (ms)", less: true},
	{name: "rss_load", title: "peak resident memory, load (MiB)", less: true},
	{name: "rss_read", title: "… and reads and scans (MiB)", less: true},
	{name: "rss_all", title: "… and writes (MiB)", less: true},
})

// bankRows are those of the transactions.
func bankRows() []row {
	lines := []row{{title: "Transactions: transfers between two of so many accounts, 8 goroutines"}}
	for _, w := range bankWorkloads() {
		attempts := w.name + "_attempts"
		locking := w.name + "_locking"
		lines = append(lines,
			row{name: w.name, title: w.title},
			row{name: attempts, title: "… attempts for each commit", less: true},
			row{name: locking, title: "… reading with GetForUpdate (commits/s)", peers: w.name},
			row{name: locking + "_attempts", title: "… attempts for each commit", less: true, peers: attempts})
	}
	return lines
}

// busyWarning is printed when other work had the processors as the run began.
const busyWarning = "**The machine was busy with other work. These figures are too low, and the ratios between engines and " +
	"between rows are unreliable, by factors. Run it again on a quiet machine before drawing conclusions.**"

// report gathers the results of all repetitions.
type report struct {
	settings
	kinds       []kind
	began       time.Time
	load        string
	repetitions int
	values      map[string]map[string][]float64 // engine, row
}

func (r *report) add(engine string, results map[string]float64) {
	if r.values == nil {
		r.values = make(map[string]map[string][]float64)
	}
	if r.values[engine] == nil {
		r.values[engine] = make(map[string][]float64)
	}
	for name, v := range results {
		r.values[engine][name] = append(r.values[engine][name], v)
	}
}

// median is the middle of the repetitions; ok is false if the engine has no such row.
func (r *report) median(engine, name string) (m float64, ok bool) {
	v := slices.Sorted(slices.Values(r.values[engine][name]))
	if len(v) == 0 {
		return 0, false
	}
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2, true
}

func (r *report) markdown() []byte {
	var b bytes.Buffer
	command := strings.Join(append([]string{"go run ."}, os.Args[1:]...), " ")
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `cd bench && %s`; bench/doc.go says how it is made fair. ", command)
	fmt.Fprintf(&b, "Do not edit.\n\nDate: %s. Machine: %s, %d cores, %s. Load average when it began: %s.\n",
		r.began.UTC().Format("2006-01-02 15:04 UTC"), machine(), runtime.NumCPU(), runtime.Version(), r.load)
	fmt.Fprintf(&b, "\n%d rows with keys of %d random bytes and values of %d bytes that do not compress; %v for each timed row; ",
		r.Rows, keySize, valueSize, r.Each)
	fmt.Fprintf(&b, "median of %d repetitions. k: thousand, M: million.\n\n", r.repetitions)
	b.WriteString("The last column compares the first engine with the better of the peers: above 1 it is better, by that " +
		"factor; **rows that it loses are bold**. The Go map is no peer, it is the limit that memory sets. Resident memory " +
		"includes the program that measures (about 100 MiB) and, for engines that map files, pages of the page cache.\n")
	if busy, err := strconv.ParseFloat(r.load, 64); err == nil && busy > float64(runtime.NumCPU())/4 {
		b.WriteString("\n" + busyWarning + "\n")
	}
	for _, section := range sections() {
		r.section(&b, section)
	}
	r.footer(&b)
	return b.Bytes()
}

// sections splits rows into parts that each begin with a heading.
func sections() [][]row {
	var parts [][]row
	for _, line := range rows {
		if line.name == "" {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
	}
	return parts
}

// section prints a heading and its rows, with the engines that have figures for any of them.
func (r *report) section(b *bytes.Buffer, lines []row) {
	var columns []kind
	for _, k := range r.kinds {
		if slices.ContainsFunc(lines, func(l row) bool { return len(r.values[k.name][l.name]) > 0 }) {
			columns = append(columns, k)
		}
	}
	if len(columns) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| |", lines[0].title)
	for _, k := range columns {
		fmt.Fprintf(b, " %s |", k.name)
	}
	fmt.Fprintf(b, " %s ÷ best peer |\n|---|%s---:|\n", r.kinds[0].name, strings.Repeat("---:|", len(columns)))
	for _, line := range lines[1:] {
		r.line(b, line, columns)
	}
}

func (r *report) line(b *bytes.Buffer, line row, columns []kind) {
	fmt.Fprintf(b, "| %s |", line.title)
	for _, k := range columns {
		v, ok := r.median(k.name, line.name)
		if !ok {
			b.WriteString(" – |")
			continue
		}
		fmt.Fprintf(b, " %s |", number(v))
	}
	fmt.Fprintf(b, " %s |\n", r.ratio(line))
}

// ratio compares the first engine with the best peer.
func (r *report) ratio(line row) string {
	ours, ok := r.median(r.kinds[0].name, line.name)
	best, found := 0.0, false
	for _, k := range r.kinds {
		v, has := r.median(k.name, cmp.Or(line.peers, line.name))
		if has && k.peer && (!found || line.less && v < best || !line.less && v > best) {
			best, found = v, true
		}
	}
	if !ok || !found {
		return "–"
	}
	if ours == 0 || best == 0 {
		return "–"
	}
	ratio := ours / best
	if line.less {
		ratio = best / ours
	}
	if ratio < 1 {
		return fmt.Sprintf("**%.2f**", ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
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
	b.WriteString("\n## Spread\n\nThe largest (max - min) / median over the repetitions, and where:")
	separator := " "
	for _, k := range r.kinds {
		widest, where := 0.0, "–"
		for _, line := range rows {
			v := r.values[k.name][line.name]
			if m, ok := r.median(k.name, line.name); ok && m > 0 {
				if s := (slices.Max(v) - slices.Min(v)) / m; s > widest {
					widest, where = s, line.name
				}
			}
		}
		fmt.Fprintf(b, "%s%s %.0f %% (%s)", separator, k.name, 100*widest, where)
		separator = ", "
	}
	b.WriteString(".\n\n## Engines\n\n| engine | configuration |\n|---|---|\n")
	for _, k := range r.kinds {
		fmt.Fprintf(b, "| %s | %s |\n", k.name, k.config)
	}
	b.WriteString("\nVersions:")
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.ContainsFunc(r.kinds, func(k kind) bool {
				return strings.HasPrefix(k.config, m.Path+";") || strings.HasPrefix(k.config, m.Path+",")
			}) {
				fmt.Fprintf(b, " %s %s", m.Path, m.Version)
			}
		}
	}
	b.WriteString(".\n")
}
