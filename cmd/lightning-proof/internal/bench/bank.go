package bench

import (
	"encoding/binary"

	"lightningdb"
)

// Money in the accounts of a bank.
const (
	openingBalance = 1000
	largestAmount  = 100
)

func (s *session) accountKey(dst []byte, i int) []byte { return s.appendAscending(dst, uint64(i)) }

// openAccounts puts the balances.
func (w *worker) openAccounts() error {
	for i := range w.size {
		w.key = w.accountKey(w.key[:0], i)
		w.batch.Put(w.key, binary.BigEndian.AppendUint64(nil, openingBalance))
	}
	return w.write()
}

// transfer moves a random amount, or what there is, between two random accounts.
func (w *worker) transfer() error {
	from := int(w.random.below(uint64(w.size)))
	to := (from + 1 + int(w.random.below(uint64(w.size-1)))) % w.size
	wanted := 1 + w.random.below(largestAmount)
	var amount uint64
	err := w.db.UpdateWith(w.ctx, lightningdb.TxOptions{Durability: w.durability()}, func(tx *lightningdb.Tx) error {
		has, err := w.balance(tx, from)
		if err != nil {
			return err
		}
		amount = min(wanted, has)
		gets, err := w.balance(tx, to)
		if err != nil {
			return err
		}
		if err := w.setBalance(tx, from, has-amount); err != nil {
			return err
		}
		return w.setBalance(tx, to, gets+amount)
	})
	if err != nil {
		return err
	}
	w.moved[from] -= int64(amount)
	w.moved[to] += int64(amount)
	return nil
}

func (w *worker) balance(tx *lightningdb.Tx, account int) (uint64, error) {
	w.key = w.accountKey(w.key[:0], account)
	value, err := tx.GetAppend(w.value[:0], w.key)
	if err != nil {
		return 0, missing(err, w.key)
	}
	w.value = value
	if len(value) != 8 {
		return 0, wrong("an account without a balance", w.key)
	}
	return binary.BigEndian.Uint64(value), nil
}

func (w *worker) setBalance(tx *lightningdb.Tx, account int, balance uint64) error {
	w.key = w.accountKey(w.key[:0], account)
	w.value = binary.BigEndian.AppendUint64(w.value[:0], balance)
	return tx.Put(w.key, w.value)
}

// audit compares all balances, read in one transaction, with what the transfers leave in them.
func (s *session) audit() error {
	return s.db.View(s.ctx, func(tx *lightningdb.Tx) error {
		for account := range s.size {
			want := int64(openingBalance)
			for _, w := range s.workers {
				want += w.moved[account]
			}
			has, err := s.workers[0].balance(tx, account)
			if err != nil {
				return err
			}
			if has != uint64(want) {
				return wrong("a balance that is not what the transfers leave", s.workers[0].key)
			}
		}
		return nil
	})
}
