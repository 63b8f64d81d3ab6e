package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/child"
	"lightningdb/cmd/internal/picture"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/cmd/internal/units"
)

// Bounds of what the databases of Crash take: small, so that a run of seconds flushes and compacts.
const (
	crashMemoryLimit = 10 << 20
	crashLogLimit    = 2 << 20
)

// When a process is killed: at a random moment after its time, but not before each writer has made a few commits, a
// transaction among them. Otherwise a slow disk would leave nothing to compare.
const (
	leastCommits  = 2 * transactionEvery
	maxDelay      = 100 * time.Millisecond
	commitTimeout = 30 * time.Second // for those commits
)

// CrashConfig says what to run. Child and Out are required, Child not for a power loss.
type CrashConfig struct {
	Dir       string // database directory, absent or empty, which is kept; empty means a temporary one
	Rounds    int    // kills, one after the other, of processes on the same directory
	Writers   int
	Duration  time.Duration // how long a process writes before its kill is due
	Sync      bool          // durability of the commits, or else Process
	Seed      uint64
	PowerLoss bool // simulate power cuts in this process instead of killing one

	// Child returns the command that runs Write(ctx, dir, w, stdout).
	Child func(dir string, w Workload) (*exec.Cmd, error)

	Out  io.Writer
	Bold func(string) string

	// AfterKill, if not nil, is called with the recovered database before it is judged. Tests damage it here, to prove
	// that the comparison notices.
	AfterKill func(*lightningdb.DB) error
	// timeout is commitTimeout if it is 0.
	timeout time.Duration
	// commits is a commitFunc of tests in front of that of the simulated machine.
	commits func(commitFunc) commitFunc
}

// CrashReport is the outcome of a run. Entries are counted over all rounds, except the recovered ones: those are the
// entries of the database at the end.
type CrashReport struct {
	Seed         uint64  `json:"seed"`
	Durability   string  `json:"durability"`
	Writers      int     `json:"writers"`
	Rounds       int     `json:"rounds"`
	Kills        int     `json:"kills"`            // of processes, or of the simulated machine
	Images       int     `json:"images,omitempty"` // states that a power cut may leave, recovered and judged
	Policies     int     `json:"policies,omitempty"`
	Unsynced     int     `json:"unsynced,omitempty"` // changes of the directory that the power cuts could take
	Written      int64   `json:"written"`            // entries of all commits that were begun
	Acknowledged int64   `json:"acknowledged"`       // entries of those that returned
	Readable     int64   `json:"readable"`           // entries read back before the kill, all of them right
	Seen         int64   `json:"seen"`               // commits that a reader saw before they were acknowledged
	TornLogBytes int64   `json:"torn_log_bytes"`
	RecoverySecs float64 `json:"recovery_seconds"` // the longest
	Seconds      float64 `json:"seconds"`
	Findings
	Passed bool `json:"passed"`
}

// crash is a run in progress.
type crash struct {
	CrashConfig
	say    printer
	report *CrashReport
	ledger ledger
}

// Crash kills the writing process, recovers, and compares, round after round. With ErrBroken, the result that must not
// be, the report is complete; with any other error it has what was found so far.
func Crash(ctx context.Context, c CrashConfig) (report CrashReport, err error) {
	report = CrashReport{Seed: c.Seed, Durability: DurabilityName(c.Sync), Writers: c.Writers, Rounds: c.Rounds}
	if c.Writers < 1 || c.Writers > maxWriters || c.Rounds < 1 || c.Rounds > maxRounds || c.Duration <= 0 {
		return report, wrongUse("want 1 to %d writers, 1 to %d rounds and a duration above 0", maxWriters, maxRounds)
	}
	if c.timeout == 0 {
		c.timeout = commitTimeout
	}
	r := &crash{CrashConfig: c, say: printer{c.Out, c.Bold}, report: &report, ledger: ledger{seed: c.Seed}}
	defer func(start time.Time) { report.Seconds = time.Since(start).Seconds() }(time.Now())
	if c.PowerLoss {
		err = r.powerLosses(ctx)
	} else {
		err = r.kills(ctx)
	}
	if err == nil {
		err = r.verdict()
	}
	report.Passed = err == nil
	return report, err
}

