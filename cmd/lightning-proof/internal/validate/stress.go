package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/cmd/internal/units"
)

// StressConfig says what to run. Child and Out are required, Child only for the test of memory.
type StressConfig struct {
	Dir       string        // absent or empty, which is kept; empty means a temporary one. One database in it per test
	Only      string        // the name of one test; empty for all
	Endurance time.Duration // how long the test of that name runs
	Each      time.Duration // how long the other tests run that end with the time
	Seed      uint64

	// Child returns the command that runs Fill(ctx, dir, seed, stdout).
	Child func(dir string, seed uint64) (*exec.Cmd, error)

	Out  io.Writer
	Bold func(string) string
	// Done, if not nil, is called with the result of each test.
	Done func(Result) error

	// generations is how many batches a writer of the test of batches commits, if it is not 0.
	generations int
	// commits, if not nil, is a commitFunc of tests in front of that of the database, to prove that lies are found.
	commits func(commitFunc) commitFunc
}

// Result is the outcome of one test.
type Result struct {
	Test    string         `json:"test"`
	Passed  bool           `json:"passed"`
	Commits int64          `json:"commits"` // acknowledged
	Checks  int64          `json:"checks"`  // comparisons that could have failed, of values, scans or sums; see the test
	Seconds float64        `json:"seconds"`
	Figures map[string]any `json:"figures,omitempty"`
	Problem string         `json:"problem,omitempty"`
}

// StressReport is the outcome of all.
type StressReport struct {
	Seed    uint64   `json:"seed"`
	Tests   int      `json:"tests"`
	Passed  bool     `json:"passed"`
	Failed  []string `json:"failed"` // names of tests
	Seconds float64  `json:"seconds"`
}

// test is one of the tests of Stress.
type test struct {
	name, what string
	run        func(ctx context.Context, s *stress) error
}

var tests = []test{
	{"mixed", "writers and readers on the same keys; no read may be older than what was acknowledged before", runMixed},
	{"money", "transfers between 100 accounts, in transactions; every view has all the money", runMoney},
	{"batches", "batches of 1,000 entries; every snapshot has all of a batch or none", runBatches},
	{"memory", "10,000 values of 10 KB at a limit of 10 MiB; the process stays at the limit and 32 MiB", runMemory},
	{"endurance", "puts, deletes and reads for a while, with the rate of each interval", runEndurance},
	{"scans", "small transactions beside long scans; every scan sees one moment", runScans},
}

// Tests are the names of the tests, in the order in which they run.
func Tests() (names []string) {
	for _, t := range tests {
		names = append(names, t.name)
	}
	return names
}

// stress is one test in progress. Its counters may be used by any goroutine.
type stress struct {
	StressConfig
	say     printer
	dir     string
	db      *lightningdb.DB // nil in the test of memory, which has it in a process of its own
	write   commitFunc
	commits atomic.Int64
	checks  atomic.Int64
	figures map[string]any // owned by the test's own goroutine
}

// Stress runs the tests. ErrBroken names those that failed.
func Stress(ctx context.Context, c StressConfig) (report StressReport, err error) {
	report = StressReport{Seed: c.Seed, Failed: []string{}}
	if c.Only != "" && !slices.Contains(Tests(), c.Only) {
		return report, wrongUse("there is no test %q; the tests are %s", c.Only, strings.Join(Tests(), ", "))
	}
	if c.Endurance <= 0 || c.Each <= 0 {
		return report, wrongUse("want a duration above 0")
	}
	dir, err := scratch.Choose("validate", c.Dir, false)
	if err != nil {
		return report, err
	}
	defer dir.Remove()
	defer func(start time.Time) { report.Seconds = time.Since(start).Seconds() }(time.Now())
	say := printer{c.Out, c.Bold}
	say.title(fmt.Sprintf("Stress: seed %d, databases in %s", c.Seed, dir.Path))
	for _, t := range tests {
		if c.Only != "" && c.Only != t.name {
			continue
		}
		s := &stress{StressConfig: c, say: say, dir: filepath.Join(dir.Path, t.name), figures: map[string]any{}}
		result := s.play(ctx, t)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		report.Tests++
		if !result.Passed {
			report.Failed = append(report.Failed, t.name)
		}
		if c.Done != nil {
			if err := c.Done(result); err != nil {
				return report, err
			}
		}
	}
	if len(report.Failed) > 0 {
		return report, broken("%s", strings.Join(report.Failed, ", "))
	}
	report.Passed = true
	return report, nil
}

// play runs one test.
func (s *stress) play(ctx context.Context, t test) Result {
	s.say.title("\n" + t.name)
	s.say.line("%s", t.what)
	start := time.Now()
	err := s.inDatabase(ctx, t)
	elapsed := time.Since(start)
	result := Result{Test: t.name, Commits: s.commits.Load(), Checks: s.checks.Load(), Seconds: elapsed.Seconds(),
		Figures: s.figures}
	if err == nil && (result.Commits == 0 || result.Checks == 0) {
		err = broken("%d commits and %d checks show nothing", result.Commits, result.Checks)
	}
	result.Passed = err == nil
	if err != nil {
		result.Problem = err.Error()
	}
	s.say.line("%s acknowledged (%s), %s in %s", units.Plural(result.Commits, "commit"),
		perSecond(result.Commits, elapsed), units.Plural(result.Checks, "check"), units.Duration(elapsed))
	s.say.line("%s", Verdict(err))
	return result
}

// inDatabase runs the test on a database of its own, if it wants one.
func (s *stress) inDatabase(ctx context.Context, t test) (err error) {
	if t.name == "memory" {
		return t.run(ctx, s)
	}
	s.db, err = lightningdb.Open(s.dir, &lightningdb.Options{MemoryLimit: 32 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	s.write = throughAPI(ctx, s.db)
	if s.StressConfig.commits != nil {
		s.write = s.StressConfig.commits(s.write)
	}
	return t.run(ctx, s)
}

// commit is for tests: it writes entries.
func (s *stress) commit(entries ...entry) error { return s.transact(nil, always(entries)) }

// transact is for tests: it commits a transaction, at Sync durability every now and then, and counts.
func (s *stress) transact(reads [][]byte, write writeFunc) error {
	const syncEvery = 16
	if _, err := s.write(reads, write, s.commits.Load()%syncEvery == 0); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.commits.Add(1)
	return nil
}

// get reads a key. found is false if it is absent.
func (s *stress) get(dst, key []byte) (value []byte, found bool, err error) {
	value, err = s.db.GetAppend(dst, key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return value, false, nil
	}
	return value, err == nil, err
}

// filled is the report of the process of the test of memory.
type filled struct {
	Commits, Checks    int64
	PeakBytes          int64
	MemoryUsed, OnDisk int64
}

// numbers are the fields of f, in the order in which write writes them.
func (f *filled) numbers() []*int64 {
	return []*int64{&f.Commits, &f.Checks, &f.PeakBytes, &f.MemoryUsed, &f.OnDisk}
}

func (f *filled) write(out io.Writer) error {
	var line []byte
	for _, n := range f.numbers() {
		line = append(strconv.AppendInt(line, *n, 10), ' ')
	}
	_, err := fmt.Fprintf(out, "%s\n", line)
	return err
}

// read takes a line that write has written.
func (f *filled) read(line string) error {
	words, numbers := strings.Fields(line), f.numbers()
	if len(words) != len(numbers) {
		return fmt.Errorf("%q is not %d numbers", line, len(numbers))
	}
	for i, word := range words {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return err
		}
		*numbers[i] = n
	}
	return nil
}
