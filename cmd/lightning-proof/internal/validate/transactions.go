package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/child"
	"lightningdb/cmd/internal/scratch"
	"lightningdb/cmd/lightning-proof/internal/content"
)

// maxIncrementers bounds the workers of Transactions, maxIncrements what each does.
const (
	maxIncrementers = 1000
	maxIncrements   = 1_000_000
)

func transactionsOptions() *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: crashMemoryLimit, LogLimit: crashLogLimit}
}

// TransactionsConfig says what to run. Child and Out are required.
type TransactionsConfig struct {
	Dir     string // absent or empty, which is kept; empty means a temporary one. Two databases in it per mode
	Workers int
	Rounds  int // increments of each worker
	Sync    bool
	Seed    uint64 // the moments of the kills follow from it

	// Child returns the command that runs Increment(ctx, dir, w, stdout).
	Child func(dir string, w Increments) (*exec.Cmd, error)

	Out  io.Writer
	Bold func(string) string

	// AfterKill, if not nil, is called with the recovered database before it is judged, as in CrashConfig.
	AfterKill func(*lightningdb.DB) error
	// modes are those of tests, if it is not nil.
	modes []mode
}

// ModeReport is the outcome of a run in one mode.
type ModeReport struct {
	Mode        string  `json:"mode"`
	Attempts    int64   `json:"attempts"` // increments asked for
	Commits     int64   `json:"commits"`  // acknowledged
	Failed      int64   `json:"failed"`   // that returned an error
	Value       int64   `json:"final_value"`
	Expected    int64   `json:"expected"`
	SuccessRate float64 `json:"success_rate"` // commits by attempts, in percent
	Accuracy    float64 `json:"accuracy"`     // the final value by the commits, in percent, by which it is off below 100
	Retries     int64   `json:"retries"`      // times that a transaction ran again
	Seconds     float64 `json:"seconds"`

	KilledAfter int64  `json:"killed_after"` // acknowledged increments, in a second database
	Recovered   int64  `json:"recovered"`    // its counter after the kill
	Completed   int64  `json:"completed"`    // its counter when the rest was done
	Problem     string `json:"problem,omitempty"`
	Passed      bool   `json:"passed"`
}

// TransactionsReport is the outcome of a run in all modes.
type TransactionsReport struct {
	Seed       uint64       `json:"seed"`
	Durability string       `json:"durability"`
	Workers    int          `json:"workers"`
	Rounds     int          `json:"rounds"`
	Modes      []ModeReport `json:"modes"`
	Seconds    float64      `json:"seconds"`
	Passed     bool         `json:"passed"`
}

// transactions is a run in progress.
type transactions struct {
	TransactionsConfig
	say printer
	dir string
}

// Transactions lets workers add to one counter, in every mode of the API. Every increment that was asked for must be
// acknowledged, and the counter must hold them all: while the database is open, after closing and opening it, and in a
// second database after a kill in the middle. ErrBroken is the result that must not be.
func Transactions(ctx context.Context, c TransactionsConfig) (report TransactionsReport, err error) {
	report = TransactionsReport{Seed: c.Seed, Durability: DurabilityName(c.Sync), Workers: c.Workers, Rounds: c.Rounds}
	if c.Workers < 1 || c.Workers > maxIncrementers || c.Rounds < 1 || c.Rounds > maxIncrements {
		return report, wrongUse("want 1 to %d workers and 1 to %d rounds", maxIncrementers, maxIncrements)
	}
	if c.modes == nil {
		c.modes = modes
	}
	dir, err := scratch.Choose("validate", c.Dir, false)
	if err != nil {
		return report, err
	}
	defer dir.Remove()
	defer func(start time.Time) { report.Seconds = time.Since(start).Seconds() }(time.Now())
	t := &transactions{TransactionsConfig: c, say: printer{c.Out, c.Bold}, dir: dir.Path}
	t.say.title(fmt.Sprintf("Transactions: %d workers add %d times each to one counter", c.Workers, c.Rounds))
	t.say.line("seed %d, %s durability, databases in %s", c.Seed, report.Durability, dir.Path)
	for i, m := range c.modes {
		t.say.line("%-16s %s", m.name, m.what)
		result, playErr := t.play(ctx, m, content.Mix(c.Seed, uint64(i)))
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		report.Modes = append(report.Modes, result)
		if playErr != nil && err == nil {
			err = fmt.Errorf("mode %s: %w", m.name, playErr)
		}
	}
	report.Passed = err == nil
	return report, err
}

// play runs one mode, in two databases: undisturbed, and with a kill.
func (t *transactions) play(ctx context.Context, m mode, seed uint64) (r ModeReport, err error) {
	w := Increments{Mode: m.name, Workers: t.Workers, Rounds: t.Rounds, Sync: t.Sync}
	r.Mode, r.Expected = m.name, w.expected()
	err = t.undisturbed(ctx, m, w, &r)
	if err == nil {
		err = t.disturbed(ctx, m, w, seed, &r)
	}
	if err != nil && !errors.Is(err, ErrBroken) {
		err = broken("%v", err)
	}
	r.Passed = err == nil
	if err != nil {
		r.Problem = err.Error()
	}
	return r, err
}

