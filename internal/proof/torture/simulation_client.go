package torture

import (
	"bytes"
	"errors"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/proof/oracle"
)

// intent is what a client wants at the moment. Some take several turns, in which others move.
type intent uint8

const (
	wantPut intent = iota
	wantDelete
	wantMerge
	wantBatch
	wantIngest
	wantGet
	wantScan
	wantSnapshot
	wantPast
	wantSync
	wantTransaction
	numIntents

	// Those of the streams and copies of a simulation, which are drawn apart.
	wantStream
	wantView
	wantCheckpoint
)

// client is one user of the database.
type client struct {
	id       int
	intent   intent
	left     int // turns until the intent is fulfilled
	batch    batch.Batch
	walk     *walk
	view     *viewing
	snapshot *engine.Snapshot
	tx       *simulatedTx
	since    time.Duration // when walk, view or snapshot was opened
	expired  bool          // it has answered that it is too old, as it may
}

// move takes a client one turn further; one that wants nothing first makes up its mind.
func (m *simulation) move(c *client) error {
	if c.left == 0 {
		c.intent = m.swarm.intent(m.r)
		c.left = 1
		switch c.intent {
		case wantBatch, wantIngest, wantScan, wantSnapshot, wantPast, wantView:
			c.left += m.r.IntN(8)
		case wantTransaction:
			c.left += 2 + m.r.IntN(8) // a turn each for the beginning and the end
		}
	}
	c.left--
	switch c.intent {
	case wantPut:
		k := m.swarm.mix.key(m.r)
		c.batch.Put(k, m.swarm.mix.valueOf(m.r, k))
		return m.commit(c)
	case wantMerge:
		m.change(&c.batch)
		return m.commit(c)
	case wantDelete:
		c.batch.Delete(m.swarm.mix.key(m.r))
		return m.commit(c)
	case wantBatch, wantIngest:
		return m.gather(c)
	case wantGet:
		return m.get(c, m.History.Acknowledged())
	case wantScan:
		return m.scan(c)
	case wantSnapshot:
		return m.lookBack(c)
	case wantPast:
		return m.lookFarBack(c)
	case wantTransaction:
		return m.transact(c)
	case wantStream:
		return m.stream()
	case wantView:
		return m.viewValue(c)
	case wantCheckpoint:
		return m.checkpoint()
	}
	_, err := m.attempt("sync", func() error { return m.Write(new(batch.Batch), true) })
	return err
}

// change adds a random operation to b, and before it now and then the delete of a range. That spares the keys of
// transactions, whose journal would not know of it.
func (m *simulation) change(b *batch.Batch) {
	if m.swarm.ranges > 0 && m.r.Float64() < m.swarm.ranges {
		if s := spared(m.swarm.mix.span(m.r)); !s.Empty() {
			b.DeleteRange(s)
		}
	}
	m.swarm.mix.change(m.r, b)
}

// spared is the first part of s that has no key of a transaction.
func spared(s span.Span) span.Span {
	lists, registers := span.Prefix(spell("list/")), span.Prefix(spell("register/"))
	part := span.Span{Lo: registers.Hi}
	if bytes.Compare(s.Lo, lists.Lo) < 0 {
		part = span.Span{Hi: lists.Lo}
	} else if bytes.Compare(s.Lo, registers.Lo) < 0 {
		part = span.Span{Lo: lists.Hi, Hi: registers.Lo}
	}
	return s.Intersect(part)
}

// gather puts operations into the client's batch; the last turn commits it.
func (m *simulation) gather(c *client) error {
	for range 1 + m.r.IntN(m.swarm.mix.MaxBatch) {
		m.change(&c.batch)
	}
	if c.left > 0 {
		return nil
	}
	return m.commit(c)
}

func (m *simulation) commit(c *client) error {
	b := c.batch
	c.batch = batch.Batch{}
	sync := m.r.Float64() < m.swarm.mix.Sync
	write := func() error { return m.Write(&b, sync) }
	if c.intent == wantIngest {
		write = func() error { return m.Ingest(&b) }
	}
	faults := m.disk.Faults()
	ok, err := m.attempt("commit", write)
	if ok {
		m.stats.Commits++
		m.observe("acknowledged %d, sync %v", m.History.Last(), sync)
		m.shaken = m.shaken && m.disk.Faults() > faults
		m.moments = append(m.moments, moment{m.History.Last(), m.now})
	}
	return err
}

