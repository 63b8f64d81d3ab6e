package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Verdict is the outcome of a check.
type Verdict uint8

const (
	Survived Verdict = iota // all tests passed
	Killed                  // a test failed, or hung where that counts
)

// Result is what became of a mutant.
type Result struct {
	Verdict Verdict
	By      string // the first test that failed, or what else killed it
	Output  string // of the go command
	Took    time.Duration
}

// Run builds m from the source under root, the root of the module, with dir for its files, and runs its check. An
// error means that there is no verdict: the mutant does not apply or does not compile, its tests were not found, or
// ctx ended.
func (m Mutant) Run(ctx context.Context, root, dir string) (Result, error) {
	overlay, err := m.writeOverlay(root, dir)
	if err != nil {
		return Result{}, err
	}
	r, err := m.Killer.run(ctx, root, overlay)
	if err == nil && r.By == timedOut && !m.Hangs {
		err = errors.New("the check hangs")
	}
	if err != nil {
		return r, fmt.Errorf("mutant %s: %w\n%s", m.Name, err, r.Output)
	}
	return r, nil
}

// writeOverlay writes the changed files of m to dir, and the overlay that names them, whose path it returns.
func (m Mutant) writeOverlay(root, dir string) (string, error) {
	changed, err := m.Apply(root)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for file, text := range changed {
		to := filepath.Join(dir, fmt.Sprintf("%d-%s", len(overlay.Replace), filepath.Base(file)))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o600)
}

// Control runs the check of m on the real source, where it must pass.
func (m Mutant) Control(ctx context.Context, root string) error {
	r, err := m.Killer.run(ctx, root, "")
	if err == nil && r.Verdict == Killed {
		err = fmt.Errorf("it fails without any mutant: %s", r.By)
	}
	if err != nil {
		return fmt.Errorf("check %v: %w\n%s", m.Killer, err, r.Output)
	}
	return nil
}

// timedOut is the By of a check that did not end.
const timedOut = "timeout"

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	hungTest   = regexp.MustCompile(`(?m)^panic: test timed out after`)
	crashed    = regexp.MustCompile(`(?m)^(panic|fatal error|unexpected fault address).*`)
	// notRun finds what the go command prints if it ran no test.
	notRun = regexp.MustCompile(`(?m)\[(build failed|setup failed|no test files|no tests to run)\]|^flag provided but not defined`)
)

// run runs c under overlay.
func (c Check) run(ctx context.Context, root, overlay string) (Result, error) {
	start := time.Now()
	dir, pkg := c.module(root)
	cmd := exec.CommandContext(ctx, "go", c.args(pkg, overlay)...)
	cmd.Dir = dir
	// What kills a mutant must not stay in the working tree, and nobody waits for the shortest way to it.
	cmd.Env = append(os.Environ(), "RAPID_NOFAILFILE=1", "RAPID_SHRINKTIME=0s")
	cmd.WaitDelay = 10 * time.Second // for a test binary that outlives the go command
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	r := Result{Output: out.String(), Took: time.Since(start)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case notRun.MatchString(r.Output):
		return r, errors.New("no test was run")
	case err == nil:
		return r, nil
	case !errors.As(err, &exit):
		return r, err
	}
	r.Verdict, r.By = Killed, verdictOf(r.Output)
	return r, nil
}

// verdictOf names the innermost test that failed first, or says how else the test binary ended.
func verdictOf(output string) string {
	if hungTest.MatchString(output) {
		return timedOut
	}
	by := ""
	for _, found := range failedTest.FindAllStringSubmatch(output, -1) {
		if by == "" || strings.HasPrefix(found[1], by+"/") {
			by = found[1]
		}
	}
	if by == "" {
		by = crashed.FindString(output)
	}
	if by == "" {
		by = "the test binary ended"
	}
	return by
}