func (t *transactions) undisturbed(ctx context.Context, m mode, w Increments, r *ModeReport) error {
	start := time.Now()
	workers, value, err := t.complete(ctx, filepath.Join(t.dir, m.name), m, w, make([]fate, w.Workers))
	r.Seconds = time.Since(start).Seconds()
	for _, one := range workers {
		r.Attempts += one.attempts
		r.Commits += int64(one.acked)
		r.Failed += one.failed
		r.Retries += max(0, one.tries-one.attempts)
	}
	r.Value = value
	r.SuccessRate = 100 * share(r.Commits, r.Attempts)
	r.Accuracy = 100 * share(min(r.Value, r.Commits), max(r.Value, r.Commits))
	return err
}

// share is part of whole, or 0 of nothing.
func share(part, whole int64) float64 { return float64(part) / float64(max(whole, 1)) }

// disturbed lets a process make the increments, kills it, and makes those that are missing.
func (t *transactions) disturbed(ctx context.Context, m mode, w Increments, seed uint64, r *ModeReport) error {
	dir := filepath.Join(t.dir, m.name+"-killed")
	fates, err := t.kill(ctx, dir, w, 1+int64(seed%uint64(r.Expected)*3/4))
	if err != nil {
		return err
	}
	for _, f := range fates {
		r.KilledAfter += int64(f.acked)
	}
	r.Recovered, err = t.recover(ctx, dir, w, fates)
	if err != nil {
		return fmt.Errorf("after the kill: %w", err)
	}
	_, r.Completed, err = t.complete(ctx, dir, m, w, fates)
	return err
}

// kill runs the process until enough increments are acknowledged, and returns what it reported.
func (t *transactions) kill(ctx context.Context, dir string, w Increments, due int64) ([]fate, error) {
	command, err := t.Child(dir, w)
	if err != nil {
		return nil, err
	}
	tally := newTally(Workload{Writers: w.Workers})
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout(), broken("the process to be killed does not get there"))
	defer cancel()
	acked := -int64(w.Workers) // a worker that begins its first increment has none acknowledged
	killed, err := child.Run(ctx, command, func(line string, kill func()) error {
		if acked++; acked == due {
			kill()
		}
		return tally.hear(line)
	})
	switch {
	case err != nil:
		return nil, err
	case !killed:
		return nil, broken("the process ended before its kill")
	}
	return tally.fates, nil
}

// recover opens the database after the kill and compares it with what the process reported. It puts what is there into
// fates.
func (t *transactions) recover(ctx context.Context, dir string, w Increments, fates []fate) (int64, error) {
	db, err := lightningdb.Open(dir, transactionsOptions())
	if err != nil {
		return 0, err
	}
	if t.AfterKill != nil {
		err = t.AfterKill(db)
	}
	held, readErr := w.hold(ctx, db)
	if err = errors.Join(err, readErr, db.Close()); err != nil {
		return held.counter, err
	}
	err = held.judge(fates)
	for i, n := range held.receipts {
		fates[i] = fate{begun: uint64(n), acked: uint64(n)}
	}
	return held.counter, err
}

// complete makes the increments that are missing in a database and judges it, before and after closing it. value is its
// counter in the end.
func (t *transactions) complete(ctx context.Context, dir string, m mode, w Increments, fates []fate) (workers []worker,
	value int64, err error) {
	db, err := lightningdb.Open(dir, transactionsOptions())
	if err != nil {
		return nil, 0, err
	}
	workers = w.run(ctx, db, m, fates, func(int, uint64, uint64) error { return nil })
	held, err := w.hold(ctx, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return workers, held.counter, err
	}
	after, err := t.reopened(ctx, dir, w)
	if err != nil {
		return workers, held.counter, fmt.Errorf("after reopening: %w", err)
	}
	return workers, after.counter, verdictOn(workers, w, held, after)
}

func (t *transactions) reopened(ctx context.Context, dir string, w Increments) (held holding, err error) {
	db, err := lightningdb.Open(dir, transactionsOptions())
	if err != nil {
		return held, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return w.hold(ctx, db)
}

// verdictOn compares what the workers know with what the database held before it was closed, and after.
func verdictOn(workers []worker, w Increments, before, after holding) error {
	var fates []fate
	for i, one := range workers {
		if one.err != nil {
			return broken("%d increments of worker %d failed: %v", one.failed, i, one.err)
		}
		fates = append(fates, one.fate)
	}
	if err := before.judge(fates); err != nil {
		return err
	}
	if err := after.judge(fates); err != nil {
		return fmt.Errorf("after reopening: %w", err)
	}
	if after.counter != w.expected() {
		return broken("the counter holds %d instead of %d", after.counter, w.expected())
	}
	return nil
}
