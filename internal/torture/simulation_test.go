package torture

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

var seedsFlag = flag.Int("seeds", 240/slowdown, "seeds of the simulation")

// A rare meeting of clients, background work, faults and crashes would cost an acknowledged commit, or bring back, tear
// or invent one.
func TestSimulation_keepsItsPromises(t *testing.T) {
	first := *seedFlag
	if first == 0 {
		first = rand.Uint64N(1 << 40)
	}
	t.Logf("-seed %d", first)
	var mu sync.Mutex
	var total SimulationStats
	var wait sync.WaitGroup
	start := time.Now()
	for w := range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for n := w; n < *seedsFlag; n += runtime.GOMAXPROCS(0) {
				stats, _, err := Simulation{Seed: first + uint64(n), Steps: DefaultSteps}.Run()
				mu.Lock()
				total.Add(stats)
				if err != nil {
					t.Errorf("-seed %d -seeds 1: %v", first+uint64(n), err)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	t.Logf("simulation: %v in %v", total, time.Since(start).Round(time.Millisecond))
	if total.Seeds >= 10 && (total.Faults() == 0 || total.Kills == 0 || total.PowerCuts == 0 || total.Surfaced == 0) {
		t.Error("nothing was injected: the test tests nothing")
	}
}

// A failing seed would not lead back to its failure.
func TestSimulation_sameSeedSameRun(t *testing.T) {
	different := make(map[uint64]bool)
	for seed := uint64(1); seed <= 12; seed++ {
		run := Simulation{Seed: seed, Steps: DefaultSteps, Transactions: seed%2 == 0}
		stats, first, err := run.Run()
		again, second, err2 := run.Run()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if first != second || stats.String() != again.String() {
			t.Errorf("seed %d: two runs differ: %x and %x\n%v\n%v", seed, first, second, stats, again)
		}
		different[first] = true
	}
	if len(different) < 12 {
		t.Errorf("only %d of 12 seeds lead to different runs", len(different))
	}
}
