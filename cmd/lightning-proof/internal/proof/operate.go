package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/cmd/internal/units"
	"lightningdb/internal/proof/operate"
)

// errSilent is the outcome of a run in which an alert did not do what it is for. The table says which.
var errSilent = errors.New("not every alert fired and cleared")

func (a *app) operateCommand() *command.Command {
	c := &operate.Campaign{Child: operateProcess}
	var only string
	cmd := &command.Command{
		Use:   "operate",
		Short: "See every alert fire and clear, with a real Prometheus and Alertmanager",
		Help: `operate starts Prometheus, Alertmanager and databases that they watch, all on the
loopback, makes something happen to each, and waits until its alert fires; it
mends that, and waits until the alert clears. An alert without a cause is a
failure, too. scripts/operate installs and builds what it needs, and runs it.

` + causesHelp(),
	}
	cmd.Run = func(ctx context.Context, _ []string) error {
		if only != "" {
			c.Only = strings.Split(only, ",")
		}
		return a.operate(ctx, c)
	}
	cmd.Flags = func(f *flag.FlagSet) {
		f.StringVar(&only, "only", "", "`CAUSES` to make, with commas between them")
		f.DurationVar(&c.Minute, "minute", operate.DefaultMinute, "`TIME` that a minute of the rules takes")
		f.StringVar(&c.Rules, "rules", "ops/prometheus/rules.yml", "`FILE` of the alerts")
		f.StringVar(&c.Prometheus, "prometheus", "prometheus", "`PROGRAM`")
		f.StringVar(&c.Alertmanager, "alertmanager", "prometheus-alertmanager", "`PROGRAM`")
		f.StringVar(&c.Example, "example", "monitored", "`PROGRAM` examples/monitored, built")
	}
	return cmd
}

// causesHelp lists the causes.
func causesHelp() string {
	var b strings.Builder
	for _, c := range operate.Causes() {
		fmt.Fprintf(&b, "  %-15s %s\n", c.Name, c.Says)
	}
	return b.String()
}

func (a *app) operate(ctx context.Context, c *operate.Campaign) error {
	if err := c.Check(); err != nil {
		return console.Usage(err, "see `lightning-proof help operate`")
	}
	place, err := scratch.Choose("operate", "", false)
	if err != nil {
		return fmt.Errorf("operate: %w", err)
	}
	defer place.Remove()
	c.Dir = place.Path
	start := time.Now()
	c.Progress = func(text string) { fmt.Fprintf(a.Story(), "%4.0fs  %s\n", time.Since(start).Seconds(), text) }
	var outcomes []operate.Outcome
	ok := true
	err = c.Run(ctx, func(o operate.Outcome) {
		ok = ok && o.Err == nil
		outcomes = append(outcomes, o)
		if a.JSON {
			_ = jsonline.Write(a.Stdout, newCauseLine(o)) // the exit code says the same
		}
	})
	writeCauses(a.Story(), outcomes)
	switch {
	case err != nil:
		return fmt.Errorf("operate: %w", err)
	case !ok:
		return reportable(errSilent)
	}
	fmt.Fprintf(a.Story(), "every alert fired and cleared, and none without its cause; %s\n",
		units.Duration(time.Since(start)))
	return nil
}

// causeLine is a cause in JSON.
type causeLine struct {
	Cause   string  `json:"cause"`
	Alert   string  `json:"alert"`
	OK      bool    `json:"ok"`
	Fired   float64 `json:"fired_seconds"`
	Cleared float64 `json:"cleared_seconds"`
	Skipped string  `json:"skipped,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func newCauseLine(o operate.Outcome) causeLine {
	line := causeLine{Cause: o.Cause, Alert: o.Alert, OK: o.OK(), Fired: o.Fired.Seconds(),
		Cleared: o.Cleared.Seconds(), Skipped: o.Skipped}
	if o.Err != nil {
		line.Error = o.Err.Error()
	}
	return line
}

// writeCauses writes a table of what was seen, as a document takes it.
func writeCauses(out io.Writer, outcomes []operate.Outcome) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| cause\t| alert\t| fired after\t| cleared after\t|")
	fmt.Fprintln(w, "|---\t|---\t|---:\t|---:\t|")
	for _, o := range outcomes {
		fired, cleared := tenths(o.Fired), tenths(o.Cleared)
		switch {
		case o.Err != nil:
			fired, cleared = "FAILED: "+strings.Join(strings.Fields(o.Err.Error()), " "), ""
		case o.Skipped != "":
			fired, cleared = "SKIPPED: "+strings.Join(strings.Fields(o.Skipped), " "), ""
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t|\n", o.Cause, o.Alert, fired, cleared)
	}
	w.Flush()
}

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// operateProcess is this program again, as a program whose database something happens to.
func operateProcess(spec string) (*exec.Cmd, error) {
	return console.ThisProgram("operate-child", "--", spec)
}

// operateChildCommand is the other end of operateProcess.
func (a *app) operateChildCommand() *command.Command {
	return &command.Command{
		Use:     "operate-child SPEC",
		Short:   "The program whose database something happens to",
		Hidden:  true,
		MinArgs: 1, MaxArgs: 1,
		Run: func(_ context.Context, args []string) error { return operate.RunChild(args[0], a.Stdin, a.Stdout) },
	}
}
