package torture

import (
	"bytes"
	"context"
	"errors"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/proof/isolation"
)

// The keys of a simulation's transactions: few, so that the clients meet, and now and then new ones.
const (
	simulatedKeys  = 8   // lists, and as many registers
	simulatedAfter = 100 // transactions, until the next keys
)

// simulatedTx is a transaction that a client runs over several turns, while others run theirs.
type simulatedTx struct {
	entry   *entry
	txn     *engine.Txn
	writes  txn.Writes
	at      key.SeqNum // the state that it reads
	weak    bool       // at snapshot isolation
	hasRead bool
}

// transact begins a transaction, does one thing in it for each turn, and commits it in the last.
func (m *simulation) transact(c *client) error {
	if c.tx == nil {
		return m.beginTx(c)
	}
	if c.left == 0 {
		return m.endTx(c)
	}
	var refused error
	_, err := m.attempt("in a transaction", func() error {
		err := m.operate(c.tx)
		if isRefusal(err) || m.tooOld(c, err) {
			refused = err
			return nil
		}
		if err != nil {
			c.giveUp()
		}
		return err
	})
	waits := errors.Is(refused, lock.ErrTimeout) // for a lock, and may go on with something else
	if c.tx != nil && refused != nil && !waits {
		m.observe("refused: %v", refused)
		c.tx.entry.refuse()
		c.close()
	}
	return err
}

func (m *simulation) beginTx(c *client) error {
	t := &simulatedTx{weak: m.r.IntN(6) == 0, writes: txn.Writes{Gaps: true}}
	t.entry = m.journal.begin(c.id, t.weak)
	t.txn = new(engine.Txn)
	m.Engine.Begin(t.txn, new(txn.Reads), 0)
	c.tx, c.since = t, m.now
	return m.stand(t)
}

// stand notes which state t reads: the newest.
func (m *simulation) stand(t *simulatedTx) error {
	if t.at = m.History.Acknowledged(); t.txn.Seq() != t.at {
		m.stats.WrongData++
		return mismatch("a transaction reads at %d instead of %d", t.txn.Seq(), t.at)
	}
	return nil
}

// isRefusal reports whether err is what concurrent transactions must expect of each other.
func isRefusal(err error) bool {
	return errors.Is(err, engine.ErrConflict) || errors.Is(err, lock.ErrDeadlock) || errors.Is(err, lock.ErrTimeout)
}

// giveUp rolls back the client's transaction.
func (c *client) giveUp() {
	c.tx.entry.end(isolation.Aborted, 0)
	c.close()
}

// close ends the client's transaction, which is in the journal as ended.
func (c *client) close() {
	c.tx.txn.Close()
	c.tx, c.left = nil, 0
}

// endTx commits, or rolls back for no reason.
func (m *simulation) endTx(c *client) error {
	if m.r.IntN(12) == 0 {
		m.observe("given up")
		c.giveUp()
		return nil
	}
	t := c.tx
	t.entry.attempt()
	var b batch.Batch
	t.writes.AppendTo(&b)
	if b.Count() == 0 {
		m.saw(t.at)
		t.entry.end(isolation.OK, uint64(t.at))
		c.close()
		return nil
	}
	if t.weak {
		t.claim(&b)
	}
	return m.commitTx(c, &b, m.r.Float64() < m.swarm.mix.Sync)
}

// claim makes the keys written, and the ranges deleted, the read set, but for the keys merged to.
func (t *simulatedTx) claim(b *batch.Batch) {
	t.txn.Reads.Reset()
	for op := range b.Ops() {
		t.txn.Reads.AddOp(op)
	}
}

// commitTx commits b. If a lock of another is in the way, the transaction stays for another turn. How it ended is in
// the journal before a crash is noticed.
func (m *simulation) commitTx(c *client, b *batch.Batch, sync bool) error {
	t, acknowledged := c.tx, false
	ok, err := m.attempt("commit a transaction", func() error {
		err := m.commitBy(b, sync, func() (key.SeqNum, error) { return t.txn.Commit(context.Background(), b, sync) })
		switch {
		case err == nil:
			t.entry.end(isolation.OK, uint64(m.History.Last()))
			acknowledged = true
		case errors.Is(err, lock.ErrTimeout):
			m.observe("a lock is in the way")
			c.left = 1
			return nil
		case errors.Is(err, engine.ErrCommitUnknown):
			t.entry.end(isolation.Unknown, 0)
		case isRefusal(err), m.tooOld(c, err):
			m.observe("refused: %v", err)
			t.entry.refuse()
			err = nil
		default:
			t.entry.end(isolation.Aborted, 0)
		}
		c.close()
		return err
	})
	if ok && acknowledged {
		m.stats.Commits++
		m.moments = append(m.moments, moment{m.History.Last(), m.now})
	}
	return err
}

// operate does one thing in t.
func (m *simulation) operate(t *simulatedTx) error {
	n := isolation.Key(m.r.IntN(simulatedKeys)) + isolation.Key(t.entry.id/simulatedAfter)*simulatedKeys%numLists
	switch m.r.IntN(10) {
	case 0:
		_, err := m.listIn(t, n)
		return err
	case 1, 2:
		value, err := m.listIn(t, n)
		if err == nil {
			t.writes.Put(listKey(n), append(bytes.Clone(value), encodeElement(t.entry.appended(n))...))
		}
		return err
	case 3:
		return m.mergeIn(t, n)
	case 4:
		return m.scanIn(t, keyScan{lo: n, hi: n + 1 + isolation.Key(m.r.IntN(simulatedKeys)), limit: -1,
			reverse: m.r.IntN(2) == 0, registers: m.r.IntN(2) == 0})
	case 5:
		return m.registerIn(t, registersAt+n)
	case 6:
		return m.lockIn(t, n)
	case 7:
		lo, hi := registersAt+n, registersAt+n+1+isolation.Key(m.r.IntN(simulatedKeys))
		return t.entry.clear(lo, hi, func(lo, hi []byte) error { return t.writes.DeleteRange(span.Span{Lo: lo, Hi: hi}) })
	}
	k := registersAt + n
	if m.r.IntN(3) == 0 {
		t.entry.deleted(k)
		t.writes.Delete(registerKey(k))
		return nil
	}
	t.writes.Put(registerKey(k), encodeRegister(t.entry.put(k)))
	return nil
}

