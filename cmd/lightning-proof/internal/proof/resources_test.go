package proof

import (
	"encoding/json"
	"strings"
	"testing"

	"lightningdb/cmd/internal/console"
)

// A bound that was passed would be told in a table that nobody reads, or one that was not measured would count as held.
func TestResources_tellsEachFigure(t *testing.T) {
	t.Setenv(childVariable, "1")
	got := proof(t, "resources", "--json", "--busy", "--only", "open,transaction", "--scale", "0.001")
	if got.code != console.ExitOK {
		t.Fatalf("%+v", got)
	}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), got.out)
	}
	for i, bound := range []string{"open", "transaction"} {
		var line boundLine
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		if line.Bound != bound || !line.OK || len(line.Figures) == 0 || line.Figures[0].Measured == "" {
			t.Errorf("%s: %+v", bound, line)
		}
	}
}

// A disk that is too small, or a process that cannot run, must not pass for a bound that was held.
func TestResources_isRedWhenNothingWasMeasured(t *testing.T) {
	t.Setenv(childVariable, "1")
	got := proof(t, "resources", "--only", "disk", "--scale", "1000000")
	if got.code != 1 || !strings.Contains(got.out, "not measured: it needs ") {
		t.Errorf("%+v", got)
	}
}

// A word that names no bound must not measure nothing.
func TestResources_refusesWhatItDoesNotHave(t *testing.T) {
	for args, want := range map[string]string{
		"resources --only nonsense,open": `there is no bound "nonsense"; the bounds are memory, `,
		"resources --memory-limit 64MiB": "does not take --memory-limit",
		"resources --scale 0":            "--scale 0 is not above 0",
	} {
		if got := proof(t, strings.Fields(args)...); got.code != console.ExitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
