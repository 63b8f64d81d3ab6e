package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := mainError(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func mainError() error {
	quick := flag.Bool("quick", false, "fewer rows, less time, one repetition")
	rows := flag.Int("n", 0, "rows (default 1,000,000; 200,000 with -quick)")
	each := flag.Duration("each", 0, "time of each row of the table (default 1s; 300ms with -quick)")
	repetitions := flag.Int("r", 0, "repetitions (default 3; 1 with -quick)")
	bankOnly := flag.Bool("bank", false, "measure transactions only")
	engines := flag.String("engines", "", "comma-separated; default all")
	out := flag.String("out", "", "file for the report (default ../docs/benchmarks.md without -quick; else none)")
	tmp := flag.String("dir", "", "where to put the databases; default the system's temporary directory")
	profiles := flag.String("profiles", "", "directory to write CPU profiles to")
	child := flag.String("child", "", "used by the program itself: the engine to measure")
	flag.Parse()

	s := settings{Rows: 1_000_000, Each: time.Second, Profiles: *profiles, BankOnly: *bankOnly}
	count, file := 3, "../docs/benchmarks.md"
	if *quick {
		s.Rows, s.Each, count, file = 200_000, 300*time.Millisecond, 1, ""
	}
	if *rows > 0 {
		s.Rows = *rows
	}
	if *each > 0 {
		s.Each = *each
	}
	if *repetitions > 0 {
		count = *repetitions
	}
	if *out != "" {
		file = *out
	}
	if *child != "" {
		return measure(*child, *tmp, s, os.Stdout)
	}
	return compare(strings.FieldsFunc(*engines, func(c rune) bool { return c == ',' }), *tmp, file, count, s)
}

// measure runs all workloads of one engine in this process and writes the results as JSON.
func measure(name, dir string, s settings, out io.Writer) error {
	k, err := kindByName(name)
	if err != nil {
		return err
	}
	r := &run{settings: s, kind: k, dir: dir, data: newData(), results: make(map[string]float64)}
	if err := r.all(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r.results)
}

// compare measures the engines in turn, each in a process of its own, and reports.
func compare(names []string, tmp, file string, repetitions int, s settings) error {
	if s.Rows < loadBatch {
		return fmt.Errorf("-n must be at least %d", loadBatch)
	}
	chosen, err := chooseKinds(names)
	if err != nil {
		return err
	}
	report := &report{settings: s, kinds: chosen, began: time.Now(), load: load(), repetitions: repetitions}
	for rep := range repetitions {
		for _, k := range chosen {
			fmt.Fprintf(os.Stderr, "repetition %d of %d: %s\n", rep+1, repetitions, k.name)
			results, err := measureChild(k.name, tmp, s)
			if err != nil {
				return err
			}
			report.add(k.name, results)
		}
	}
	text := report.markdown()
	if file != "" {
		if err := os.WriteFile(file, text, 0o666); err != nil {
			return err
		}
	}
	_, err = os.Stdout.Write(text)
	return err
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

// measureChild runs measure in a new process, in a new directory that it removes.
func measureChild(name, tmp string, s settings) (map[string]float64, error) {
	dir, err := os.MkdirTemp(tmp, "bench-"+name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-child", name, "-dir", dir, "-n", strconv.Itoa(s.Rows), "-each", s.Each.String(),
		"-profiles", s.Profiles, "-bank="+strconv.FormatBool(s.BankOnly))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", name, err)
	}
	results := make(map[string]float64)
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&results); err != nil {
		return nil, fmt.Errorf("results of %s: %w", name, err)
	}
	return results, nil
}
