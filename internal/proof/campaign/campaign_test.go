package campaign

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lightningdb/internal/proof/copies"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/torture"
)

// childVariable names the directory in which a process of the test binary is to write until it is killed.
const childVariable = "LIGHTNING_CAMPAIGN_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, torture.WriteUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// thisTest is this program as a process that is killed; see TestMain.
func thisTest(dir string) *exec.Cmd {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	return child
}

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
		"differential": differentialOutcome(torture.Tally{Operations: 100}, 3),
		"crash":        crashOutcome(torture.Stats{Points: 100}, new(coverage)),
		"error":        faultOutcome(torture.FaultStats{Runs: 100, Injected: 100, Absorbed: 100}),
		"damage":       damageOutcome(torture.DamageStats{Opens: 100, Harmless: 100}),
		"salvage":      salvageOutcome(destruction.Stats{Destructions: 100, Hopeless: 100}),
		"copies":       copiesOutcome(copies.Stats{Runs: 100, PowerCuts: 100, Faults: 100, Harmless: 100}),
		"kill":         killOutcome(torture.KillStats{Acked: 100}),
		"simulation":   simulationOutcome(torture.SimulationStats{Seeds: 100, Commits: 100}),
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
	c := &Campaign{Seed: 1, Count: 20, Workers: 2,
		Only:   []string{"differential", "crash", "error", "salvage", "copies", "simulation"},
		Failed: func(level, where string, err error) { t.Errorf("%s: %s: %v", level, where, err) }}
	outcomes := c.Run(t.Context())
	for _, o := range outcomes {
		if problem := o.Problem(); problem != "" {
			t.Errorf("%s: %s", o.Level.Name, problem)
		}
	}
	if len(outcomes) != 6 {
		t.Errorf("%d levels ran", len(outcomes))
	}
}

// The level would not run outside its tests, or be red where nothing is wrong.
func TestIsolation_levelReachesItsCount(t *testing.T) {
	c := &Campaign{Seed: rand.Uint64N(1 << 40), Count: 10, Only: []string{"isolation"}, Dir: t.TempDir(), Child: thisTest,
		Failed: func(level, where string, err error) { t.Errorf("%s: %s: %v", level, where, err) }}
	if o := c.Run(t.Context())[0]; o.Problem() != "" || o.Count < 10 {
		t.Errorf("%d transactions: %s", o.Count, o.Problem())
	}
}

// A level whose transactions ran one after the other, or never lost against another, would be taken for a proof.
func TestIsolation_transactionsThatNeverMeetAreRed(t *testing.T) {
	alone := torture.IsolationStats{Acked: 10, Aborted: 5, Kills: 3}
	serial, friendly := alone, alone
	serial.Refused = 2
	friendly.Overlapped = 2
	for _, s := range []torture.IsolationStats{alone, serial, friendly} {
		if o := isolationOutcome(s); o.Problem() == "" {
			t.Errorf("no problem with %v", s)
		}
	}
}