// get reads one key at the client's snapshot, if it has one, and compares with the state at want.
func (m *simulation) get(c *client, want key.SeqNum) error {
	k := m.swarm.mix.key(m.r)
	ok, err := m.attempt("get", m.aging(c, func() error { return m.GetAt(k, c.snapshot, want) }))
	if ok && !c.expired {
		m.saw(want)
		m.observe("%x=%x", k, m.got)
	}
	return err
}

// aging is do, a read of the client's, but that nothing is wrong if what it reads with is too old and says so.
func (m *simulation) aging(c *client, do func() error) func() error {
	return func() error {
		err := do()
		if !m.tooOld(c, err) {
			return err
		}
		c.expired = true
		m.stats.Aged++
		return nil
	}
}

// tooOld reports whether err says that what the client reads with is too old, and it may be.
func (m *simulation) tooOld(c *client, err error) bool {
	limit := m.opts.MaxSnapshotAge
	return errors.Is(err, engine.ErrSnapshotExpired) && limit > 0 && m.now-c.since > limit
}

// saw records an answer that a client was given.
func (m *simulation) saw(at key.SeqNum) {
	m.stats.Reads++
	m.History.Read(at)
}

// scan opens a cursor, moves it a little in each turn, and closes it in the last.
func (m *simulation) scan(c *client) error {
	at := m.History.Acknowledged()
	ok, err := m.attempt("scan", m.aging(c, func() error {
		if c.walk == nil {
			if err := m.openWalk(c, at); err != nil {
				return err
			}
			m.History.Read(at)
		}
		return m.moveWalk(c.walk, 1+m.r.IntN(12))
	}))
	if ok && !c.expired {
		m.stats.Reads++
	}
	if !ok || c.left == 0 || c.expired {
		c.stop()
	}
	return err
}

// openWalk opens a cursor of the client's on a random range of the newest state, which is that at at.
func (m *simulation) openWalk(c *client, at key.SeqNum) error {
	var lo, hi []byte
	if m.r.IntN(3) > 0 {
		lo = m.swarm.mix.key(m.r)
	}
	if m.r.IntN(3) > 0 {
		hi = m.swarm.mix.key(m.r)
	}
	it, err := m.Engine.NewIterator(nil, lo, hi)
	if err != nil {
		return err
	}
	c.walk, c.since = &walk{it: it, at: -1}, m.now
	for e := range m.History.Entries(lo, hi, at) {
		c.walk.entries = append(c.walk.entries, oracle.Entry{Key: e.Key, Value: e.Value})
	}
	return nil
}

// moveWalk jumps, then goes one way, and compares after each move.
func (m *simulation) moveWalk(w *walk, moves int) error {
	w.jump(m.r, m.swarm.mix.key(m.r))
	forward := m.r.IntN(2) == 0
	for range moves {
		if err := w.check(); err != nil {
			return err
		}
		if w.it.Valid() {
			m.observe("at %x", w.it.Key())
		}
		if forward {
			w.step(w.it.Next, 1)
		} else {
			w.step(w.it.Prev, -1)
		}
	}
	return w.check()
}

// lookBack takes a snapshot, reads at it for some turns while the database changes, and compares all of it at the end.
func (m *simulation) lookBack(c *client) error {
	if c.snapshot == nil {
		at := m.History.Acknowledged()
		c.snapshot, c.since = m.Engine.Snapshot(), m.now
		if c.snapshot.Seq() != at {
			m.stats.WrongData++
			return mismatch("a snapshot stands at %d instead of %d", c.snapshot.Seq(), at)
		}
	}
	seq := c.snapshot.Seq()
	if c.left > 0 && !c.expired {
		return m.get(c, seq)
	}
	ok, err := m.attempt("compare at a snapshot", m.aging(c, func() error { return m.Compare(c.snapshot) }))
	if ok && !c.expired {
		m.saw(seq)
	}
	c.stop()
	return err
}

// stop closes what the client reads with; what it wanted is over.
func (c *client) stop() {
	if c.walk != nil {
		c.walk.it.Close() // its error was seen when it moved
		c.walk = nil
	}
	if c.view != nil {
		c.view.value.Close()
		c.view = nil
	}
	if c.snapshot != nil {
		c.snapshot.Close()
		c.snapshot = nil
	}
	if c.tx != nil {
		c.giveUp()
	}
	c.left, c.expired = 0, false
}

// dropReaders ends what all clients want, as the database is about to go.
func (m *simulation) dropReaders() {
	for i := range m.clients {
		m.clients[i].stop()
		m.clients[i].batch = batch.Batch{}
	}
}