// verdict returns an error for every outcome but the promised one, and for a run that proves nothing.
func (r *crash) verdict() error {
	switch report := r.report; {
	case report.Findings.err() != nil:
		return report.Findings.err()
	case report.Kills < report.Rounds:
		return broken("%d of %d rounds were interrupted", report.Kills, report.Rounds)
	case r.PowerLoss && report.Unsynced == 0:
		return broken("every power cut came when nothing was at stake")
	case report.Acknowledged == 0:
		return broken("nothing was acknowledged, so nothing was shown")
	case report.Readable == 0:
		return broken("nothing was read before the kill")
	case report.Plain == 0 || report.Transactional == 0:
		return broken("there were no plain entries or no transactions to compare; let it run longer")
	}
	return nil
}

// kills is the run with real processes.
func (r *crash) kills(ctx context.Context) error {
	dir, err := scratch.Choose("validate", r.Dir, false)
	if err != nil {
		return err
	}
	defer dir.Remove()
	r.say.title("Crash: a process is killed while it writes")
	r.say.line("database  %s", dir.Path)
	r.say.line("seed %d, %s, %s durability, killed after %v and a random moment", r.Seed,
		units.Plural(r.Writers, "writer"), r.report.Durability, r.Duration)
	for n := 1; n <= r.Rounds; n++ {
		w := Workload{Seed: r.Seed, Round: n, Writers: r.Writers, Sync: r.Sync}
		if err := r.killWriter(ctx, dir.Path, w); err != nil {
			return err
		}
		if err := r.reopen(dir.Path, w); err != nil {
			return err
		}
		if r.report.Findings.err() != nil {
			break // later rounds would find the same again
		}
	}
	return nil
}

// killWriter runs one process until it is killed, and enters what it reported into the ledger.
func (r *crash) killWriter(ctx context.Context, dir string, w Workload) error {
	command, err := r.Child(dir, w)
	if err != nil {
		return err
	}
	tally := newTally(w)
	var start time.Time
	var latest *time.Timer // kills a process that does not get there
	due := false
	killed, err := child.Run(ctx, command, func(line string, kill func()) error {
		if latest == nil {
			start = time.Now()
			latest = time.AfterFunc(r.Duration+r.timeout, kill)
		}
		err := tally.hear(line)
		if !due && time.Since(start) >= r.Duration && tally.leastAcked() >= leastCommits {
			due = true
			// The seed does not choose the moment: what the process has done by then is not repeatable anyway.
			time.AfterFunc(rand.N(maxDelay), kill)
		}
		return err
	})
	if latest != nil {
		latest.Stop()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil: // it found something wrong itself, or what it says makes no sense
		return broken("%v", err)
	}
	if killed {
		r.report.Kills++
	}
	r.enter(tally)
	r.say.line("round %d: SIGKILL after %s acknowledged entries", w.Round, units.Count(tally.entries(w.Seed, ackedOf)))
	return nil
}

// enter adds what a workload reported to the report and the ledger.
func (r *crash) enter(t *tally) {
	r.report.Written += t.entries(r.Seed, begunOf)
	r.report.Acknowledged += t.entries(r.Seed, ackedOf)
	r.report.Readable += t.readable
	r.report.Seen += t.seen
	r.ledger.rounds = append(r.ledger.rounds, t.fates)
}

