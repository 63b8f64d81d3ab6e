package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := mainError(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// invocation is what the command line asks for.
type invocation struct {
	settings
	engines, sets []string // empty: all
	repetitions   int
	dir           string // for the databases
	out           string // file for the report
	save          string // file for the measurements
	from          []string
	ratios        string // file of ratios to compare with
	update        bool   // write that file
}

// fullSettings are those of the report in docs.
var fullSettings = settings{
	Rows:        1_000_000,
	Each:        500 * time.Millisecond,
	Sustained:   time.Minute,
	Memory:      256 << 20,
	LargeMemory: 128 << 20,
	ValueBytes:  300_000_000,
	FillLimit:   time.Minute,
	Limit:       5 * time.Minute,
}

// quickSettings tell a change of a factor.
var quickSettings = settings{
	Rows:        100_000,
	Each:        80 * time.Millisecond,
	Sustained:   3 * time.Second,
	Memory:      32 << 20,
	LargeMemory: 16 << 20,
	ValueBytes:  30_000_000,
	FillLimit:   5 * time.Second,
	Limit:       time.Minute,
}

// briefSettings are for a look at the ratios between a few engines in a few rows.
var briefSettings = settings{
	Rows:      100_000,
	Each:      150 * time.Millisecond,
	Memory:    32 << 20,
	FillLimit: 5 * time.Second,
	Limit:     30 * time.Second,
}

// briefEngines are this one and the peers written in Go that come closest.
var briefEngines = []string{"lightning", "bbolt", "pebble"}

func mainError() error {
	if text, ok := jobArgument(os.Args[1:]); ok {
		return measure(text, os.Stdout)
	}
	c := parseArguments()
	if len(c.from) > 0 {
		m, err := loadMeasurements(c.from)
		if err != nil {
			return err
		}
		return c.report(m)
	}
	chosen, err := chooseKinds(c.engines)
	if err != nil {
		return err
	}
	workloads, err := chooseSets(c.sets)
	if err != nil {
		return err
	}
	m, err := c.measureAll(chosen, workloads)
	if err != nil {
		return err
	}
	if err := c.report(m); err != nil {
		return err
	}
	if m.LeftOut > 0 {
		return fmt.Errorf("%d sets of workloads failed and were left out", m.LeftOut)
	}
	return nil
}

// jobArgument is how this program starts itself with a job.
func jobArgument(args []string) (string, bool) {
	if len(args) == 2 && args[0] == "-job" {
		return args[1], true
	}
	return "", false
}

func parseArguments() *invocation {
	quick := flag.Bool("quick", false, "fewer rows, less time, one repetition: some minutes")
	brief := flag.Bool("brief", false, "a few rows of a few engines: less than a minute")
	rows := flag.Int("n", 0, "rows (default 1,000,000; 100,000 with -quick)")
	each := flag.Duration("each", 0, "time of each row of the table (default 500ms; 80ms with -quick)")
	sustained := flag.Duration("sustained", 0, "time of sustained writes (default 1m; 3s with -quick)")
	repetitions := flag.Int("r", 0, "repetitions (default 3; 1 with -quick)")
	engines := flag.String("engines", "", "comma-separated; default all")
	sets := flag.String("sets", "",
		"comma-separated: table, ycsb, bank, kill, sustained, large, model, values1, values10, values100; default all")
	out := flag.String("out", "", "file for the report; charts go into the directory of the same name without .md")
	save := flag.String("save", "", "file for the measurements")
	from := flag.String("from", "", "measure nothing: report what these files, comma-separated, have saved")
	dir := flag.String("dir", "", "where to put the databases; default the system's temporary directory")
	compress := flag.Bool("compress", false, "values that compress to half, and engines that do so, if they can")
	profiles := flag.String("profiles", "", "directory to write CPU profiles to")
	ratios := flag.String("ratios", "", "file of ratios to compare with")
	update := flag.Bool("update", false, "write the file of -ratios anew")
	flag.Parse()

	c := &invocation{settings: fullSettings, repetitions: 3, engines: list(*engines), sets: list(*sets),
		dir: *dir, out: *out, save: *save, from: list(*from), ratios: *ratios, update: *update}
	switch {
	case *brief:
		c.settings, c.sets = briefSettings, []string{briefSet.name}
		if len(c.engines) == 0 {
			c.engines = briefEngines
		}
	case *quick:
		c.settings, c.repetitions = quickSettings, 1
	}
	c.Profiles, c.Compress = *profiles, *compress
	override(&c.Rows, *rows)
	override(&c.Each, *each)
	override(&c.Sustained, *sustained)
	override(&c.repetitions, *repetitions)
	return c
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' })
}

// override sets what was given.
func override[T int | time.Duration](to *T, given T) {
	if given > 0 {
		*to = given
	}
}

func chooseKinds(names []string) ([]kind, error) {
	if len(names) == 0 {
		return kinds(), nil
	}
	var chosen []kind
	for _, name := range names {
		k, err := kindByName(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, k)
	}
	return chosen, nil
}

func chooseSets(names []string) ([]set, error) {
	if len(names) == 0 {
		return sets(), nil
	}
	var chosen []set
	for _, name := range names {
		s, err := setByName(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

// report writes or prints what is asked for.
func (c *invocation) report(m *measurements) error {
	if c.ratios != "" {
		return reportRatios(os.Stdout, m, c.ratios, c.update)
	}
	r := &report{measurements: m}
	folder := strings.TrimSuffix(c.out, ".md")
	text := r.markdown(filepath.Base(folder))
	if c.out == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	errs := []error{os.WriteFile(c.out, text, 0o666)}
	for name, svg := range r.charts {
		errs = append(errs, os.WriteFile(filepath.Join(folder, name), svg, 0o666))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "wrote %s and %d charts\n", c.out, len(r.charts))
	return nil
}
