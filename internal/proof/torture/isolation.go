package torture

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/isolation"
	"lightningdb/internal/proof/oracle"
)

// IsolationStats count what transactions did whose histories were checked.
type IsolationStats struct {
	Histories  int
	Acked      int // transactions that were acknowledged, read-only ones too
	Aborted    int // attempts that were refused or given up
	Refused    int // attempts that met a conflict or a deadlock
	Unknown    int // in flight when the process or the machine died
	Overlapped int // transactions that began while another was open
	Weak       int // transactions at snapshot isolation
	Lost       int // acknowledged ones that a power cut took, as it may at Process durability
	Kills      int // of real processes
	Simulated  int // kills
	PowerCuts  int // simulated, too
	Edges      int // of the graphs of dependencies
	Checking   time.Duration
	LostWrites int64                    // acknowledged writes that later reads do not have; must be zero
	Anomalies  map[isolation.Name]int64 // must be empty
	oracle.Counts
}

// Add adds o to s.
func (s *IsolationStats) Add(o IsolationStats) {
	s.Histories += o.Histories
	s.Acked += o.Acked
	s.Aborted += o.Aborted
	s.Refused += o.Refused
	s.Unknown += o.Unknown
	s.Overlapped += o.Overlapped
	s.Weak += o.Weak
	s.Lost += o.Lost
	s.Kills += o.Kills
	s.Simulated += o.Simulated
	s.PowerCuts += o.PowerCuts
	s.Edges += o.Edges
	s.Checking += o.Checking
	s.LostWrites += o.LostWrites
	for name, n := range o.Anomalies {
		s.count(name, n)
	}
	s.Counts.Add(o.Counts)
}

func (s *IsolationStats) count(name isolation.Name, n int64) {
	if s.Anomalies == nil {
		s.Anomalies = make(map[isolation.Name]int64)
	}
	s.Anomalies[name] += n
}

func (s IsolationStats) String() string {
	names := slices.Sorted(maps.Keys(s.Anomalies))
	anomalies := make([]string, len(names))
	for i, name := range names {
		anomalies[i] = fmt.Sprintf(" %s=%d", name, s.Anomalies[name])
	}
	return fmt.Sprintf("histories=%d acked=%d aborted=%d refused=%d unknown=%d overlapped=%d snapshot_isolation=%d "+
		"lost_to_power_cuts=%d kills=%d simulated_kills=%d power_cuts=%d edges=%d checker=%v lost_writes=%d%s %v",
		s.Histories, s.Acked, s.Aborted, s.Refused, s.Unknown, s.Overlapped, s.Weak, s.Lost, s.Kills, s.Simulated,
		s.PowerCuts, s.Edges, s.Checking.Round(time.Millisecond), s.LostWrites, strings.Join(anomalies, ""), s.Counts)
}

// survey counts the events of the journal.
func (j *journal) survey() (s IsolationStats) {
	open := 0
	for i := range j.events {
		switch e := &j.events[i]; e.Kind {
		case eventBegin:
			if open > 0 {
				s.Overlapped++
			}
			if e.Weak {
				s.Weak++
			}
			open++
		case eventRetry:
			s.Aborted++
			s.Refused++
		case eventEnd:
			open--
			if e.Refused {
				s.Refused++
			}
			switch isolation.Outcome(e.Outcome) {
			case isolation.OK:
				s.Acked++
			case isolation.Aborted:
				s.Aborted++
			case isolation.Unknown:
				s.Unknown++
			}
		}
	}
	s.Unknown += open
	return s
}

// check checks the journal for strict serializability, and together with what ran at snapshot isolation for that level.
// It adds to s, and its error describes the first contradictions.
func (j *journal) check(s *IsolationStats) error {
	begin := time.Now()
	defer func() { s.Checking += time.Since(begin) }()
	s.Histories++
	h, whole := j.history(isolation.StrictSerializable)
	err := s.judge(isolation.Check(h, isolation.StrictSerializable))
	if !whole {
		h, _ = j.history(isolation.StrongSnapshot)
		err = errors.Join(err, s.judge(isolation.Check(h, isolation.StrongSnapshot)))
	}
	return err
}

