package salvage

import (
	"bytes"
	"container/heap"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/salvage/leaves"
	"lightningdb/internal/salvage/losses"
)

// run is tables whose keys follow each other.
type run struct {
	tables []*tableFile
	live   bool
	temp   bool // they are removed once they have been read

	at    *entries
	count uint64 // of entries of the current table
}

// open moves to the first entry.
func (s *run) open() (bool, error) {
	if len(s.tables) == 0 {
		return false, nil
	}
	var err error
	s.count = 0
	s.at, err = s.tables[0].entriesOf(func(leaves.Gap) {}, func(key.Internal, leaves.Gap) {})
	if err != nil {
		return false, err
	}
	return s.step()
}

// step moves to the next entry, of the next table perhaps.
func (s *run) step() (bool, error) {
	if s.at.step() {
		s.count++
		return true, nil
	}
	t := s.tables[0]
	if err := s.at.close(); err != nil {
		return false, err
	}
	s.at = nil
	if s.count != t.entries {
		return false, ErrChanged
	}
	if s.temp {
		if err := t.fs.Remove(t.name); err != nil {
			return false, err
		}
	}
	s.tables = s.tables[1:]
	return s.open()
}

// merging walks the entries of several runs in order. It is a heap of those that are at an entry.
type merging []*run

func (m merging) Len() int { return len(m) }
func (m merging) Less(i, j int) bool {
	c := key.Compare(m[i].at.key(), m[j].at.key())
	return c < 0 || c == 0 && m[i].live && !m[j].live
}
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merging) Push(x any)   { *m = append(*m, x.(*run)) }
func (m *merging) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// each calls f with every entry of runs in order. What it is given is valid until it returns.
func (r *rescue) each(runs []*run, f func(k key.Internal, value []byte, live bool) error) error {
	m := make(merging, 0, len(runs))
	defer func() {
		for _, s := range m {
			if s.at != nil {
				s.at.close()
			}
		}
	}()
	for _, s := range runs {
		ok, err := s.open()
		if err != nil {
			return err
		}
		if ok {
			m = append(m, s)
		}
	}
	heap.Init(&m)
	for n := 0; len(m) > 0; n++ {
		s := m[0]
		if err := f(s.at.key(), s.at.value, s.live); err != nil {
			return err
		}
		if n%1024 == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
		}
		before := len(s.tables)
		size := s.tables[0].size
		ok, err := s.step()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
		if len(s.tables) != before && !s.temp {
			if err := r.read(size); err != nil {
				return err
			}
		}
	}
	return nil
}

// runsOf arranges the tables that are live, or the others, in as few runs as their keys allow.
func (r *rescue) runsOf(live bool) []*run {
	var tables []*tableFile
	for _, t := range r.tables {
		if t.live == live {
			tables = append(tables, t)
		}
	}
	slices.SortStableFunc(tables, func(a, b *tableFile) int { return bytes.Compare(a.first, b.first) })
	var runs []*run
next:
	for _, t := range tables {
		for _, s := range runs {
			if bytes.Compare(s.tables[len(s.tables)-1].last, t.first) < 0 {
				s.tables = append(s.tables, t)
				continue next
			}
		}
		runs = append(runs, &run{tables: []*tableFile{t}, live: live})
	}
	return runs
}

// reduce merges runs, which are all live or all not, until there are at most limit.
func (r *rescue) reduce(runs []*run, limit int) ([]*run, error) {
	for len(runs) > limit {
		some := runs[:min(len(runs), max(2, limit))]
		merged, err := r.writeRun(some[0].live, func(add func(key.Internal, []byte) error) error {
			return r.each(some, func(k key.Internal, value []byte, _ bool) error { return add(k, value) })
		})
		if err != nil {
			return nil, err
		}
		runs = append(slices.Clone(runs[len(some):]), merged)
	}
	return runs, nil
}

// version is one version of a key.
type version struct {
	trailer key.Trailer
	value   []byte // owned
	live    bool
}

