package main

import (
	"bytes"
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
	less  bool // less is better
}

var rows = []row{
	{"", "Writes", false},
	{"load", "bulk load, batches of 1,000, until synced (entries/s)", false},
	{"settle", "… background work after it (s)", true},
	{"durable1", "durable write, 1 goroutine (commits/s)", false},
	{"durable64", "durable write, 64 goroutines (commits/s)", false},
	{"durable_batch", "durable batches of 1,000 (entries/s)", false},
	{"nosync1", "unsynced write, 1 goroutine (commits/s)", false},
	{"nosync2", "unsynced write, 2 goroutines (commits/s)", false},
	{"", "Point reads", false},
	{"uniform1", "uniform, 1 goroutine (reads/s)", false},
	{"uniform2", "uniform, 2 goroutines", false},
	{"uniform_own1", "uniform, each its own transaction, 1 goroutine", false},
	{"uniform_own2", "uniform, each its own transaction, 2 goroutines", false},
	{"zipf1", "zipfian, 1 goroutine", false},
	{"zipf2", "zipfian, 2 goroutines", false},
	{"hot1", "among a tenth of the rows, 1 goroutine", false},
	{"hot2", "among a tenth of the rows, 2 goroutines", false},
	{"absent1", "absent keys, 1 goroutine", false},
	{"absent2", "absent keys, 2 goroutines", false},
	{"", "Scans", false},
	{"scan10", "seek + 10 entries (scans/s)", false},
	{"scan100", "seek + 100 entries (scans/s)", false},
	{"scan_all", "everything (entries/s)", false},
	{"", "Size, open, memory", false},
	{"disk", "on disk after load and close (MiB)", true},
	{"close", "close after load (ms)", true},
	{"open", "open after a clean close, and one read (ms)", true},
	{"rss_load", "peak resident memory, load (MiB)", true},
	{"rss_read", "… and reads and scans (MiB)", true},
	{"rss_all", "… and writes (MiB)", true},
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
	for _, line := range rows {
		if line.name == "" {
			r.heading(&b, line.title)
		} else {
			r.line(&b, line)
		}
	}
	r.footer(&b)
	return b.Bytes()
}

func (r *report) heading(b *bytes.Buffer, title string) {
	fmt.Fprintf(b, "\n## %s\n\n| |", title)
	for _, k := range r.kinds {
		fmt.Fprintf(b, " %s |", k.name)
	}
	fmt.Fprintf(b, " %s ÷ best peer |\n|---|%s---:|\n", r.kinds[0].name, strings.Repeat("---:|", len(r.kinds)))
}

func (r *report) line(b *bytes.Buffer, line row) {
	fmt.Fprintf(b, "| %s |", line.title)
	for _, k := range r.kinds {
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
		v, has := r.median(k.name, line.name)
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
			if m.Path == "go.etcd.io/bbolt" || m.Path == "github.com/cockroachdb/pebble/v2" {
				fmt.Fprintf(b, " %s %s", m.Path, m.Version)
			}
		}
	}
	b.WriteString(".\n")
}
