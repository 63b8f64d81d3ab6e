// Command lightning-torture does to Lightning DB what a bad year does to a database: it cuts the power at every change
// of a directory, fails every call, flips every bit, kills processes, and simulates whole lives with all of these at
// once. It holds what is left against what was promised, and prints a table and one line of JSON.
//
//	go run ./cmd/lightning-torture --count 500            a first look
//	go run ./cmd/lightning-torture --time 15m             all levels, at their full counts
//	go run ./cmd/lightning-torture --only simulation --seed 7 --count 1
//
// It exits with 0 only if no number that must be zero is another, every level reached its count, and something was
// injected into each. It is a program of its own because package torture, with the directories in memory, would take
// lightning beyond its size; see docs/decisions/0006-torture-program.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"lightningdb/internal/torture"
)

// childCommand is the argument that makes this program the process that is killed.
const childCommand = "write-until-killed"

func main() {
	if len(os.Args) == 3 && os.Args[1] == childCommand {
		if err := torture.WriteUntilKilled(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: 0 for all green, 1 for red, 2 for a wrong command line, 130 when interrupted.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, json, err := parse(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "lightning-torture:", err)
		return 2
	}
	dir, err := os.MkdirTemp("", "lightning-torture-")
	if err != nil {
		fmt.Fprintln(stderr, "lightning-torture:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	c.Dir, c.Child = dir, child
	watch(c, stderr)
	if !json {
		fmt.Fprintf(stdout, "seed %d\n", c.Seed)
	}
	start := time.Now()
	outcomes := c.Run(ctx)
	report := newReport(c, outcomes, time.Since(start))
	if !json {
		report.writeTable(stdout)
	}
	report.writeJSON(stdout)
	if ctx.Err() != nil {
		return 130
	}
	if !report.OK {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (c *torture.Campaign, json bool, err error) {
	c = new(torture.Campaign)
	f := flag.NewFlagSet("lightning-torture", flag.ContinueOnError)
	f.SetOutput(stderr)
	var only string
	f.Uint64Var(&c.Seed, "seed", 0, "seed of everything random; 0 chooses one")
	f.DurationVar(&c.Time, "time", 0, "bound for all levels together, like 15m; 0 is none")
	f.Int64Var(&c.Count, "count", 0, "what each level must reach, in its own unit; 0 is its full count")
	f.Int64Var(&c.Times, "times", 1, "multiplies the full counts")
	f.IntVar(&c.Workers, "workers", runtime.GOMAXPROCS(0), "units at a time")
	f.BoolVar(&json, "json", false, "print only the line of JSON")
	f.StringVar(&only, "only", "", "levels to run, with commas between them: "+strings.Join(names(), ","))
	if err := f.Parse(args); err != nil {
		return nil, false, err
	}
	if f.NArg() > 0 {
		return nil, false, fmt.Errorf("there are no arguments, only flags: %q", f.Args())
	}
	if only != "" {
		c.Only = strings.Split(only, ",")
	}
	for _, name := range c.Only {
		if !slices.Contains(names(), name) {
			return nil, false, fmt.Errorf("there is no level %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 40)
	}
	return c, json, nil
}

func names() (all []string) {
	for _, l := range torture.Levels() {
		all = append(all, l.Name)
	}
	return all
}

// child is this program again, as the process that is killed.
func child(dir string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return exec.Command(program, childCommand, dir)
}

// maxShown bounds how many violations are printed for each level.
const maxShown = 5

// watch has progress drawn on a terminal, and the first violations printed.
func watch(c *torture.Campaign, stderr io.Writer) {
	terminal := isTerminal(stderr)
	start, drawn := time.Now(), time.Time{}
	shown := make(map[string]int)
	if terminal {
		c.Progress = func(l torture.Level, done, minimum int64) {
			if now := time.Now(); now.Sub(drawn) > 200*time.Millisecond || done >= minimum {
				drawn = now
				fmt.Fprintf(stderr, "\r\x1b[K%-12s %3d%%  %d of %d %s, %v", l.Name, min(100, done*100/max(minimum, 1)), done,
					minimum, l.Noun, time.Since(start).Round(time.Second))
				if done >= minimum {
					fmt.Fprint(stderr, "\r\x1b[K")
				}
			}
		}
	}
	c.Failed = func(level, where string, err error) {
		if shown[level]++; shown[level] <= maxShown {
			fmt.Fprintf(stderr, "%s: %s: %v\n", level, where, err)
		}
	}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