// chooser decides which versions of each key count.
type chooser struct {
	rescue *rescue
	sweep  *losses.Sweep

	user     []byte
	begun    bool       // user is a key
	versions []version  // of user, newest first, down to the first that stands upon nothing
	based    bool       // the last of them is no operand
	covering []*Loss    // that span user
	deleted  key.SeqNum // of the newest delete of a range over user; 0 if there is none
}

// add takes the next entry in order.
func (c *chooser) add(k key.Internal, value []byte, live bool) error {
	if !c.begun || !bytes.Equal(c.user, k.User) {
		if err := c.emit(); err != nil {
			return err
		}
		c.user, c.begun = append(c.user[:0], k.User...), true
		c.covering = c.sweep.At(c.user)
		c.deleted = c.rescue.ranges.Covering(c.user, key.MaxSeqNum).Seq
	}
	n := len(c.versions)
	switch {
	case k.Trailer.Seq() < c.deleted: // whatever else is missing, it was deleted
		return nil
	case c.based || n > 0 && c.versions[n-1].trailer.Seq() == k.Trailer.Seq():
		return nil
	case !live && !losses.Covers(c.covering, k.Trailer.Seq(), k.Trailer.Seq()):
		return nil
	}
	c.versions = append(c.versions, version{k.Trailer, slices.Clone(value), live})
	c.based = k.Trailer.Kind() != key.KindMerge
	return nil
}

// emit writes what counts of the current key.
func (c *chooser) emit() error {
	defer func() { c.versions, c.based = c.versions[:0], false }()
	report := &c.rescue.report
	if !c.based && c.deleted > 0 && len(c.versions) > 0 { // what is there are operands, and that is what they stand upon
		c.versions = append(c.versions, version{trailer: key.MakeTrailer(c.deleted, key.KindDelete)})
		c.based = true
	}
	for i, v := range c.versions {
		chain := c.versions[i:]
		switch v.trailer.Kind() {
		case key.KindDelete:
			return nil
		case key.KindMerge:
			if c.broken(chain) {
				report.Operands++
				continue
			}
		default:
			chain = chain[:1]
		}
		report.Keys++
		if losses.Covers(c.covering, v.trailer.Seq()+1, key.MaxSeqNum) {
			report.Older++
		}
		return c.write(chain)
	}
	return nil
}

// broken reports whether a loss may have taken an operand from between those of chain, or what they stand upon. Where
// the newest stands in for what is lost, others that are older may have been folded into that.
func (c *chooser) broken(chain []version) bool {
	newest, oldest := chain[0].trailer.Seq(), key.SeqNum(0)
	if c.based {
		oldest = chain[len(chain)-1].trailer.Seq()
	}
	if !chain[0].live {
		return oldest+1 < newest
	}
	return losses.Covers(c.covering, oldest+1, newest-1)
}

func (c *chooser) write(chain []version) error {
	for _, v := range chain {
		if v.trailer.Kind() == key.KindDelete {
			return nil // nothing is below it
		}
		if err := c.rescue.out.add(key.Internal{User: c.user, Trailer: v.trailer}, v.value); err != nil {
			return err
		}
	}
	return nil
}

// write merges everything into the new database.
func (r *rescue) write() error {
	r.report.Tables = len(r.tables)
	limit := max(2, r.MaxRuns/2)
	var all []*run
	for _, live := range []bool{true, false} {
		runs, err := r.gather(live)
		if err == nil {
			runs, err = r.reduce(append(r.runsOf(live), runs...), limit)
		}
		if err != nil {
			return err
		}
		all = append(all, runs...)
	}
	c := &chooser{rescue: r, sweep: losses.NewSweep(r.report.Losses)}
	r.out.begin()
	defer r.out.abandon()
	if err := r.each(all, c.add); err != nil {
		return err
	}
	if err := c.emit(); err != nil {
		return err
	}
	if err := r.read(r.total - r.done); err != nil { // of what nothing was taken is not read twice
		return err
	}
	return r.out.finish()
}
