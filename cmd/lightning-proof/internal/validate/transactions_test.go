package validate

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"lightningdb"
)

func transactionsConfig(t *testing.T) TransactionsConfig {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return TransactionsConfig{Dir: t.TempDir(), Workers: 8, Rounds: 10, Seed: seed, Out: io.Discard,
		Child: func(dir string, w Increments) (*exec.Cmd, error) { return taskProcess(task{Dir: dir, Increments: w}) }}
}

// Under contention the ancestor failed most transactions, and lost some of those that it had acknowledged.
func TestTransactions_allSucceedInEveryMode(t *testing.T) {
	for _, sync := range []bool{true, false} {
		c := transactionsConfig(t)
		c.Sync = sync
		report, err := Transactions(t.Context(), c)
		if err != nil || !report.Passed || len(report.Modes) != len(modes) {
			t.Fatalf("%v\n%+v", err, report)
		}
		for _, m := range report.Modes {
			if !m.Passed || m.Commits != 80 || m.Value != 80 || m.Expected != 80 || m.Failed != 0 || m.Completed != 80 ||
				m.SuccessRate != 100 || m.Accuracy != 100 || m.KilledAfter == 0 || m.Recovered < m.KilledAfter {
				t.Errorf("%+v", m)
			}
		}
	}
}

// unprotected is a mode that reads outside its transaction. All workers read their first value before any of them
// writes.
func unprotected(workers int) mode {
	var read sync.WaitGroup
	read.Add(workers)
	return mode{"optimistic", "", func(s *step, ctx context.Context) error {
		n, err := number(s.db.Get(counterKey))
		if s.receipt == 1 {
			read.Done()
			read.Wait()
		}
		s.tries++
		return errors.Join(err, s.db.UpdateWith(ctx, s.options(lightningdb.Serializable), func(tx *lightningdb.Tx) error {
			return errors.Join(tx.Put(counterKey, lightningdb.AppendInt64(nil, n+1)), tx.Put(s.receiptKey, s.receiptValue()))
		}))
	}}
}

// A validator that cannot fail proves nothing.
func TestTransactions_noticeEveryKindOfLie(t *testing.T) {
	honest := modes[0]
	for name, c := range map[string]struct {
		lie  func(s *step, ctx context.Context) error
		want string
	}{
		"increments are lost": {unprotected(8).increment, "lost updates"},
		"a commit is acknowledged and not made": {func(s *step, ctx context.Context) error {
			if s.receipt == 10 {
				return nil
			}
			return honest.increment(s, ctx)
		}, "has 9 increments; 10 were acknowledged"},
		"a commit is made twice": {func(s *step, ctx context.Context) error {
			return errors.Join(honest.increment(s, ctx), honest.increment(s, ctx))
		}, "the counter holds 160, its committed increments are 80"},
		"a transaction is half there": {func(s *step, _ context.Context) error {
			return s.db.Put(s.receiptKey, s.receiptValue())
		}, "the counter holds 0, its committed increments are 80"},
		"transactions fail": {func(s *step, ctx context.Context) error {
			if s.receipt == 5 {
				return lightningdb.ErrConflict
			}
			return honest.increment(s, ctx)
		}, "6 increments of worker 0 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			config := transactionsConfig(t)
			config.modes = []mode{{"optimistic", "", c.lie}}
			report, err := Transactions(t.Context(), config)
			if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.want) || report.Passed || report.Modes[0].Passed {
				t.Errorf("got %v\nwant %s\n%+v", err, c.want, report)
			}
		})
	}
}

// The figures are what people read first.
func TestTransactions_countWhatWasLost(t *testing.T) {
	c := transactionsConfig(t)
	c.modes = []mode{unprotected(c.Workers)}
	report, _ := Transactions(t.Context(), c)
	m := report.Modes[0]
	if m.Commits != 80 || m.SuccessRate != 100 || m.Value >= 80 || m.Accuracy != 100*(float64(m.Value)/80) {
		t.Errorf("%+v", m)
	}
	var out strings.Builder
	report.Print(&out)
	if !strings.Contains(out.String(), "optimistic") || strings.Count(out.String(), "100.0 %") != 1 {
		t.Error(out.String())
	}
}

// What a kill takes must be found, in every place where it could be.
func TestTransactions_noticeDamageAfterTheKill(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(db *lightningdb.DB) error
		want   string
	}{
		"a lost update":             {func(db *lightningdb.DB) error { return db.Add(counterKey, -1) }, "lost updates"},
		"an increment from nowhere": {func(db *lightningdb.DB) error { return db.Add(counterKey, 1) }, "lost updates"},
		"a worker's commits": {func(db *lightningdb.DB) error { return db.Add(receiptKey(3), -20) },
			"worker 3 has -"},
		"a commit that nobody began": {func(db *lightningdb.DB) error { return db.Add(receiptKey(3), 20) }, "worker 3 has "},
		"a counter that is none": {func(db *lightningdb.DB) error { return db.Put(counterKey, []byte("x")) },
			"is no integer"},
	} {
		t.Run(name, func(t *testing.T) {
			config := transactionsConfig(t)
			config.modes, config.AfterKill = modes[:1], c.damage
			_, err := Transactions(t.Context(), config)
			if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "after the kill") ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A kill that did not happen shows nothing.
func TestTransactions_failWithoutAKill(t *testing.T) {
	for program, want := range map[string]string{"true": "ended before its kill", "false": "the process failed"} {
		c := transactionsConfig(t)
		c.modes = modes[:1]
		c.Child = func(string, Increments) (*exec.Cmd, error) { return exec.Command(program), nil }
		if _, err := Transactions(t.Context(), c); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", program, err)
		}
	}
	c := transactionsConfig(t)
	c.Workers = 0
	if _, err := Transactions(t.Context(), c); err == nil || errors.Is(err, ErrBroken) {
		t.Error("no workers:", err)
	}
}
