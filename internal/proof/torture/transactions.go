package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"lightningdb"
	"lightningdb/internal/proof/isolation"
)

// clients are users of one database that run transactions at the same time, and write them into a journal.
type clients struct {
	db      *lightningdb.DB
	journal *journal
	seed    uint64
	number  int
	enough  func() bool // asked before each transaction

	begun  atomic.Int64
	broken atomic.Bool
	mu     sync.Mutex
	first  error // the first violation, or error that was not to be
	panics int64
}

// run runs all clients, and meanwhile one that keeps the background busy, until enough says so or something is wrong.
func (c *clients) run() error {
	var users, gremlin sync.WaitGroup
	turns := make(chan struct{}, 1)
	for n := range c.number {
		users.Go(func() {
			defer c.noPanic()
			u := &user{clients: c, id: n, r: rand.New(rand.NewPCG(c.seed, uint64(n)))}
			u.run(turns)
		})
	}
	gremlin.Go(func() {
		defer c.noPanic()
		c.disturb(turns)
	})
	users.Wait()
	close(turns)
	gremlin.Wait()
	return c.first
}

// disturbedAfter is after how many transactions the memtable is flushed, full or not.
const disturbedAfter = 250

func (u *user) run(turns chan<- struct{}) {
	for !u.enough() && !u.broken.Load() {
		u.transaction()
		if u.begun.Add(1)%disturbedAfter == 0 {
			select {
			case turns <- struct{}{}:
			default: // it is still busy with the last one
			}
		}
	}
}

func (c *clients) noPanic() {
	if p := recover(); p != nil {
		c.fail(fmt.Errorf("panic: %v", p))
		c.mu.Lock()
		c.panics++
		c.mu.Unlock()
	}
}

func (c *clients) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = err
	}
	c.broken.Store(true)
}

// disturb flushes, and now and then compacts, whenever it is its turn.
func (c *clients) disturb(turns <-chan struct{}) {
	r := rand.New(rand.NewPCG(c.seed, 99))
	for range turns {
		if err := c.db.Flush(); err != nil {
			c.fail(fmt.Errorf("flush: %w", err))
		}
		if r.IntN(4) > 0 {
			continue
		}
		if err := c.db.Compact(context.Background(), nil, nil); err != nil {
			c.fail(fmt.Errorf("compact: %w", err))
		}
	}
}

// user is one client. Its choices come from its seed; what they meet depends on the others.
type user struct {
	*clients
	id    int
	r     *rand.Rand
	entry *entry
	weak  bool
}

// transaction runs one transaction of some kind.
func (u *user) transaction() {
	switch p := u.r.IntN(1000); {
	case p < 100:
		u.blind()
	case p < 200:
		u.view()
	case p < 203:
		u.audit()
	case p < 450:
		u.begin()
	case p < 500:
		u.locked()
	default:
		u.update()
	}
}

// syncOneIn says how rare commits at Sync durability are: many of them make large groups, few make many transactions.
var syncOneIn = [2]int{8, 60}

func (u *user) options() lightningdb.TxOptions {
	o := lightningdb.TxOptions{Durability: lightningdb.Process}
	if u.r.IntN(syncOneIn[u.seed%2]) == 0 {
		o.Durability = lightningdb.Sync
	}
	if u.weak = u.r.IntN(6) == 0; u.weak {
		o.Isolation = lightningdb.SnapshotIsolation
	}
	return o
}

// update runs a transaction that the database repeats until it is committed.
func (u *user) update() {
	o, attempts, seq := u.options(), 0, uint64(0)
	u.entry = u.journal.begin(u.id, u.weak)
	err := u.db.UpdateWith(context.Background(), o, func(tx *lightningdb.Tx) error {
		if attempts++; attempts > 1 {
			u.entry.retry()
		}
		if err := tx.OnCommit(func(s uint64) { seq = s }); err != nil {
			return err
		}
		return u.work(tx)
	})
	u.finish(err, seq)
}

// begin runs a transaction that is given up when it is refused, and now and then for no reason.
func (u *user) begin() {
	o, seq := u.options(), uint64(0)
	u.entry = u.journal.begin(u.id, u.weak)
	tx, err := u.db.Begin(context.Background(), o)
	if err != nil {
		u.finish(err, 0)
		return
	}
	err = errors.Join(tx.OnCommit(func(s uint64) { seq = s }), u.work(tx))
	switch {
	case err != nil:
		err = errors.Join(err, tx.Rollback())
	case u.r.IntN(16) == 0:
		err = errors.Join(errGivenUp, tx.Rollback())
	default:
		err = tx.Commit()
	}
	u.finish(err, seq)
}

