package torture

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
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

// Sizes of a history.
const (
	HistoryClients = 10   // that run transactions at the same time
	HistorySteps   = 4000 // of a simulation whose clients mostly run transactions
)
