package campaign

import (
	"fmt"
	"os"
	"path/filepath"

	"lightningdb/internal/proof/isolation"
	"lightningdb/internal/proof/torture"
)

// Sizes of the units of the isolation level.
const (
	historyInUnit     = 6000 // transactions
	historiesInUnit   = 2
	killsOfUnit       = 4
	simulationsInUnit = 8
)

// runIsolation runs transactions and checks their histories: of one process, across kills, and across power cuts.
func runIsolation(r *run) Outcome {
	total := gather(r, func(s torture.IsolationStats) int { return s.Acked }, func(n int) torture.IsolationStats {
		seed, dir := r.Seed+uint64(n), filepath.Join(r.Dir, fmt.Sprintf("transactions-%d", n))
		where := fmt.Sprintf("unit %d of seed %d", n, r.Seed)
		defer os.RemoveAll(dir) // so that the disk does not fill; in the end all of r.Dir is removed
		switch n % 4 {
		case 0:
			k := &torture.TransactionKiller{Dir: dir, Seed: seed, Command: r.Child, Kills: killsOfUnit, Stop: r.stop}
			return r.note(where, k.Run)
		case 1:
			return r.simulateTransactions(n)
		}
		t := torture.Transactions{Dir: dir, Seed: seed, Clients: torture.HistoryClients, Count: historyInUnit,
			Times: historiesInUnit, Stop: r.stop}
		return r.note(where, t.Run)
	})
	return isolationOutcome(total)
}

// note runs and notes the violation.
func (r *run) note(where string, run func() (torture.IsolationStats, error)) torture.IsolationStats {
	s, err := run()
	if err != nil {
		r.fail(where, err)
	}
	return s
}

// simulateTransactions runs the simulations of unit n, each with a seed of its own.
func (r *run) simulateTransactions(n int) (total torture.IsolationStats) {
	for i := 0; i < simulationsInUnit && !r.stop(); i++ {
		m := torture.Simulation{Seed: r.Seed + uint64(n*simulationsInUnit+i), Steps: torture.HistorySteps, Transactions: true}
		stats, _, err := m.Run()
		if err != nil {
			small, err := m.Shrink(r.stop)
			r.fail(small.String(), err)
		}
		stats.Isolation.Counts.Add(stats.Counts)
		total.Add(stats.Isolation)
	}
	return total
}

// cycleNames are those anomalies that are cycles.
var cycleNames = []isolation.Name{isolation.G0, isolation.G1c, isolation.GSingle, isolation.GNonadjacent,
	isolation.G2Item, isolation.G2}

// isolationOutcome is that of the level. Transactions that never met show nothing.
func isolationOutcome(s torture.IsolationStats) Outcome {
	o := Outcome{Counts: s.Counts, LostWrites: s.LostWrites, Figures: []Figure{
		{"txns", int64(s.Acked)}, {"refused", int64(s.Refused)},
		{"aborts_percent", int64(100 * s.Aborted / max(s.Acked+s.Aborted, 1))}, {"unknown", int64(s.Unknown)},
		{"overlapped", int64(s.Overlapped)}, {"snapshot_isolation", int64(s.Weak)}, {"histories", int64(s.Histories)},
		{"kills", int64(s.Kills)}, {"simulated_kills", int64(s.Simulated)},
		{"power_cuts", int64(s.PowerCuts)}, {"lost_to_power_cuts", int64(s.Lost)},
		{"edges", int64(s.Edges)}, {"checker_ms", s.Checking.Milliseconds()}}}
	if s.Overlapped > 0 && s.Refused > 0 {
		o.Injected = int64(s.Refused + s.Kills + s.Simulated + s.PowerCuts)
	}
	cycles := make(map[isolation.Name]int64)
	for _, name := range cycleNames {
		cycles[name] = s.Anomalies[name] + s.Anomalies[name+"-realtime"]
	}
	o.Figures = append(o.Figures, Figure{"cycles_by_type", cycles})
	return o
}
