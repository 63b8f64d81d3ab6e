package proof

import (
	"encoding/json"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning-proof/internal/validate"
)

// lastLine is the last one of a text.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// These are the programs by which the database is judged; a verdict that does not reach the exit code is none.
func TestValidateCrash_passes(t *testing.T) {
	t.Setenv(childVariable, "1")
	out := must(t, "validate", "crash", "--duration", "150ms", "--rounds", "2", "--writers", "3")
	if lastLine(out) != "PASS" || !strings.Contains(out, "85,015") {
		t.Errorf("%s", out)
	}
	var report validate.CrashReport
	text := must(t, "validate", "crash", "--duration", "150ms", "--durability", "process", "--seed", "7", "--json")
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Passed || report.Seed != 7 || !strings.Contains(text, `"revision"`) || report.Kills != 1 ||
		report.Acknowledged == 0 || report.Lost != 0 {
		t.Errorf("%s", text)
	}
	if out := must(t, "validate", "crash", "--power-loss", "--rounds", "1", "--quiet"); lastLine(out) != "PASS" {
		t.Errorf("%s", out)
	}
}

// A lost entry must end in an exit code, with --json too.
func TestValidateCrash_failsOverOneEntry(t *testing.T) {
	t.Setenv(childVariable, "1")
	removeFirst := func(db *lightningdb.DB) error {
		first := db.Range(nil, nil).Limit(1)
		for key := range first.Keys() {
			return db.Delete(key)
		}
		return first.Err()
	}
	for _, extra := range []string{"--no-color", "--json"} {
		got := proofWith(t.Context(), func(a *app) { a.afterKill = removeFirst }, "validate", "crash", "--duration",
			"150ms", extra)
		if got.code != console.ExitFailure || !strings.Contains(got.err, "lost 1, corrupted 0, acked_lost=1") {
			t.Errorf("exit code %d:\n%s%s", got.code, got.out, got.err)
		}
		if extra == "--json" && !strings.Contains(got.out, `"passed":false`) ||
			extra != "--json" && !strings.HasPrefix(lastLine(got.out), "FAIL: ") {
			t.Errorf("%s", got.out)
		}
	}
}

// All transactions succeed, and none is lost: the second founding test.
func TestValidateTransactions_passes(t *testing.T) {
	t.Setenv(childVariable, "1")
	out := must(t, "validate", "transactions", "--workers", "5", "--rounds", "8")
	if lastLine(out) != "PASS" || strings.Count(out, "100.0 %") != 14 {
		t.Errorf("%s", out)
	}
	var report validate.TransactionsReport
	text := must(t, "validate", "transactions", "--rounds", "3", "--durability", "process", "--seed", "7", "--json")
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Passed || report.Seed != 7 || report.Durability != "process" || report.Workers != 20 ||
		len(report.Modes) != 7 || report.Modes[0].Value != 60 || !strings.Contains(text, `"revision"`) {
		t.Errorf("%s", text)
	}
}

// A lost update must end in an exit code, with --json too.
func TestValidateTransactions_failsOverOneUpdate(t *testing.T) {
	t.Setenv(childVariable, "1")
	for _, extra := range []string{"--no-color", "--json"} {
		subtract := func(db *lightningdb.DB) error { return db.Add([]byte("counter"), -1) }
		got := proofWith(t.Context(), func(a *app) { a.afterKill = subtract }, "validate", "transactions", "--workers", "3",
			"--rounds", "3", extra)
		if got.code != console.ExitFailure || !strings.Contains(got.err, "lost updates") {
			t.Errorf("exit code %d:\n%s%s", got.code, got.out, got.err)
		}
	}
}

// Scripts read one line per test and a summary.
func TestValidateStress_tellsInJSON(t *testing.T) {
	text := must(t, "validate", "stress", "--only", "endurance", "--duration", "300ms", "--json")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var result validate.Result
	var report validate.StressReport
	if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &result) != nil ||
		json.Unmarshal([]byte(lines[1]), &report) != nil {
		t.Fatal(text)
	}
	if !result.Passed || result.Test != "endurance" || !report.Passed || report.Tests != 1 {
		t.Error(text)
	}
}

// A flag that does nothing makes a run look like another one.
func TestValidate_refusesWhatItDoesNotHave(t *testing.T) {
	for args, want := range map[string]string{
		"validate":                                  "needs more arguments",
		"validate nothing":                          "there is no validation",
		"validate stress --rounds 2":                "does not take --rounds",
		"validate crash --memory-limit 64MiB":       "does not take --memory-limit",
		"validate crash --only money":               "does not take --only",
		"validate crash --workers 2":                "does not take --workers",
		"validate transactions --duration 1s":       "does not take --duration",
		"validate crash --power-loss --duration 1s": "exclude each other",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	for args, want := range map[string]string{
		"validate stress --only nothing": "the tests are mixed, money",
		"validate stress --duration 0s":  "a duration above 0",
		"validate crash --rounds 0":      "1 to 9999 rounds",
		"validate crash --writers 65":    "1 to 64 writers",

		"validate transactions --workers 0": "1 to 1000 workers",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
