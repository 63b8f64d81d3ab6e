// Package validate tests what the database promises, on the machine it is to run on: what is acknowledged survives a
// kill and a power cut (Crash), what is read is right while much happens at once (Stress), and transactions that
// compete for the same keys all succeed, and none is lost (Transactions). Every program prints what it counted, and
// fails if anything was wrong or if it had nothing to count.
//
// # How a verdict comes about
//
// No program trusts what it wrote. Every value is computed from the seed and from what the value is (writer, number
// of the commit, version), so that a reader can compute what must be there. Acknowledgements show what was lost: in
// Crash they have left the process before it is killed, in Stress they are numbers in memory that a reader loads before
// it begins to read. What a transaction did follows from what it wrote besides its effect: entries of its own (Crash),
// the mover's account book (Stress), the receipt of the worker (Transactions).
//
// # Goroutines
//
// The goroutines of a program are its writers and readers. They are one crew; the first failure, the end of the time
// or of the context ends them all, and the program waits for them before it returns. The workers of Transactions are
// no crew: each goes on after a failure, because failures are counted.
package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/units"
)

// ErrBroken says that a promise was not kept, or that nothing was checked. It is the result this package exists to
// rule out.
var ErrBroken = errors.New("validation failed")

// broken describes what was not as promised.
func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBroken, fmt.Sprintf(format, args...))
}

// entry is a key and what a commit does to it: sets it, or removes it if value is nil.
type entry struct{ key, value []byte }

// writeFunc makes the entries of a commit from the values that it reads, nil for keys that are absent. It may be called
// several times; the last call counts.
type writeFunc func(values [][]byte) ([]entry, error)

// always makes the writeFunc of a commit that reads nothing.
func always(entries []entry) writeFunc {
	return func([][]byte) ([]entry, error) { return entries, nil }
}

// commitFunc reads keys and commits what write makes of their values, in one transaction, or without reads in one
// batch; at Sync durability or at Process. It returns the sequence number of the last entry, or 0 where it is not
// known.
type commitFunc func(reads [][]byte, write writeFunc, sync bool) (last uint64, err error)

// throughAPI is the commitFunc of a database. ctx ends its transactions.
func throughAPI(ctx context.Context, db *lightningdb.DB) commitFunc {
	return func(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
		durability := lightningdb.Process
		if sync {
			durability = lightningdb.Sync
		}
		if len(reads) == 0 {
			return 0, writeBatch(db, write, durability)
		}
		return 0, db.UpdateWith(ctx, lightningdb.TxOptions{Durability: durability}, func(tx *lightningdb.Tx) error {
			return readAndWrite(tx, reads, write)
		})
	}
}

func writeBatch(db *lightningdb.DB, write writeFunc, durability lightningdb.Durability) error {
	entries, err := write(nil)
	if err != nil {
		return err
	}
	var b lightningdb.Batch
	for _, e := range entries {
		if e.value == nil {
			b.Delete(e.key)
		} else {
			b.Put(e.key, e.value)
		}
	}
	b.SetDurability(durability)
	return db.Write(&b)
}

// readAndWrite is one attempt of a transaction.
func readAndWrite(tx *lightningdb.Tx, reads [][]byte, write writeFunc) error {
	values := make([][]byte, len(reads))
	for i, key := range reads {
		value, err := tx.Get(key)
		if err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
			return err
		}
		values[i] = value
	}
	entries, err := write(values)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := tx.Put(e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}

// DurabilityName is that of the commits, in reports and flags.
func DurabilityName(sync bool) string {
	if sync {
		return "sync"
	}
	return "process"
}

// printer tells people what happens. Errors of out are ignored: the verdict is also in the exit code.
type printer struct {
	out  io.Writer
	bold func(string) string
}

func (p printer) title(text string) {
	if p.bold != nil {
		text = p.bold(text)
	}
	fmt.Fprintln(p.out, text)
}

// wrongUse says that a configuration makes no sense.
func wrongUse(format string, args ...any) error {
	return &command.UsageError{Problem: fmt.Sprintf(format, args...), Hint: "see `lightning-proof help validate`"}
}

// line prints a line.
func (p printer) line(format string, args ...any) { fmt.Fprintf(p.out, "   "+format+"\n", args...) }

// Verdict is the last line of a run.
func Verdict(err error) string {
	switch {
	case err == nil:
		return "PASS"
	case errors.Is(err, context.Canceled):
		return "not done: " + err.Error()
	}
	return "FAIL: " + err.Error()
}

// errTimeUp ends a crew that has done its work.
var errTimeUp = errors.New("the time is over")

// crew is the goroutines of one test.
type crew struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	running sync.WaitGroup
}

// newCrew is a crew that ends after d, or for d = 0 when its work is done.
func newCrew(ctx context.Context, d time.Duration) *crew {
	c := new(crew)
	c.ctx, c.end = context.WithCancelCause(ctx)
	if d > 0 {
		timer := time.AfterFunc(d, func() { c.end(errTimeUp) })
		context.AfterFunc(c.ctx, func() { timer.Stop() })
	}
	return c
}

// start runs step again and again in a goroutine of its own until the crew ends. An error of step ends the crew.
func (c *crew) start(step func() error) {
	c.running.Go(func() {
		for c.ctx.Err() == nil {
			if err := step(); err != nil {
				c.end(err)
			}
		}
	})
}

// wait returns the first error, once all goroutines have ended.
func (c *crew) wait() error {
	c.running.Wait()
	defer c.end(nil)
	if err := context.Cause(c.ctx); !errors.Is(err, errTimeUp) {
		return err
	}
	return nil
}

// perSecond is a rate for people.
func perSecond(n int64, d time.Duration) string { return units.Count(units.Rate(n, d)) + "/s" }