// lockIn locks a list and reads it, for which the transaction may move to a newer state.
func (m *simulation) lockIn(t *simulatedTx, n isolation.Key) error {
	if err := t.txn.Lock(context.Background(), listKey(n), !t.weak || !t.hasRead); err != nil {
		return err
	}
	if t.txn.Seq() != t.at {
		if err := m.stand(t); err != nil {
			return err
		}
	}
	_, err := m.listIn(t, n)
	return err
}

// mergeIn appends to a list without reading it; see user.mergeTo for snapshot isolation.
func (m *simulation) mergeIn(t *simulatedTx, n isolation.Key) error {
	k := listKey(n)
	if w, err := t.writes.Get(k); w != nil || t.weak || err != nil {
		return err
	}
	t.writes.Merge(k, append([]byte{byte(operand.Append)}, encodeElement(t.entry.appended(n))...))
	return nil
}

func (m *simulation) listIn(t *simulatedTx, n isolation.Key) ([]byte, error) {
	value, _, err := m.readIn(t, listKey(n))
	if err == nil {
		t.entry.note(note{Kind: noteList, Key: n, List: decodeList(value)})
	}
	return value, err
}

func (m *simulation) registerIn(t *simulatedTx, k isolation.Key) error {
	value, found, err := m.readIn(t, registerKey(k))
	if err != nil {
		return err
	}
	n := note{Kind: noteRegister, Key: k}
	if found {
		n.Value = decodeRegister(value)
	}
	t.entry.note(n)
	return nil
}

// readIn reads k as t sees it.
func (m *simulation) readIn(t *simulatedTx, k []byte) (value []byte, found bool, err error) {
	w, err := t.writes.Get(k)
	switch {
	case err != nil:
		return nil, false, err
	case w == nil:
		return m.readBelow(t, k)
	case w.Kind == key.KindDelete:
		return nil, false, nil
	case w.Kind == key.KindMerge:
		value, found, err = m.readBelow(t, k)
		if err != nil {
			return nil, false, err
		}
		value, err = t.writes.Rules.Fold(k, value, found, w.Value)
		return value, true, err
	}
	return w.Value, true, nil
}

// readBelow reads k in t's snapshot, and compares.
func (m *simulation) readBelow(t *simulatedTx, k []byte) (value []byte, found bool, err error) {
	t.hasRead = true
	if !t.weak {
		t.txn.Reads.AddKey(k, key.Hash(k))
	}
	value, found, err = t.txn.Snapshot().Get(nil, k)
	if err != nil {
		return nil, false, err
	}
	m.observe("%s=%x", k, value)
	m.saw(t.at)
	want, exists := m.History.Get(k, t.at)
	if found != exists || !bytes.Equal(value, want) {
		return nil, false, mismatch("a transaction at %d read %x at %s instead of %x", t.at, value, k, want)
	}
	return value, found, nil
}

// scanIn scans with t's own writes laid over its snapshot.
func (m *simulation) scanIn(t *simulatedTx, s keyScan) error {
	t.hasRead = true
	bounds := span.Span{Lo: s.key(s.lo), Hi: s.key(s.hi)}
	if !t.weak {
		t.txn.Reads.AddSpan(bounds)
	}
	base, err := m.Engine.NewIterator(t.txn.Snapshot(), bounds.Lo, bounds.Hi)
	if err != nil {
		return err
	}
	var it txn.Overlay
	it.Reset(base, t.txn.Seq(), &t.writes, bounds)
	found, err := s.walk(&it)
	if err := errors.Join(err, base.Close()); err != nil {
		return err
	}
	m.saw(t.at)
	m.observe("scan of %s: %v", bounds.Lo, found)
	t.entry.note(s.note(found))
	return nil
}

// walk returns all entries of it, in the order of the scan.
func (s keyScan) walk(it txn.Source) (found []note, err error) {
	begin, step := it.First, it.Next
	if s.reverse {
		begin, step = it.Last, it.Prev
	}
	for ok := begin(); ok; ok = step() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		found = append(found, s.found(it.Key(), value))
	}
	return found, it.Err()
}

// strike takes out of the journal what a power cut took. What was read until then is checked first: it was true at
// the time.
func (m *simulation) strike(last key.SeqNum) error {
	if m.journal.newest() <= uint64(last) {
		return nil
	}
	err := m.checkTransactions()
	m.stats.Isolation.Lost += m.journal.lose(uint64(last))
	return err
}

// checkTransactions checks the history so far.
func (m *simulation) checkTransactions() error {
	err := m.journal.check(&m.stats.Isolation)
	if err != nil {
		m.stats.WrongData++
	}
	return err
}

// surveyTransactions counts them, at the end of the run.
func (m *simulation) surveyTransactions() {
	m.stats.Isolation.Add(m.journal.survey())
	m.stats.Isolation.Simulated, m.stats.Isolation.PowerCuts = m.stats.Kills, m.stats.PowerCuts
}
