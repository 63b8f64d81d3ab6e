package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/cmd/internal/units"
	"lightningdb/internal/proof/resources"
)

// errExceeded is the outcome of a run in which a bound was passed, or could not be measured. The table says which.
var errExceeded = errors.New("not every bound was held, or not every one could be measured")

func (a *app) resourcesCommand() *command.Command {
	c := &resources.Campaign{Child: resourcesProcess}
	var only, dir string
	cmd := &command.Command{
		Use:   "resources",
		Short: "Measure what a database takes: memory, disk, time to open, stalls, many readers and databases",
		Help: `resources runs processes that put databases under load, and measures each bound that is promised
of memory, disk and time. It prints a table of bounds and figures. The long form takes some 45
minutes and 15 GB of disk; --scale makes sizes and times smaller, and not the bounds.

` + boundsHelp() + `
It exits with 0 only if every bound was measured and held. How long calls take is worth measuring
only on a machine that has nothing else to do; --busy shows these figures without judging them.`,
	}
	cmd.Run = func(ctx context.Context, _ []string) error {
		if cmd.Given("memory-limit") { // the bounds choose their limits
			return console.Usage(errors.New("resources does not take --memory-limit"), "see `lightning-proof help resources`")
		}
		if only != "" {
			c.Only = strings.Split(only, ",")
		}
		return a.resources(ctx, c, dir)
	}
	cmd.Flags = func(f *flag.FlagSet) {
		f.StringVar(&only, "only", "", "`BOUNDS` to measure, with commas between them")
		f.Float64Var(&c.Scale, "scale", 1, "`FACTOR` of sizes and times, like 0.1")
		f.Uint64Var(&c.Seed, "seed", 1, "`N` from which keys and values follow")
		f.BoolVar(&c.Busy, "busy", false, "do not judge how long calls take: something else uses the processors")
		f.StringVar(&dir, "dir", "", "`DIR` to work in, absent or empty (default: a temporary one)")
	}
	return cmd
}

// boundsHelp lists the bounds.
func boundsHelp() string {
	var b strings.Builder
	for _, bound := range resources.Bounds() {
		fmt.Fprintf(&b, "  %-12s about %v\n", bound.Name, bound.Takes)
	}
	return b.String()
}

func boundNames() (all []string) {
	for _, b := range resources.Bounds() {
		all = append(all, b.Name)
	}
	return all
}

func (a *app) resources(ctx context.Context, c *resources.Campaign, dir string) error {
	for _, name := range c.Only {
		if !slices.Contains(boundNames(), name) {
			return console.Usage(fmt.Errorf("there is no bound %q", name), "the bounds are "+strings.Join(boundNames(), ", "))
		}
	}
	if c.Scale <= 0 {
		return console.Usage(fmt.Errorf("--scale %v is not above 0", c.Scale), "see `lightning-proof help resources`")
	}
	place, err := scratch.Choose("resources", dir, false)
	if err != nil {
		return fmt.Errorf("resources: %w", err)
	}
	defer place.Remove()
	c.Dir = place.Path
	a.drawProgress(c)
	a.tellVersion(a.Story())
	ok, start := true, time.Now()
	c.Run(ctx, func(o resources.Outcome) {
		ok = ok && o.OK()
		if screen := a.Screen(); screen != nil {
			screen.Draw("")
		}
		writeOutcome(a.Story(), o)
		if a.JSON {
			_ = jsonline.Write(a.Stdout, newBoundLine(o)) // the exit code says the same
		}
	})
	if ctx.Err() != nil {
		return fmt.Errorf("resources: %w", context.Cause(ctx))
	}
	if !ok {
		return reportable(errExceeded)
	}
	fmt.Fprintf(a.Story(), "every bound was held; %s\n", units.Duration(time.Since(start)))
	return nil
}

// drawProgress draws on a terminal how far a bound is.
func (a *app) drawProgress(c *resources.Campaign) {
	screen := a.Screen()
	if screen == nil {
		return
	}
	c.Progress = func(bound, step string, done, total int64) {
		screen.Draw(fmt.Sprintf("%-12s %3d%%  %s", bound, min(100, done*100/max(total, 1)), step))
	}
}

// writeOutcome writes a bound and its figures.
func writeOutcome(out io.Writer, o resources.Outcome) {
	fmt.Fprintf(out, "\n%s: %s\n", o.Bound.Name, o.Bound.Says)
	option := o.Bound.Option
	if option == "" {
		option = "nothing"
	}
	fmt.Fprintf(out, "   set by %s, seen as %s; measured in %s\n", option, o.Bound.Metric, units.Duration(o.Duration))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range o.Figures {
		fmt.Fprintf(w, "   %s\t%s\t%s\t%s\n", f.What, f.Measured, f.Bound, f.Verdict)
	}
	w.Flush()
	if o.Err != nil {
		fmt.Fprintf(out, "   not measured: %v\n", o.Err)
	}
	if o.OK() {
		return
	}
	for _, line := range o.Notes {
		fmt.Fprintf(out, "   %s\n", line)
	}
}

// boundLine is a bound in JSON.
type boundLine struct {
	Bound   string             `json:"bound"`
	OK      bool               `json:"ok"`
	Seconds float64            `json:"seconds"`
	Error   string             `json:"error,omitempty"`
	Figures []resources.Figure `json:"figures"`
	Notes   []string           `json:"notes,omitempty"`
	Program console.Version    `json:"program"`
}

func newBoundLine(o resources.Outcome) boundLine {
	line := boundLine{Bound: o.Bound.Name, OK: o.OK(), Seconds: o.Duration.Seconds(), Figures: o.Figures,
		Program: console.ThisVersion()}
	if o.Err != nil {
		line.Error = o.Err.Error()
	}
	if !o.OK() {
		line.Notes = o.Notes
	}
	return line
}

// resourcesProcess is this program again, as a process that is measured.
func resourcesProcess(spec string) (*exec.Cmd, error) {
	return console.ThisProgram("resources-child", "--", spec)
}

// resourcesChildCommand is the other end of resourcesProcess.
func (a *app) resourcesChildCommand() *command.Command {
	return &command.Command{
		Use:     "resources-child SPEC",
		Short:   "The process that resources measures",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error { return resources.RunChild(args[0], a.Stdin, a.Stdout) },
	}
}
