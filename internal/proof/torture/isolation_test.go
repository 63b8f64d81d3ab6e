package torture

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"lightningdb/internal/proof/isolation"
)

func isolationSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1 << 40)
	}
	t.Logf("-seed %d", seed)
	return seed
}

// thisTest is this program as a process that is killed; see TestMain.
func thisTest(dir string) *exec.Cmd {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LIGHTNING_TORTURE_CHILD="+dir)
	return child
}

// Transactions that run at the same time would see of each other what no order of them explains.
func TestTransactions_areIsolated(t *testing.T) {
	s, err := Transactions{Dir: t.TempDir(), Seed: isolationSeed(t), Clients: HistoryClients, Count: 3000 / slowdown,
		Times: 2, Stop: never}.Run()
	t.Logf("isolation: %v", s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Overlapped == 0 || s.Refused == 0 || s.Weak == 0 {
		t.Error("no two transactions met: the test tests nothing")
	}
}

// A kill of the process would take a transaction that was acknowledged, or leave what nobody committed.
func TestTransactions_areIsolatedAcrossKills(t *testing.T) {
	k := &TransactionKiller{Dir: t.TempDir(), Seed: isolationSeed(t), Kills: 2, Stop: never, Command: thisTest}
	s, err := k.Run()
	t.Logf("isolation: %v", s)
	if err != nil {
		t.Fatal(err)
	}
	if s.Kills != 2 || s.Unknown == 0 || s.Overlapped == 0 || s.Refused == 0 {
		t.Error("no transaction was in flight when the process was killed, or none met another: the test tests nothing")
	}
}

// A power cut would take a durable transaction, or leave what another one, that it took, had been seen to write.
func TestTransactions_areIsolatedAcrossPowerCuts(t *testing.T) {
	seed := isolationSeed(t)
	var total IsolationStats
	for n := range uint64(3) {
		s, _, err := Simulation{Seed: seed + n, Steps: HistorySteps, Transactions: true}.Run()
		if err != nil {
			t.Fatal(err)
		}
		total.Add(s.Isolation)
	}
	t.Logf("isolation: %v", total)
	if total.PowerCuts == 0 || total.Refused == 0 || total.Overlapped == 0 {
		t.Error("no power was cut, or no transaction met another: the test tests nothing")
	}
}

// A history with a contradiction in it would not be red.
func TestIsolation_anomaliesAreRed(t *testing.T) {
	j := new(journal)
	write := func(client int, seen []int64) {
		e := j.begin(client, false)
		e.note(note{Kind: noteList, Key: 1, List: seen})
		e.appended(1)
		e.attempt()
		e.end(isolation.OK, uint64(client))
	}
	write(1, nil)
	write(2, nil) // does not see the first
	s := j.survey()
	if err := j.check(&s); err == nil || len(s.Anomalies) == 0 {
		t.Errorf("%v: %v", s, err)
	}
}
