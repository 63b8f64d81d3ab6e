package mutants

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	all    = flag.Bool("all", false, "run every mutant; takes some minutes, so give -timeout, and -v for the table")
	mutant = flag.String("mutant", "", "run only the mutants whose name holds this text")
)

// root is the root of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A mutant whose text or whose killer is gone would be skipped for ever, and what it proved with it.
func TestMutants_applyToTheSource(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range All() {
		if _, err := m.Apply(root(t)); err != nil {
			t.Error(err)
		}
		tests, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(m.Killer.Package), "*_test.go"))
		if err != nil || len(tests) == 0 {
			t.Errorf("mutant %s: there are no tests in %s: %v", m.Name, m.Killer.Package, err)
		}
		if seen[m.Name] {
			t.Errorf("two mutants are called %s", m.Name)
		}
		seen[m.Name] = true
	}
	if len(seen) < 30 {
		t.Errorf("only %d mutants", len(seen))
	}
}

// quickTests and quickTime bound what an everyday run does.
const (
	quickTests = 3
	quickTime  = 18 * time.Second
)

// A test that cannot fail is worse than none: whoever breaks a promise of the source must be told by a test.
func TestMutants_areKilled(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command: ", err)
	}
	switch {
	case *all || *mutant != "":
		killAll(t)
	case testing.Short() || runtime.GOOS != "linux":
		t.Skip("takes seconds, and some mutants are of what only Linux compiles")
	default:
		killSome(t)
	}
}

// line is a line of the table that killAll prints.
const line = "%-68s %7s  %s\n"

// killAll runs the mutants that the flags ask for, each check first on the real source, and prints a table.
func killAll(t *testing.T) {
	passes := make(map[Check]error)
	fmt.Printf(line, "mutant", "seconds", "killed by")
	killed, total := 0, 0
	for _, m := range All() {
		if !strings.Contains(m.Name, *mutant) {
			continue
		}
		total++
		err, known := passes[m.Killer]
		if !known {
			err = m.Control(t.Context(), root(t))
			passes[m.Killer] = err
		}
		var r Result
		if err == nil {
			r, err = m.Run(t.Context(), root(t), t.TempDir())
		}
		switch {
		case err != nil:
			t.Error(err)
			r.By = "ERROR"
		case r.Verdict == Survived:
			t.Errorf("mutant %s survived %v: %s", m.Name, m.Killer, m.Breaks)
			r.By = "SURVIVED"
		default:
			killed++
		}
		fmt.Printf(line, m.Name, fmt.Sprintf("%.1f", r.Took.Seconds()), r.By)
	}
	fmt.Printf("mutants: %d/%d killed\n", killed, total)
	if total == 0 {
		t.Errorf("no mutant has %q in its name", *mutant)
	}
}

// killSome runs a few quick mutants, others every day, as far as the time allows.
func killSome(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), quickTime)
	defer cancel()
	var quick []Mutant
	for _, m := range All() {
		if m.Quick {
			quick = append(quick, m)
		}
	}
	day := time.Now().YearDay()
	for i := range quickTests {
		m := quick[(day*quickTests+i)%len(quick)]
		r, err := m.Run(ctx, root(t), t.TempDir())
		switch {
		case ctx.Err() != nil:
			t.Logf("%s: no time left", m.Name)
			return
		case err != nil:
			t.Error(err)
		case r.Verdict == Survived:
			t.Errorf("mutant %s survived %v: %s", m.Name, m.Killer, m.Breaks)
		default:
			t.Logf("%s: killed by %s in %v", m.Name, r.By, r.Took.Round(time.Millisecond))
		}
	}
}
