package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"lightningdb"
)

// Increments is the work of Transactions in one mode: every worker adds 1 to the same counter again and again.
type Increments struct {
	Mode    string
	Workers int
	Rounds  int  // increments of each worker
	Sync    bool // durability, or else Process
}

func (w Increments) expected() int64 { return int64(w.Workers) * int64(w.Rounds) }

// timeout is how long the increments may take, so that workers that wait for each other fail in the end.
func (w Increments) timeout() time.Duration {
	return time.Minute + time.Duration(w.expected())*100*time.Millisecond
}

// worker is one of those that add. Its fate counts its increments over the whole life of the database.
type worker struct {
	fate
	attempts, failed, tries int64
	err                     error // the first
}

// run lets every worker add until it has made all its increments, counting those of its fate. begins is called before
// increment n of a worker, when n-1 is acknowledged, and once more after the last; its error counts as a failed
// increment.
func (w Increments) run(ctx context.Context, db *lightningdb.DB, m mode, fates []fate,
	begins func(worker int, n, last uint64) error) []worker {
	ctx, cancel := context.WithTimeout(ctx, w.timeout())
	defer cancel()
	workers := make([]worker, w.Workers)
	var all sync.WaitGroup
	for i := range workers {
		workers[i].fate = fates[i]
		all.Go(func() {
			s := &step{db: db, durability: w.durability(), receiptKey: receiptKey(i)}
			for range w.Rounds - int(fates[i].acked) {
				workers[i].add(ctx, m, s, func(n uint64) error { return begins(i, n, 0) })
			}
			workers[i].note(begins(i, workers[i].acked+1, 0))
		})
	}
	all.Wait()
	return workers
}

func (w Increments) durability() lightningdb.Durability {
	if w.Sync {
		return lightningdb.Sync
	}
	return lightningdb.Process
}

// add makes one increment.
func (w *worker) add(ctx context.Context, m mode, s *step, begins func(n uint64) error) {
	w.attempts++
	w.begun = w.acked + 1
	s.receipt = int64(w.begun)
	err := begins(w.begun)
	if err == nil {
		s.tries = 0
		err = m.increment(s, ctx)
		w.tries += s.tries
	}
	if err != nil {
		w.failed++
		w.note(err)
		return
	}
	w.acked++
}

func (w *worker) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

func receiptKey(worker int) []byte { return fmt.Appendf(nil, "receipt%d", worker) }

// holding is what a database holds: the counter and the receipts.
type holding struct {
	counter  int64
	receipts []int64 // by worker
}

// hold reads it, in one state of the database.
func (w Increments) hold(ctx context.Context, db *lightningdb.DB) (h holding, err error) {
	h.receipts = make([]int64, w.Workers)
	err = db.View(ctx, func(tx *lightningdb.Tx) (err error) {
		if h.counter, err = number(tx.Get(counterKey)); err != nil {
			return err
		}
		for i := range h.receipts {
			if h.receipts[i], err = number(tx.Get(receiptKey(i))); err != nil {
				return err
			}
		}
		return nil
	})
	return h, err
}

// judge compares it with what the workers know: the receipt of each has all that was acknowledged to it, and at most
// the increment in flight more; and the counter is the sum of the receipts.
func (h holding) judge(fates []fate) error {
	var sum int64
	for i, f := range fates {
		if n := h.receipts[i]; n < int64(f.acked) || n > int64(f.begun) {
			return broken("worker %d has %d increments; %d were acknowledged, %d begun", i, n, f.acked, f.begun)
		}
		sum += h.receipts[i]
	}
	if h.counter != sum {
		return broken("the counter holds %d, its committed increments are %d: lost updates", h.counter, sum)
	}
	return nil
}

// Increment runs in the process that Transactions kills, on the database in dir. It reports on out what it begins and
// what was acknowledged, as Write does, and then waits for the kill or the end of ctx.
func Increment(ctx context.Context, dir string, w Increments, out io.Writer) error {
	for _, m := range modes {
		if m.name == w.Mode {
			return w.untilKilled(ctx, dir, m, out)
		}
	}
	return fmt.Errorf("there is no mode %q", w.Mode)
}

func (w Increments) untilKilled(ctx context.Context, dir string, m mode, out io.Writer) (err error) {
	db, err := lightningdb.Open(dir, transactionsOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tell := &lines{out: out}
	for _, worker := range w.run(ctx, db, m, make([]fate, w.Workers), tell.begins) {
		if worker.err != nil {
			return worker.err
		}
	}
	<-ctx.Done()
	return nil
}
