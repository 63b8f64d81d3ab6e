package resources

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var scale = flag.Float64("scale", 0.02, "of sizes and times; 1 is the long form, which `make resources` runs")

var quiet = flag.Bool("quiet", false, "nothing else uses the processors: hold how long calls take to its bounds, too")

// childVariable has the spec of the child that a process of the test binary is to be.
const childVariable = "LIGHTNING_RESOURCES_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := RunChild(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func childOf(text string) (*exec.Cmd, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+text, "GORACE=atexit_sleep_ms=0")
	return cmd, nil
}

// measure measures a bound in short, and fails where it is exceeded.
func measure(t *testing.T, name string) Outcome {
	t.Helper()
	if testing.Short() || raceDetector {
		t.Skip("takes seconds, and the race detector takes time and memory of its own")
	}
	if reason := canSample(); reason != "" {
		t.Skip(reason)
	}
	c := &Campaign{Dir: t.TempDir(), Scale: *scale, Only: []string{name}, Seed: 1, Busy: !*quiet, Child: childOf}
	var outcome Outcome
	c.Run(t.Context(), func(o Outcome) { outcome = o })
	for _, f := range outcome.Figures {
		t.Logf("%-55s %-28s %-20s %s", f.What, f.Measured, f.Bound, f.Verdict)
		if f.Verdict == Exceeded {
			t.Errorf("%s: %s, and the bound is %s", f.What, f.Measured, f.Bound)
		}
	}
	if outcome.Err != nil {
		t.Error(outcome.Err)
	}
	if t.Failed() {
		t.Log(strings.Join(outcome.Notes, "\n"))
	}
	t.Logf("in %v", outcome.Duration.Round(time.Second/10))
	return outcome
}