// reopen recovers the database after a kill and judges it.
func (r *crash) reopen(dir string, w Workload) (err error) {
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: crashMemoryLimit, LogLimit: crashLogLimit})
	if err != nil {
		return broken("reopen after the kill: %v", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	recovery := db.Recovery()
	r.report.TornLogBytes += recovery.TornBytes
	r.report.RecoverySecs = max(r.report.RecoverySecs, recovery.Duration.Seconds())
	if w.Round == r.Rounds {
		for _, line := range picture.Recovery(recovery) {
			r.say.line("%s", line)
		}
	}
	if r.AfterKill != nil {
		if err := r.AfterKill(db); err != nil {
			return err
		}
	}
	found, upTo, err := r.ledger.judge(apiStore{db: db})
	if err != nil {
		return broken("read what was recovered: %v", err)
	}
	r.report.Findings.add(found)
	r.ledger.settle(upTo)
	return nil
}

// Write runs in the process to be killed: it opens the database in dir, runs w, and reports on out, each event as one
// line in one call.
func Write(ctx context.Context, dir string, w Workload, out io.Writer) (err error) {
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: crashMemoryLimit, LogLimit: crashLogLimit})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return w.run(ctx, apiStore{db, throughAPI(ctx, db)}, &lines{out: out})
}

// lines is the reporter of the process to be killed. "b 2 18" says that writer 2 begins its commit 18 and that 17 is
// acknowledged, "s 2 18" that a reader saw commit 18 before that, "r 5" that five entries were read and were right.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) begins(writer int, n, _ uint64) error { return l.write("b %d %d\n", writer, n) }
func (l *lines) saw(writer int, n uint64) error       { return l.write("s %d %d\n", writer, n) }
func (l *lines) read(entries int) error               { return l.write("r %d\n", entries) }

func (l *lines) write(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.out, format, args...)
	return err
}

// tally counts what a workload has reported so far. Its methods may be called by several goroutines.
type tally struct {
	mu       sync.Mutex
	fates    []fate
	readable int64
	seen     int64
	round    int
}

func newTally(w Workload) *tally { return &tally{fates: make([]fate, w.Writers), round: w.Round} }

// hear takes in one line of the process.
func (t *tally) hear(line string) error {
	words := strings.Fields(line)
	numbers := make([]uint64, 0, 2)
	for _, word := range words[min(1, len(words)):] {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return fmt.Errorf("not a report: %q", line)
		}
		numbers = append(numbers, n)
	}
	switch {
	case len(numbers) == 2 && words[0] == "b" && numbers[0] < uint64(len(t.fates)):
		return t.begins(int(numbers[0]), numbers[1], 0)
	case len(numbers) == 2 && words[0] == "s" && numbers[0] < uint64(len(t.fates)):
		return t.saw(int(numbers[0]), numbers[1])
	case len(numbers) == 1 && words[0] == "r":
		return t.read(int(numbers[0]))
	}
	return fmt.Errorf("not a report: %q", line)
}

func (t *tally) begins(writer int, n, last uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &t.fates[writer]
	if n != f.begun+1 {
		return fmt.Errorf("writer %d begins commit %d after %d", writer, n, f.begun)
	}
	f.begun, f.acked = n, n-1
	f.must = f.acked
	if last > 0 {
		f.last = append(f.last, last)
	}
	return nil
}

func (t *tally) saw(writer int, n uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen++
	t.fates[writer].seen = max(t.fates[writer].seen, n)
	return nil
}

func (t *tally) read(entries int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readable += int64(entries)
	return nil
}

// leastAcked is the number of acknowledged commits of the writer that has the fewest.
func (t *tally) leastAcked() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	least := t.fates[0].acked
	for _, f := range t.fates[1:] {
		least = min(least, f.acked)
	}
	return least
}

func begunOf(f *fate) uint64 { return f.begun }
func ackedOf(f *fate) uint64 { return f.acked }

// entries counts those of all commits up to the one that of names.
func (t *tally) entries(seed uint64, of func(*fate) uint64) (total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.fates {
		for n := uint64(1); n <= of(&t.fates[w]); n++ {
			total += int64(commitID{t.round, w, n}.parts(seed))
		}
	}
	return total
}

// apiStore is a store through the public API.
type apiStore struct {
	db        *lightningdb.DB
	committed commitFunc
}

func (s apiStore) commit(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
	return s.committed(reads, write, sync)
}

func (s apiStore) get(key []byte) ([]byte, bool, error) {
	value, err := s.db.Get(key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (s apiStore) each(visit func(key, value []byte)) error {
	all := s.db.Range(nil, nil)
	for key, value := range all.All() {
		visit(key, value)
	}
	return all.Err()
}
