package torture

import (
	"errors"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
)

// moment is when a state became the newest one, or was recovered as that.
type moment struct {
	seq key.SeqNum
	at  time.Duration
}

// recoverMoments forgets the moments that a crash took. A commit of unknown fate may turn up here.
func (m *simulation) recoverMoments(last key.SeqNum) {
	n := len(m.moments)
	for n > 0 && m.moments[n-1].seq > last {
		n--
	}
	m.moments = m.moments[:n]
	if n == 0 || m.moments[n-1].seq < last {
		m.moments = append(m.moments, moment{last, m.now})
	}
}

// mustBeReadable reports whether the state of moment i was the newest within the time that is kept.
func (m *simulation) mustBeReadable(i int) bool {
	return i+1 == len(m.moments) || m.now-m.moments[i+1].at <= m.opts.Retain
}

// lookFarBack takes a snapshot of a state of the past, and goes on as with any snapshot.
func (m *simulation) lookFarBack(c *client) error {
	if c.snapshot != nil {
		return m.lookBack(c)
	}
	i := len(m.moments) - 1 - int(m.r.ExpFloat64()*10)
	if i < 0 {
		c.stop()
		return nil
	}
	snapshot, err := m.Engine.SnapshotAt(m.moments[i].seq)
	m.observe("snapshot at %d of %d: %v", m.moments[i].seq, m.History.Last(), err)
	switch {
	case errors.Is(err, engine.ErrSnapshotExpired) && !m.mustBeReadable(i):
		m.stats.Expired++
		c.stop()
		return nil
	case err != nil:
		m.stats.WrongData++
		return mismatch("the state at %d, of %v ago, the newest %v ago: %v", m.moments[i].seq,
			m.now-m.moments[i].at, m.now-m.moments[min(i+1, len(m.moments)-1)].at, err)
	}
	m.stats.Past++
	c.snapshot, c.since = snapshot, m.now
	return m.lookBack(c)
}
