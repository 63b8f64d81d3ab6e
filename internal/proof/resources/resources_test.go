package resources

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/proof/probe"
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
	if reason := probe.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	if !*quiet {
		t.Parallel() // much of the time is spent waiting until all is quiet
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

// A run that measured nothing, or exceeded a bound, would pass for one that held it.
func TestOutcome_isGreenOnlyIfSomethingWasHeld(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		verdicts []Verdict
		ok       bool
	}{
		{"held", nil, []Verdict{Held, Shown}, true},
		{"one is exceeded", nil, []Verdict{Held, Exceeded}, false},
		{"nothing was measured", nil, nil, false},
		{"all were skipped", nil, []Verdict{Skipped}, false},
		{"it could not be measured", os.ErrNotExist, []Verdict{Held}, false},
	} {
		o := Outcome{Err: c.err}
		for _, v := range c.verdicts {
			o.Figures = append(o.Figures, Figure{Verdict: v})
		}
		if o.OK() != c.ok {
			t.Errorf("%s: ok is %v", c.name, o.OK())
		}
	}
}

// A figure above its bound would be called held.
func TestJudge_exceedsFromTheFirstUnitOn(t *testing.T) {
	r := &run{Campaign: &Campaign{Busy: true}}
	judge(r, "", int64(5), 5, number)
	judge(r, "", int64(6), 5, number)
	r.judgeTime("", 2*time.Second, time.Second)
	r.Busy = false
	r.judgeTime("", 2*time.Second, time.Second)
	var got []Verdict
	for _, f := range r.outcome.Figures {
		got = append(got, f.Verdict)
	}
	if want := []Verdict{Held, Exceeded, Shown, Exceeded}; !slices.Equal(got, want) {
		t.Errorf("the verdicts are %q, want %q", got, want)
	}
}

// A child that dies, or says something else than was expected, would be waited for without end.
func TestProcess_tellsWhyAChildEnded(t *testing.T) {
	r := &run{Campaign: &Campaign{Child: childOf}, ctx: t.Context(), dir: t.TempDir()}
	for _, c := range []struct {
		s    spec
		want string
	}{
		{spec{Role: "nobody"}, `there is no role "nobody"`},
		{spec{Role: "reopen"}, `it came to "begin" instead of "loaded"`},
	} {
		p, err := r.start(c.s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.until("loaded"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.s.Role, err, c.want)
		}
		p.kill()
	}
}
