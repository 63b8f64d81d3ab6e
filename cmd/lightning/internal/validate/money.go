package validate

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
)

// Sizes of the test of money.
const (
	accounts       = 100
	startBalance   = 1000
	movers         = 4
	auditors       = 2
	accountsPrefix = "account"
)

// bank is the accounts. The lock is the application's: it makes a transaction of reading, computing and committing.
type bank struct {
	*stress
	mu       sync.Mutex
	balances [accounts]uint64 // what the committed transfers come to
}

func accountKey(i int) []byte { return fmt.Appendf(nil, "%s%03d", accountsPrefix, i) }

func balanceEntry(i int, balance uint64) entry {
	return entry{accountKey(i), binary.BigEndian.AppendUint64(nil, balance)}
}

// runMoney moves money and adds it up in snapshots meanwhile. A check is one sum, one balance read before a transfer, or
// one at the end.
func runMoney(ctx context.Context, s *stress) error {
	s.say.line("transfers are batches under a lock; transactions that are checked for conflicts come later")
	b := &bank{stress: s}
	var opening []entry
	for i := range accounts {
		b.balances[i] = startBalance
		opening = append(opening, balanceEntry(i, startBalance))
	}
	if err := s.commit(opening...); err != nil {
		return err
	}
	c := newCrew(ctx, s.Each)
	for m := range movers {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(m)))
		c.start(func() error { return b.transfer(rng) })
	}
	for range auditors {
		c.start(b.audit)
	}
	if err := c.wait(); err != nil {
		return err
	}
	for i := range accounts {
		if _, err := b.balance(i); err != nil {
			return err
		}
	}
	return b.audit()
}

// balance reads an account and compares it with what the transfers so far come to. The lock is held, or nobody moves.
func (b *bank) balance(i int) (uint64, error) {
	value, found, err := b.get(nil, accountKey(i))
	if err != nil {
		return 0, err
	}
	b.checks.Add(1)
	if !found || len(value) != 8 || binary.BigEndian.Uint64(value) != b.balances[i] {
		return 0, broken("account %d holds %x (found %v), the transfers come to %d", i, value, found, b.balances[i])
	}
	return b.balances[i], nil
}

func (b *bank) transfer(rng *rand.Rand) error {
	from, to := rng.IntN(accounts), rng.IntN(accounts-1)
	if to >= from {
		to++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	has, err := b.balance(from)
	if err != nil {
		return err
	}
	gets, err := b.balance(to)
	if err != nil {
		return err
	}
	amount := rng.Uint64N(has + 1)
	if err := b.commit(balanceEntry(from, has-amount), balanceEntry(to, gets+amount)); err != nil {
		return err
	}
	b.balances[from], b.balances[to] = has-amount, gets+amount
	return nil
}

// audit adds up all accounts in one snapshot.
func (b *bank) audit() error {
	snapshot := b.db.Snapshot()
	defer snapshot.Close()
	all := snapshot.Prefix([]byte(accountsPrefix))
	var sum, n uint64
	for _, value := range all.All() {
		if len(value) != 8 {
			return broken("an account holds %d bytes", len(value))
		}
		sum += binary.BigEndian.Uint64(value)
		n++
	}
	if err := all.Err(); err != nil {
		return err
	}
	b.checks.Add(1)
	if sum != accounts*startBalance || n != accounts {
		return broken("a snapshot has %d in %d accounts instead of %d in %d", sum, n, accounts*startBalance, accounts)
	}
	return nil
}