// locked runs a transaction that locks everything before it reads it, and so must not lose. (At snapshot isolation it
// may, as its snapshot stays where it is.)
func (u *user) locked() {
	o, seq := u.options(), uint64(0)
	o.Isolation, u.weak = lightningdb.Serializable, false
	u.entry = u.journal.begin(u.id, u.weak)
	tx, err := u.db.Begin(context.Background(), o)
	if err != nil {
		u.finish(err, 0)
		return
	}
	err = errors.Join(tx.OnCommit(func(s uint64) { seq = s }), u.appendToLists(tx))
	u.entry.attempt()
	if err == nil {
		err = tx.Commit()
	}
	if errors.Is(err, lightningdb.ErrConflict) {
		u.fail(mismatch("a transaction that had locked all that it read was refused: %v", err))
	}
	u.finish(errors.Join(err, tx.Rollback()), seq)
}

// appendToLists appends to some lists, which it locks.
func (u *user) appendToLists(tx *lightningdb.Tx) error {
	for range 1 + u.r.IntN(3) {
		if err := u.appendBy(tx, tx.GetForUpdate); err != nil {
			return err
		}
	}
	return nil
}

var errGivenUp = errors.New("given up")

// finish enters how the transaction ended.
func (u *user) finish(err error, seq uint64) {
	switch {
	case err == nil:
		u.entry.end(isolation.OK, seq)
	case errors.Is(err, lightningdb.ErrCommitUnknown):
		u.entry.end(isolation.Unknown, 0)
		u.fail(fmt.Errorf("transaction: %w", err))
	case errors.Is(err, lightningdb.ErrConflict), errors.Is(err, lightningdb.ErrDeadlock):
		u.entry.refuse()
	case errors.Is(err, errGivenUp):
		u.entry.end(isolation.Aborted, 0)
	default:
		u.entry.end(isolation.Aborted, 0)
		u.fail(fmt.Errorf("transaction: %w", err))
	}
}

// work is what happens in a transaction that may write.
func (u *user) work(tx *lightningdb.Tx) error {
	for range 1 + u.r.IntN(8) {
		if err := u.operation(tx); err != nil {
			return err
		}
	}
	if u.r.IntN(800) == 0 {
		if err := u.swell(tx); err != nil {
			return err
		}
	}
	u.entry.attempt()
	return nil
}

// swell writes more than memory holds of one transaction.
func (u *user) swell(tx *lightningdb.Tx) error {
	for n := range 80 {
		if err := tx.Put(spell(fmt.Sprintf("ballast/%d/%d", u.id, n)), make([]byte, 8<<10)); err != nil {
			return err
		}
	}
	return u.appendTo(tx)
}

func (u *user) operation(tx *lightningdb.Tx) error {
	switch u.r.IntN(19) {
	case 0, 1:
		return u.readList(tx)
	case 2, 3, 4:
		return u.appendTo(tx)
	case 5:
		return u.mergeTo(tx)
	case 6, 7:
		return u.scan(tx.Range, false)
	case 8:
		return u.scan(tx.Range, true)
	case 9, 10:
		return u.readRegister(tx)
	case 11:
		return u.writeRegister(tx)
	case 12, 13:
		return u.transfer(tx)
	case 14:
		return u.sumAccounts(tx)
	case 15:
		return u.turnAround(tx)
	case 16:
		return tx.Update(u.operation)
	case 17:
		return u.clearRegisters(tx.DeleteRange)
	}
	return u.changeMind(tx)
}

// changeMind writes something and takes it back.
func (u *user) changeMind(tx *lightningdb.Tx) error {
	kept := len(u.entry.notes)
	undone := func() { u.entry.notes = u.entry.notes[:kept] }
	if u.r.IntN(2) == 0 {
		err := tx.Update(func(tx *lightningdb.Tx) error {
			if err := u.writeMuch(tx); err != nil {
				return err
			}
			return errGivenUp
		})
		undone()
		if errors.Is(err, errGivenUp) {
			return nil
		}
		return err
	}
	s, err := tx.Savepoint()
	if err != nil {
		return err
	}
	if err := u.writeMuch(tx); err != nil {
		return err
	}
	undone()
	return tx.RollbackTo(s)
}

func (u *user) writeMuch(tx *lightningdb.Tx) error {
	for range 1 + u.r.IntN(3) {
		if err := errors.Join(u.appendTo(tx), u.writeRegister(tx), u.transfer(tx)); err != nil {
			return err
		}
		if u.r.IntN(4) == 0 {
			if err := u.clearRegisters(tx.DeleteRange); err != nil {
				return err
			}
		}
	}
	return nil
}

// block is the first key of the present block, counted in keys of lists.
func (u *user) block() isolation.Key {
	return isolation.Key(u.entry.id/blockAfter%blocks) * listsInBlock
}

