package torture

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"

	"lightningdb"
)

// clientsVariable tells a process that is to write until it is killed that it should run transactions: how many
// clients, their seed, and the last numbers that its journal has given out.
const clientsVariable = "LIGHTNING_TORTURE_CLIENTS"

// TransactionKiller runs transactions in processes that it kills with SIGKILL, one after the other on the same
// database, and checks the one history of all of them. What was in flight is unknown, all that was acknowledged must
// be there, at either durability.
type TransactionKiller struct {
	Dir     string
	Seed    uint64
	Command func(dir string) *exec.Cmd // a process that calls WriteUntilKilled
	Kills   int
	Stop    func() bool
}

// Run runs and kills processes, one after the other. The error describes the first violation, or says why there was
// no run.
func (k *TransactionKiller) Run() (s IsolationStats, err error) {
	r := rand.New(rand.NewPCG(k.Seed, 7))
	db, err := lightningdb.Open(k.Dir, transactionOptions())
	if err != nil {
		return s, err
	}
	if err := errors.Join(furnish(db), db.Close()); err != nil {
		return s, err
	}
	c := &clients{journal: new(journal), seed: k.Seed, number: HistoryClients}
	for n := 0; n < k.Kills && !k.Stop(); n++ {
		if c.first = k.kill(c.journal, 1000+r.IntN(9000), k.Seed<<8+uint64(n)); c.first != nil {
			return s, s.close(c)
		}
		s.Kills++
	}
	if c.db, err = lightningdb.Open(k.Dir, transactionOptions()); err != nil {
		return s, fmt.Errorf("open after a kill: %w", err)
	}
	c.readAll()
	return s, errors.Join(s.close(c), c.db.Close())
}

// kill runs a process, takes over its journal, and kills it after a number of events.
func (k *TransactionKiller) kill(j *journal, after int, seed uint64) error {
	child := k.Command(k.Dir)
	child.Env = append(child.Environ(),
		fmt.Sprintf("%s=%d %d %d %d", clientsVariable, HistoryClients, seed, j.ids.Load(), j.values.Load()))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	left := after
	err = j.readFrom(out, func(event) {
		if left--; left == 0 {
			_ = child.Process.Kill() // fails if it is gone, which is seen below
		}
	})
	_ = child.Process.Kill() // if the journal could not be read
	_ = child.Wait()
	if err == nil && left > 0 {
		err = mismatch("the process ended by itself after %d events", after-left)
	}
	return err
}

// runClients runs transactions until the process is killed, and writes the journal to standard output.
func runClients(dir, spec string) error {
	c := &clients{journal: &journal{out: gob.NewEncoder(os.Stdout)}}
	c.enough = func() bool { return c.journal.failed() != nil }
	var id int32
	var value int64
	if _, err := fmt.Sscan(spec, &c.number, &c.seed, &id, &value); err != nil {
		return fmt.Errorf("%s: %w", clientsVariable, err)
	}
	c.journal.ids.Store(id)
	c.journal.values.Store(value)
	db, err := lightningdb.Open(dir, transactionOptions())
	if err != nil {
		return err
	}
	c.db = db
	return errors.Join(c.run(), c.journal.failed())
}
