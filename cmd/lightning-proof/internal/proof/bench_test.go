package proof

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning-proof/internal/bench"
)

// quickBench measures little, soon.
var quickBench = []string{"bench", "--rows", "1000", "--time", "10ms", "--memory-limit", "32MiB"}

// The table is for people, the object for programs; both must have what was asked for.
func TestBench_showsWhatItMeasured(t *testing.T) {
	out := must(t, append(quickBench, "--only", "durable-1,disk-append")...)
	for _, want := range []string{"1,000 rows of 24 + 150 bytes", "p99.9", "   disk-append ", "   load ",
		"   durable-1 ", "   check "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	var report bench.Report
	text := must(t, append(quickBench, "--only", "hot", "--seed", "7", "--key-size", "16", "--value-size", "40",
		"--json")...)
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if report.Seed != 7 || report.Rows != 1000 || report.KeySize != 16 || report.ValueSize != 40 || report.Time != 0.01 ||
		report.MemoryLimit != 32<<20 || len(report.Workloads) != 4 || report.Workloads[1].Name != "hot-1" ||
		report.Workloads[1].Count == 0 || !strings.Contains(text, `"revision"`) {
		t.Errorf("%s", text)
	}
}

// Help that leaves a workload out hides it.
func TestBench_helpNamesEveryWorkload(t *testing.T) {
	help := must(t, "help", "bench")
	for _, name := range bench.Names() {
		first, _, _ := strings.Cut(name, "-")
		if !strings.Contains(help, " "+first+" ") && !strings.Contains(help, " "+first+",") {
			t.Errorf("%s is not in\n%s", name, help)
		}
	}
}

// Somebody who waits two minutes wants to see that something happens; a pipe does not.
func TestBench_drawsProgressOnTerminals(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		got := proofWith(t.Context(), func(a *app) { a.StderrTerminal = terminal }, "bench", "--rows", "1000", "--time",
			"500ms", "--only", "bank")
		drawn := strings.Contains(got.err, "bank ") && strings.Contains(got.err, "transfers")
		if got.code != console.ExitOK || drawn != terminal {
			t.Errorf("terminal %v: exit code %d, progress %q", terminal, got.code, got.err)
		}
	}
}

// A directory that is asked for is kept, is a database, and is not used twice.
func TestBench_keepsTheDirectoryAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "here")
	must(t, append(quickBench, "--only", "load", "--dir", dir)...)
	db, err := lightningdb.Open(filepath.Join(dir, "load"), &lightningdb.Options{ReadOnly: true, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for range db.Range(nil, nil).Keys() {
		entries++
	}
	if err := db.Close(); err != nil || entries != 1000 {
		t.Errorf("%d entries, %v", entries, err)
	}
	got := proof(t, append(quickBench, "--dir", dir)...)
	if got.code != console.ExitFailure || !strings.Contains(got.err, "not empty") {
		t.Errorf("%+v", got)
	}
}

// A word that names nothing must not measure nothing.
func TestBench_refusesWhatItDoesNotHave(t *testing.T) {
	for args, want := range map[string]string{
		"bench --only nothing":     "there is no workload \"nothing\"; the workloads are disk-append",
		"bench --rows 1":           "at least 1000 rows",
		"bench --time 0s":          "a time above 0",
		"bench --key-size 1":       "keys of 8",
		"bench --value-size 70000": "at most",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if got := proof(t, "bench", "here"); got.code != console.ExitUsage {
		t.Errorf("an argument: %+v", got)
	}
}
