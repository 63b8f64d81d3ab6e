package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Bank is an open database with transactions, safe for concurrent use.
type Bank interface {
	// Update calls fn with a serializable read-write transaction and commits it, as often as it takes: fn must not
	// outlive its call, and what it did counts only the last time.
	Update(fn func(BankTx) error) error
	// View calls fn with a transaction that sees one state of the database.
	View(fn func(BankTx) error) error
	Close() error
}

// BankTx is a transaction. Every key that it is asked for exists, or is put.
type BankTx interface {
	// Get returns a value that is valid until the transaction's next call.
	Get(key []byte) ([]byte, error)
	// Put borrows key and value until the transaction ends.
	Put(key, value []byte) error
}

// openBank opens an empty database in dir.
type openBank func(dir string, o options) (Bank, error)

const (
	tellers        = 8
	openingBalance = 1000
	largestAmount  = 100
)

// bankWorkload is one line of the report, in two ways: as the engine has it, and locking.
type bankWorkload struct {
	name, title string
	accounts    int
	sync        bool
}

func bankWorkloads() []bankWorkload {
	var all []bankWorkload
	for _, accounts := range []int{10, 100, 10_000} {
		all = append(all,
			bankWorkload{
				name:     fmt.Sprintf("bank%d_kernel", accounts),
				title:    fmt.Sprintf("%d accounts, in the kernel", accounts),
				accounts: accounts,
			},
			bankWorkload{
				name:     fmt.Sprintf("bank%d_durable", accounts),
				title:    fmt.Sprintf("%d accounts, durable", accounts),
				accounts: accounts,
				sync:     true,
			})
	}
	return all
}

// banks measures transfers among few, more and many accounts, each time in a database of its own.
func (r *run) banks() error {
	for _, w := range bankWorkloads() {
		if err := r.bank(w.name, w, r.kind.bank); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if err := r.bank(w.name+"_locking", w, r.kind.lockingBank); err != nil {
			return fmt.Errorf("%s, locking: %w", w.name, err)
		}
	}
	return nil
}

// bank measures transfers and checks that each of them has had its effect, once.
func (r *run) bank(name string, w bankWorkload, open openBank) (err error) {
	if open == nil {
		return nil
	}
	dir := filepath.Join(r.dir, name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	db, err := open(dir, options{sync: w.sync, writers: tellers, memory: r.Memory, compress: r.Compress})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	b := newBranch(db, w.accounts)
	if err := b.openAccounts(); err != nil {
		return err
	}
	took, err := r.timed(name, func() error {
		return parallel(tellers, func(g int) error { return b.tellers[g].work(b, r.Each) })
	})
	if err != nil {
		return err
	}
	transfers := 0
	for g := range b.tellers {
		transfers += b.tellers[g].transfers
	}
	r.Values[name] = float64(transfers) / took.Seconds()
	r.Values[name+"_attempts"] = float64(b.attempts.Load()) / float64(max(transfers, 1))
	return b.audit()
}

// branch is the accounts of one database and who moves money between them.
type branch struct {
	db       Bank
	keys     [][]byte // of the accounts, ascending
	tellers  [tellers]teller
	attempts atomic.Int64 // of transfers
}

func newBranch(db Bank, accounts int) *branch {
	b := &branch{db: db}
	for i := range accounts {
		b.keys = append(b.keys, fmt.Appendf(nil, "account %06d", i))
	}
	for g := range b.tellers {
		b.tellers[g].random = rand.New(rand.NewPCG(uint64(g), 5))
		b.tellers[g].moved = make([]int64, accounts)
	}
	return b
}

func (b *branch) openAccounts() error {
	balance := binary.BigEndian.AppendUint64(nil, openingBalance)
	return b.db.Update(func(tx BankTx) error {
		for _, k := range b.keys {
			if err := tx.Put(k, balance); err != nil {
				return err
			}
		}
		return nil
	})
}

// audit compares all balances, read in one transaction, with what the tellers have moved.
func (b *branch) audit() error {
	return b.db.View(func(tx BankTx) error {
		total := int64(0)
		for i, k := range b.keys {
			balance, err := readBalance(tx, k)
			if err != nil {
				return err
			}
			total += balance
			want := int64(openingBalance)
			for g := range b.tellers {
				want += b.tellers[g].moved[i]
			}
			if balance != want {
				return fmt.Errorf("account %d has %d, but the transfers leave %d in it", i, balance, want)
			}
		}
		if want := int64(len(b.keys)) * openingBalance; total != want {
			return fmt.Errorf("all accounts together have %d of %d", total, want)
		}
		return nil
	})
}

// teller makes transfers, one after the other.
type teller struct {
	random    *rand.Rand
	transfers int     // committed
	moved     []int64 // by them into each account; out of it where negative
	values    [2][8]byte
}

func (t *teller) work(b *branch, each time.Duration) error {
	for deadline := time.Now().Add(each); time.Now().Before(deadline); {
		if err := t.transfer(b); err != nil {
			return err
		}
	}
	return nil
}

// transfer moves a random amount, or what there is, between two random accounts.
func (t *teller) transfer(b *branch) error {
	from, to := t.random.IntN(len(b.keys)), t.random.IntN(len(b.keys)-1)
	if to >= from {
		to++
	}
	wanted := 1 + t.random.Int64N(largestAmount)
	var amount int64
	err := b.db.Update(func(tx BankTx) (err error) {
		b.attempts.Add(1)
		amount, err = t.move(tx, b, from, to, wanted)
		return err
	})
	if err != nil {
		return err
	}
	t.transfers++
	t.moved[from] -= amount
	t.moved[to] += amount
	return nil
}

// move is the inside of the transaction. All tellers read in the order of the keys, so that none waits for one who
// waits for it where reading locks.
func (t *teller) move(tx BankTx, b *branch, from, to int, wanted int64) (amount int64, err error) {
	var balances [2]int64
	order := [2]int{min(from, to), max(from, to)}
	for i, account := range order {
		if balances[i], err = readBalance(tx, b.keys[account]); err != nil {
			return 0, err
		}
	}
	source := 0
	if order[source] != from {
		source = 1
	}
	amount = min(wanted, balances[source])
	balances[source] -= amount
	balances[1-source] += amount
	for i, account := range order {
		binary.BigEndian.PutUint64(t.values[i][:], uint64(balances[i]))
		if err := tx.Put(b.keys[account], t.values[i][:]); err != nil {
			return 0, err
		}
	}
	return amount, nil
}

func readBalance(tx BankTx, key []byte) (int64, error) {
	v, err := tx.Get(key)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%q has a value of %d bytes", key, len(v))
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}
