package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/internal/proof/campaign"
	"lightningdb/internal/proof/torture"
)

// errRed is the outcome of a run that is not green. The report says why.
var errRed = errors.New("not everything held, or not everything was tried")

func (a *app) tortureCommand() *command.Command {
	c := new(campaign.Campaign)
	var only string
	cmd := &command.Command{
		Use:   "torture",
		Short: "Cut the power at every change, fail every call, flip every bit, and compare",
		Help: `torture does to Lightning DB what a bad year does to a database: it cuts the power at every
change of a directory, fails every call, flips every bit, kills processes, destroys databases and
salvages them, and simulates whole lives with all of these at once. It holds what is left against
what was promised, and prints a table and one line of JSON.

  lightning-proof torture --count 500     a first look
  lightning-proof torture --time 15m      all levels, at their full counts
  lightning-proof torture --only simulation --seed 7 --count 1

It exits with 0 only if no number that must be zero is another, every level reached its count,
and something was injected into each.`,
	}
	cmd.Run = func(ctx context.Context, _ []string) error {
		if cmd.Given("memory-limit") { // the levels choose their limits
			return console.Usage(errors.New("torture does not take --memory-limit"), "see `lightning-proof help torture`")
		}
		if only != "" {
			c.Only = strings.Split(only, ",")
		}
		return a.torture(ctx, c)
	}
	cmd.Flags = func(f *flag.FlagSet) {
		f.Uint64Var(&c.Seed, "seed", 0, "`N` from which everything random follows (default: a random one)")
		f.DurationVar(&c.Time, "time", 0, "bound of `TIME` for all levels together, like 15m (default: none)")
		f.Int64Var(&c.Count, "count", 0, "what each level must reach, `N` in its own unit (default: its full count)")
		f.Int64Var(&c.Times, "times", 1, "`N` times the full counts")
		f.IntVar(&c.Workers, "workers", runtime.GOMAXPROCS(0), "`N` units at a time (default: as many as processors)")
		f.StringVar(&only, "only", "", "`LEVELS` to run, with commas between them: "+strings.Join(levelNames(), ", "))
	}
	return cmd
}

func (a *app) torture(ctx context.Context, c *campaign.Campaign) error {
	for _, name := range c.Only {
		if !slices.Contains(levelNames(), name) {
			return console.Usage(fmt.Errorf("there is no level %q", name), "the levels are "+strings.Join(levelNames(), ", "))
		}
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 40)
	}
	dir, err := scratch.Choose("torture", "", false)
	if err != nil {
		return fmt.Errorf("torture: %w", err)
	}
	defer dir.Remove()
	c.Dir, c.Child = dir.Path, writingUntilKilled
	a.watch(c)
	fmt.Fprintf(a.Story(), "seed %d\n", c.Seed)
	start := time.Now()
	outcomes := c.Run(ctx)
	report := newReport(c, outcomes, time.Since(start))
	report.writeTable(a.Story())
	report.writeJSON(a.Stdout)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("torture: %w", context.Cause(ctx))
	case !report.OK:
		return reportable(errRed)
	}
	return nil
}

func levelNames() (all []string) {
	for _, l := range campaign.Levels() {
		all = append(all, l.Name)
	}
	return all
}

// writingUntilKilled is this program again, as the process that is killed.
func writingUntilKilled(dir string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return exec.Command(program, "torture-write", "--", dir)
}

// tortureWriteCommand is the other end of writingUntilKilled.
func (a *app) tortureWriteCommand() *command.Command {
	return &command.Command{
		Use:     "torture-write DIR",
		Short:   "The process that torture kills",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error { return torture.WriteUntilKilled(args[0]) },
	}
}

// maxShown bounds how many violations are printed for each level.
const maxShown = 5

// watch draws progress on a terminal, and prints the first violations.
func (a *app) watch(c *campaign.Campaign) {
	start, drawn := time.Now(), time.Time{}
	shown := make(map[string]int)
	if screen := a.Screen(); screen != nil {
		c.Progress = func(l campaign.Level, done, minimum int64) {
			if now := time.Now(); now.Sub(drawn) > 200*time.Millisecond || done >= minimum {
				drawn = now
				screen.Draw(fmt.Sprintf("%-12s %3d%%  %d of %d %s, %v", l.Name, min(100, done*100/max(minimum, 1)), done,
					minimum, l.Noun, time.Since(start).Round(time.Second)))
				if done >= minimum {
					screen.Draw("")
				}
			}
		}
	}
	c.Failed = func(level, where string, err error) {
		if shown[level]++; shown[level] <= maxShown {
			fmt.Fprintf(a.Stderr, "%s: %s: %v\n", level, where, err)
		}
	}
}
