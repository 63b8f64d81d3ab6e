package validate

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"lightningdb"
)

// Sizes of the test of money.
const (
	accounts       = 100
	startBalance   = 1000
	movers         = 4
	auditors       = 2
	accountsPrefix = "account"
)

// mover makes transfers and knows what those come to that were acknowledged.
type mover struct {
	*stress
	rng    *rand.Rand
	change [accounts]int64
}

func accountKey(i int) []byte { return fmt.Appendf(nil, "%s%03d", accountsPrefix, i) }

func balanceEntry(i int, balance uint64) entry {
	return entry{accountKey(i), binary.BigEndian.AppendUint64(nil, balance)}
}

// runMoney moves money while views add it up. A check is one sum, or one balance at the end, which must be what the
// transfers leave there.
func runMoney(ctx context.Context, s *stress) error {
	var opening []entry
	for i := range accounts {
		opening = append(opening, balanceEntry(i, startBalance))
	}
	if err := s.commit(opening...); err != nil {
		return err
	}
	c := newCrew(ctx, s.Each)
	var all [movers]mover
	for i := range all {
		all[i] = mover{stress: s, rng: rand.New(rand.NewPCG(s.Seed, uint64(i)))}
		c.start(all[i].transfer)
	}
	for range auditors {
		c.start(func() error { return s.audit(ctx, nil) })
	}
	if err := c.wait(); err != nil {
		return err
	}
	var want [accounts]int64
	for i := range want {
		want[i] = startBalance
		for _, m := range all {
			want[i] += m.change[i]
		}
	}
	return s.audit(ctx, want[:])
}

func (m *mover) transfer() error {
	from, to := m.rng.IntN(accounts), m.rng.IntN(accounts-1)
	if to >= from {
		to++
	}
	fraction, amount := m.rng.Uint64(), uint64(0)
	err := m.transact([][]byte{accountKey(from), accountKey(to)}, func(values [][]byte) ([]entry, error) {
		if len(values[0]) != 8 || len(values[1]) != 8 {
			return nil, broken("accounts %d and %d hold %x and %x", from, to, values[0], values[1])
		}
		has, gets := binary.BigEndian.Uint64(values[0]), binary.BigEndian.Uint64(values[1])
		amount = fraction % (has + 1)
		return []entry{balanceEntry(from, has-amount), balanceEntry(to, gets+amount)}, nil
	})
	if err == nil {
		m.change[from] -= int64(amount)
		m.change[to] += int64(amount)
	}
	return err
}

// audit adds up all accounts in one view, and compares each with want if that is not nil.
func (s *stress) audit(ctx context.Context, want []int64) error {
	return s.db.View(ctx, func(tx *lightningdb.Tx) error {
		var sum uint64
		n := 0
		all := tx.Prefix([]byte(accountsPrefix))
		for _, value := range all.All() {
			if len(value) != 8 {
				return broken("account %d holds %d bytes", n, len(value))
			}
			balance := binary.BigEndian.Uint64(value)
			if n < len(want) && balance != uint64(want[n]) {
				return broken("account %d holds %d, the transfers come to %d", n, balance, want[n])
			}
			sum += balance
			n++
		}
		if all.Err() == nil && (sum != accounts*startBalance || n != accounts) {
			return broken("a view has %d in %d accounts instead of %d in %d", sum, n, accounts*startBalance, accounts)
		}
		s.checks.Add(int64(1 + len(want)))
		return all.Err()
	})
}
