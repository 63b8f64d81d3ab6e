package torture

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A level that did nothing, or too little, would be taken for one that found nothing.
func TestCampaign_missedCountIsRed(t *testing.T) {
	c := &Campaign{Seed: 1, Time: time.Nanosecond, Only: []string{"simulation"}}
	if o := c.Run(t.Context())[0]; o.Problem() == "" {
		t.Errorf("%d of %d seeds, and no problem", o.Count, o.Minimum)
	}
}

// A level whose faults, crashes or damage never came to pass would be taken for one that withstood them: it is red
// although nothing went wrong and its count is reached.
func TestCampaign_nothingInjectedIsRed(t *testing.T) {
	for name, o := range map[string]Outcome{
		"differential": differentialOutcome(Tally{Operations: 100}, 3),
		"crash":        crashOutcome(Stats{Points: 100}, new(coverage)),
		"error":        faultOutcome(FaultStats{Runs: 100, Injected: 100, Absorbed: 100}),
		"damage":       damageOutcome(DamageStats{Opens: 100, Harmless: 100}),
		"kill":         killOutcome(KillStats{Acked: 100}),
		"simulation":   simulationOutcome(SimulationStats{Seeds: 100, Commits: 100}),
	} {
		o.Count, o.Minimum = 100, 100
		if got := o.Problem(); got != "nothing was injected" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A level whose every unit fails before it counts would go on for ever, as kills in a directory that cannot be
// written did.
func TestCampaign_endsWhereEveryUnitFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file") // no directory can be made in it
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := 0
	c := &Campaign{Seed: 1, Count: 40, Workers: 2, Only: []string{"kill"}, Dir: file, Child: thisTest,
		Failed: func(string, string, error) { failed++ }}
	outcomes := c.Run(t.Context())
	if outcomes[0].Problem() == "" || failed < maxFailures {
		t.Errorf("%+v after %d failures", outcomes[0], failed)
	}
}

// The levels would not run outside their tests, or report violations where there are none.
func TestCampaign_levelsReachTheirCounts(t *testing.T) {
	c := &Campaign{Seed: 1, Count: 20, Workers: 2, Only: []string{"differential", "crash", "error", "simulation"},
		Failed: func(level, where string, err error) { t.Errorf("%s: %s: %v", level, where, err) }}
	outcomes := c.Run(t.Context())
	for _, o := range outcomes {
		if problem := o.Problem(); problem != "" {
			t.Errorf("%s: %s", o.Level.Name, problem)
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("%d levels ran", len(outcomes))
	}
}
