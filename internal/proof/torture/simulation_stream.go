package torture

import (
	"math/rand/v2"

	"lightningdb/internal/proof/oracle"
)

// streams say whether the clients of a simulation put streams and read values piece by piece. What these are comes from
// a random source of its own.
type streams struct {
	r       *rand.Rand
	intents []intent // none in most seeds
}

// newStreams draws them for a seed.
func newStreams(seed uint64) streams {
	s := streams{r: rand.New(rand.NewPCG(seed, 17))}
	if s.r.IntN(5) == 0 {
		s.intents = []intent{wantStream, wantView}
	}
	return s
}

// stream puts a value from a source, which may break, while background steps run between its reads.
func (m *simulation) stream() error {
	r := m.streams.r
	k := m.swarm.mix.key(r)
	for isCounter(k) {
		k = m.swarm.mix.key(r)
	}
	from := drawSource(r)
	from.meanwhile = func() error { m.meanwhile(r); return nil }
	faults := m.disk.Faults()
	ok, err := m.attempt("put a stream", func() error { return m.PutReader(k, from, r.Float64() < m.swarm.mix.Sync) })
	switch {
	case !ok:
	case from.breaks >= 0:
		m.stats.Streams.Broken++
	default:
		m.stats.Commits++
		m.stats.Streams.Put++
		m.observe("acknowledged %d, a stream of %d bytes", m.History.Last(), len(from.value))
		m.shaken = m.shaken && m.disk.Faults() > faults
		m.moments = append(m.moments, moment{m.History.Last(), m.now})
	}
	return err
}

// meanwhile does a background step within the read of a source, perhaps. If it fails, so will the stream: by a fault
// that ends all writes, or a crash.
func (m *simulation) meanwhile(r *rand.Rand) {
	switch r.IntN(30) {
	case 0:
		_, _ = m.Engine.FlushStep()
	case 1:
		_, _ = m.Engine.CompactStep()
	case 2:
		_, _ = m.Engine.CleanStep()
	}
}

// viewValue opens a value, reads a piece of it in each turn, and all of it in the last.
func (m *simulation) viewValue(c *client) error {
	at := m.History.Acknowledged()
	ok, err := m.attempt("read a value", m.aging(c, func() (err error) {
		if c.view == nil {
			c.since = m.now
			if c.view, err = m.view(m.viewKey(), nil, at); c.view == nil {
				return err
			}
			m.History.Read(at)
		}
		if c.left == 0 {
			return c.view.all()
		}
		return c.view.look(m.streams.r)
	}))
	if ok && !c.expired && c.view != nil {
		m.stats.Reads++
		m.stats.Streams.Viewed++
	}
	if !ok || c.left == 0 || c.expired || c.view == nil {
		c.stop()
	}
	return err
}

// viewKey is a key to read: mostly that of the longest value.
func (m *simulation) viewKey() []byte {
	var longest oracle.Entry
	for e := range m.History.Entries(nil, nil, m.History.Acknowledged()) {
		if len(e.Value) > len(longest.Value) {
			longest = e
		}
	}
	if longest.Key == nil || m.streams.r.IntN(4) == 0 {
		return m.swarm.mix.key(m.streams.r)
	}
	return longest.Key
}
