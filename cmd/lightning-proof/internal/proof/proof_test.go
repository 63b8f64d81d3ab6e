package proof

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"lightningdb/cmd/internal/console"
)

// childVariable makes this test binary behave as the program, for the processes that it kills.
const childVariable = "LIGHTNING_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// outcome is what a command line left behind.
type outcome struct {
	code     int
	out, err string
}

// proof runs one command line.
func proof(t *testing.T, args ...string) outcome {
	t.Helper()
	return proofWith(t.Context(), func(*app) {}, args...)
}

// proofWith runs one command line by an app that set has changed.
func proofWith(ctx context.Context, set func(*app), args ...string) outcome {
	var out, err bytes.Buffer
	a := newApp(console.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err,
		Getenv: func(string) string { return "" }})
	set(a)
	code := a.run(ctx, args)
	return outcome{code, out.String(), err.String()}
}

// must is a command line that has to succeed; it returns standard output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	got := proof(t, args...)
	if got.code != console.ExitOK {
		t.Fatalf("lightning-proof %q: exit code %d\n%s", args, got.code, got.err)
	}
	return got.out
}

// A line that is wider than the terminal breaks in the middle of a word, for those who read help first.
func TestHelp_fitsTheTerminal(t *testing.T) {
	texts := []string{must(t, "help")}
	for _, c := range newApp(console.Env{}).program().Commands {
		if !c.Hidden {
			texts = append(texts, must(t, "help", c.Name()))
		}
	}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%d characters: %s", n, line)
			}
		}
	}
}

// A long run that is told to stop must say so, and not that something was broken.
func TestInterrupt_everyCommandSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: syscall.SIGTERM})
	t.Setenv(childVariable, "1")
	for _, line := range []string{"validate crash", "validate crash --power-loss", "validate stress",
		"validate transactions", "bench --rows 1000", "torture", "validate stress --json", "torture --json",
		"resources --only open", "resources --json"} {
		got := proofWith(ctx, func(*app) {}, strings.Fields(line)...)
		if got.code != console.ExitInterrupted || strings.Count(got.err, "interrupted by SIGTERM") != 1 ||
			strings.Contains(got.out, "FAIL:") || strings.Contains(got.err, "please report") {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