// list and register pick a key, half of the time a hot one.
func (u *user) list() isolation.Key {
	n := isolation.Key(u.r.IntN(listsInBlock))
	if u.r.IntN(2) == 0 {
		n %= 3
	}
	return u.block() + n
}

func (u *user) register() isolation.Key { return registersAt + u.list() }

// getter is what reads one key: of a transaction, or of the database.
type getter func(key []byte) ([]byte, error)

// getList reads a list, with a lock from time to time, and notes it.
func (u *user) getList(get getter, k isolation.Key) (value []byte, err error) {
	value, err = get(listKey(k))
	if err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
		return nil, err
	}
	u.entry.note(note{Kind: noteList, Key: k, List: decodeList(value)})
	return value, nil
}

// get reads as tx does, sometimes with a lock.
func (u *user) get(tx *lightningdb.Tx) getter {
	if u.r.IntN(8) == 0 {
		return tx.GetForUpdate
	}
	return tx.Get
}

func (u *user) readList(tx *lightningdb.Tx) error {
	_, err := u.getList(u.get(tx), u.list())
	return err
}

func (u *user) appendTo(tx *lightningdb.Tx) error { return u.appendBy(tx, u.get(tx)) }

// appendBy appends to a list by reading it and writing it anew.
func (u *user) appendBy(tx *lightningdb.Tx, get getter) error {
	k := u.list()
	value, err := u.getList(get, k)
	if err != nil {
		return err
	}
	value = append(value, encodeElement(u.entry.appended(k))...)
	return errors.Join(tx.Put(listKey(k), value), tx.Add(countKey, 1))
}

// mergeTo appends to a list without reading it. At snapshot isolation such a transaction would not conflict with others
// that write the same: it may see what it should not, and that is promised.
func (u *user) mergeTo(tx *lightningdb.Tx) error {
	if u.weak {
		return u.appendTo(tx)
	}
	k := u.list()
	return errors.Join(tx.Append(listKey(k), encodeElement(u.entry.appended(k))), tx.Add(countKey, 1))
}

func (u *user) getRegister(get getter, k isolation.Key) error {
	value, err := get(registerKey(k))
	n := note{Kind: noteRegister, Key: k}
	switch {
	case err == nil:
		n.Value = decodeRegister(value)
	case !errors.Is(err, lightningdb.ErrNotFound):
		return err
	}
	u.entry.note(n)
	return nil
}

func (u *user) readRegister(tx *lightningdb.Tx) error { return u.getRegister(u.get(tx), u.register()) }

// writeRegister puts or deletes a register, half of the time after it has read it.
func (u *user) writeRegister(tx *lightningdb.Tx) error {
	k := u.register()
	if u.r.IntN(2) == 0 {
		if err := u.getRegister(u.get(tx), k); err != nil {
			return err
		}
	}
	if u.r.IntN(3) == 0 {
		u.entry.deleted(k)
		return tx.Delete(registerKey(k))
	}
	return tx.Put(registerKey(k), encodeRegister(u.entry.put(k)))
}

// clearRegisters deletes a range of registers of the present block by remove.
func (u *user) clearRegisters(remove func(lo, hi []byte) error) error {
	k := u.list()
	end := min(k+1+isolation.Key(u.r.IntN(5)), u.block()+listsInBlock)
	return u.entry.clear(registersAt+k, registersAt+end, remove)
}

// ranger is what scans: of a transaction, or of the database.
type ranger func(lo, hi []byte) *lightningdb.Range

// scan walks through some keys of the present block, one way or the other, sometimes not to the end.
func (u *user) scan(ranges ranger, registers bool) error {
	lo := u.block() + isolation.Key(u.r.IntN(listsInBlock))
	hi := lo + 1 + isolation.Key(u.r.IntN(int(u.block()+listsInBlock-lo)))
	limit := -1
	if u.r.IntN(2) == 0 {
		limit = 1 + u.r.IntN(4)
	}
	s := keyScan{lo: lo, hi: hi, limit: limit, reverse: u.r.IntN(2) == 0, registers: registers}
	return u.scanNoted(ranges, s)
}

func (u *user) scanNoted(ranges ranger, s keyScan) error {
	r := ranges(s.key(s.lo), s.key(s.hi)).Limit(s.limit)
	if s.reverse {
		r.Reverse()
	}
	var found []note
	for k, v := range r.All() {
		found = append(found, s.found(k, v))
	}
	if err := r.Err(); err != nil {
		return err
	}
	u.entry.note(s.note(found))
	return nil
}