func (s *IsolationStats) judge(r *isolation.Report) error {
	s.Edges += r.Edges
	for name, n := range r.Counts {
		s.count(name, int64(n))
	}
	s.LostWrites += int64(r.Counts[isolation.LostWrite])
	if r.OK() {
		return nil
	}
	r.Anomalies = r.Anomalies[:min(len(r.Anomalies), 2)]
	return mismatch("%v", r)
}

// Transactions runs transactions of several clients at the same time, by the public API, on a database that flushes and
// compacts all the while, and checks their history.
type Transactions struct {
	Dir     string
	Seed    uint64
	Clients int
	Count   int // transactions of one history
	Times   int // histories, one after the other, of the same keys
	Stop    func() bool
}

// Run runs them. The error describes the first violation, or says why there was no run.
func (t Transactions) Run() (s IsolationStats, err error) {
	watchdog := time.AfterFunc(2*Watchdog, func() { panic(fmt.Sprintf("torture: transactions hang: seed %d", t.Seed)) })
	defer watchdog.Stop()
	db, err := lightningdb.Open(t.Dir, transactionOptions())
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := furnish(db); err != nil {
		return s, err
	}
	for n := range t.Times {
		if err := t.one(db, t.Seed<<8+uint64(n), &s); err != nil {
			return s, err
		}
		if t.Stop() {
			break
		}
		watchdog.Reset(2 * Watchdog)
	}
	return s, nil
}

// one runs and checks one history.
func (t Transactions) one(db *lightningdb.DB, seed uint64, s *IsolationStats) error {
	j := new(journal)
	c := &clients{db: db, journal: j, seed: seed, number: t.Clients}
	c.enough = func() bool { return c.begun.Load() >= int64(t.Count) || t.Stop() }
	if c.run() == nil {
		c.readAll()
	}
	return errors.Join(s.close(c), empty(db))
}

// readAll reads everything at the end of a history: what was acknowledged must be there.
func (c *clients) readAll() {
	u := &user{clients: c, id: c.number, r: rand.New(rand.NewPCG(c.seed, uint64(c.number)))}
	u.audit()
}

// close counts and checks what the clients did that have finished.
func (s *IsolationStats) close(c *clients) error {
	s.Panics += c.panics
	if errors.Is(c.first, ErrMismatch) {
		s.WrongData++
	}
	s.Add(c.journal.survey())
	return errors.Join(c.first, c.journal.check(s))
}

// Sizes of the units of the isolation level.
const (
	clientsInUnit     = 10
	historyInUnit     = 6000 // transactions
	historiesInUnit   = 2
	killsOfUnit       = 4
	simulationsInUnit = 8
	simulatedSteps    = 4000
)

// runIsolation runs transactions and checks their histories: of one process, across kills, and across power cuts.
func runIsolation(r *run) Outcome {
	total := gather(r, func(s IsolationStats) int { return s.Acked }, func(n int) IsolationStats {
		seed, dir := r.Seed+uint64(n), filepath.Join(r.Dir, fmt.Sprintf("transactions-%d", n))
		where := fmt.Sprintf("unit %d of seed %d", n, r.Seed)
		defer os.RemoveAll(dir) // so that the disk does not fill; in the end all of r.Dir is removed
		switch n % 4 {
		case 0:
			k := &TransactionKiller{Dir: dir, Seed: seed, Command: r.Child, Kills: killsOfUnit, Stop: r.stop}
			return r.note(where, k.Run)
		case 1:
			return r.simulateTransactions(n)
		}
		t := Transactions{Dir: dir, Seed: seed, Clients: clientsInUnit, Count: historyInUnit, Times: historiesInUnit,
			Stop: r.stop}
		return r.note(where, t.Run)
	})
	return total.outcome()
}

// note runs and notes the violation.
func (r *run) note(where string, run func() (IsolationStats, error)) IsolationStats {
	s, err := run()
	if err != nil {
		r.fail(where, err)
	}
	return s
}

// simulateTransactions runs the simulations of unit n, each with a seed of its own.
func (r *run) simulateTransactions(n int) (total IsolationStats) {
	for i := 0; i < simulationsInUnit && !r.stop(); i++ {
		m := Simulation{Seed: r.Seed + uint64(n*simulationsInUnit+i), Steps: simulatedSteps, Transactions: true}
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

// outcome is that of a level. Transactions that never met show nothing.
func (s *IsolationStats) outcome() Outcome {
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