// turnAround walks forward with a cursor, then back the same way.
func (u *user) turnAround(tx *lightningdb.Tx) error {
	lo := u.block() + isolation.Key(u.r.IntN(listsInBlock))
	s := keyScan{lo: lo, hi: u.block() + listsInBlock, limit: 1 + u.r.IntN(6), registers: u.r.IntN(2) == 0}
	c := tx.Range(s.key(s.lo), s.key(s.hi)).Cursor()
	defer c.Close() // Err has told what went wrong
	var found []note
	for ok := c.First(); ok; ok = len(found) < s.limit && c.Next() {
		found = append(found, s.found(c.Key(), c.Value()))
	}
	if len(found) == s.limit {
		for i := len(found) - 2; i >= 0 && c.Prev(); i-- {
			if back := keyNumber(c.Key()); back != found[i].Key {
				return mismatch("a cursor that turned around found %d instead of %d", back, found[i].Key)
			}
		}
	}
	u.entry.note(s.note(found))
	return c.Err()
}

// transfer moves money between two accounts, and never changes the sum.
func (u *user) transfer(tx *lightningdb.Tx) error {
	from := u.r.IntN(accounts)
	to := (from + 1 + u.r.IntN(accounts-1)) % accounts
	amount := int64(u.r.IntN(10))
	if err := u.pay(tx, from, -amount); err != nil {
		return err
	}
	return u.pay(tx, to, amount)
}

func (u *user) pay(tx *lightningdb.Tx, account int, amount int64) error {
	balance, err := readInt64(u.get(tx), accountKey(account))
	if err != nil {
		return err
	}
	return tx.Put(accountKey(account), lightningdb.AppendInt64(nil, balance+amount))
}

func readInt64(get getter, key []byte) (int64, error) {
	value, err := get(key)
	if err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}

// sumAccounts checks the sum of all accounts in the transaction's eyes.
func (u *user) sumAccounts(tx *lightningdb.Tx) error {
	sum := int64(0)
	r := tx.Prefix(spell("account/"))
	for _, v := range r.All() {
		n, err := lightningdb.Int64(v)
		if err != nil {
			return err
		}
		sum += n
	}
	if err := r.Err(); err != nil {
		return err
	}
	if sum != accounts*deposit {
		return mismatch("the accounts hold %d instead of %d", sum, accounts*deposit)
	}
	return nil
}

// blind writes one key, or two at once, outside of any transaction.
func (u *user) blind() {
	u.weak = false
	u.entry = u.journal.begin(u.id, false)
	var b lightningdb.Batch
	b.SetDurability(lightningdb.Process)
	switch u.r.IntN(8) {
	case 0:
		k := u.register()
		value := encodeRegister(u.entry.put(k))
		u.entry.attempt()
		u.finish(u.db.Put(registerKey(k), value), 0)
		return
	case 1, 2:
		k := u.register()
		u.entry.deleted(k)
		b.Delete(registerKey(k))
	case 3, 4:
		k := u.register()
		b.Put(registerKey(k), encodeRegister(u.entry.put(k)))
	case 5:
		_ = u.clearRegisters(b.DeleteRange) // the keys of registers are within all limits
	}
	k := u.list()
	b.Append(listKey(k), encodeElement(u.entry.appended(k)))
	b.Add(countKey, 1)
	u.entry.attempt()
	err := u.db.Write(&b)
	u.finish(err, b.Sequence())
}

// view reads in a read-only transaction.
func (u *user) view() {
	u.entry = u.journal.begin(u.id, false)
	seq := uint64(0)
	u.finish(u.db.View(context.Background(), func(tx *lightningdb.Tx) error {
		seq = tx.Sequence()
		for range 1 + u.r.IntN(6) {
			var err error
			switch u.r.IntN(4) {
			case 0:
				_, err = u.getList(tx.Get, u.list())
			case 1:
				err = u.getRegister(tx.Get, u.register())
			default:
				err = u.scan(tx.Range, u.r.IntN(3) == 0)
			}
			if err != nil {
				return err
			}
		}
		u.entry.attempt()
		return nil
	}), seq)
}

// audit reads everything in a read-only transaction, and checks the sum of the accounts and the count of the elements.
func (u *user) audit() {
	u.entry = u.journal.begin(u.id, false)
	seq := uint64(0)
	u.finish(u.db.View(context.Background(), func(tx *lightningdb.Tx) error {
		seq = tx.Sequence()
		for _, registers := range []bool{false, true} {
			if err := u.scanNoted(tx.Range, keyScan{hi: numLists, limit: -1, registers: registers}); err != nil {
				return err
			}
		}
		counted, err := readInt64(tx.Get, countKey)
		if err != nil {
			return err
		}
		if n := u.elements(); n != counted {
			return mismatch("the lists have %d elements, %d were counted", n, counted)
		}
		u.entry.attempt()
		return u.sumAccounts(tx)
	}), seq)
}

// elements is how many elements the lists have that the transaction has scanned.
func (u *user) elements() (n int64) {
	for _, note := range u.entry.notes {
		for _, found := range note.Found {
			n += int64(len(found.List))
		}
	}
	return n
}
