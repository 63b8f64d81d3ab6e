package isolation

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
)

// absences are the versions of a register that are reasons for finding nothing: -1 if it was absent at first, and
// deletes.
type absences struct {
	positions []int32 // in the order of the key, ascending
	earliest  []int64 // the earliest beginning of the writers from here on
	unplaced  int64   // the earliest beginning of a delete that has no place in the order
	heads     []int32 // puts without a place, if the key has no deletes; at most maxUnread
	deleted   bool
	loose     bool // some version has no place
}

// looseRead is a read of a version of a key in which some versions have no place in the order.
type looseRead struct {
	txn, key int32
	slot     int32 // or neverWritten
	scanned  bool
}

// link says that a transaction read version from, and wrote version to of the same key.
type link struct{ txn, to int32 }

// neverWritten stands for the slot of the version of key before all others.
func neverWritten(key int32) int32 { return -2 - key }

// orderRegisters orders the versions of each register by the sequence numbers of their commits.
func (c *checker) orderRegisters() {
	for slot := range c.versions {
		if v := &c.versions[slot]; v.written && v.kind != opAppend && !v.inner {
			c.enterVersion(int32(slot), v, &c.orders[v.key])
		}
	}
	for k := range c.orders {
		if o := &c.orders[k]; len(c.h.keys[k].branches) == 0 {
			c.orderRegister(int32(k), o)
		}
	}
}

// enterVersion adds a version to the order of its key, if it has a place there.
func (c *checker) enterVersion(slot int32, v *version, o *order) {
	w := &c.h.txns[v.writer]
	if w.outcome == Aborted {
		return
	}
	a := &o.absences
	a.deleted = a.deleted || v.kind == opDelete
	switch {
	case w.committed && (w.sequence != 0 || v.writer == 0):
		o.slots = append(o.slots, slot)
	case v.kind == opDelete:
		a.unplaced, a.loose = min(a.unplaced, w.begin), true
	case w.committed:
		a.loose = true
		if len(a.heads) < maxUnread {
			a.heads = append(a.heads, slot)
		}
	}
}

func (c *checker) orderRegister(k int32, o *order) {
	slices.SortStableFunc(o.slots, func(a, b int32) int {
		return cmp.Compare(c.h.txns[c.versions[a].writer].sequence, c.h.txns[c.versions[b].writer].sequence)
	})
	a := &o.absences
	if len(o.slots) == 0 || c.versions[o.slots[0]].writer != 0 {
		a.positions = append(a.positions, -1)
	}
	for i, slot := range o.slots {
		v := &c.versions[slot]
		v.position = int32(i)
		if v.kind == opDelete {
			a.positions = append(a.positions, int32(i))
		}
		if i > 0 {
			c.checkSequence(k, c.versions[o.slots[i-1]].writer, v.writer)
		}
	}
	c.fillEarliest(k, a)
}

func (c *checker) checkSequence(k, t, u int32) {
	if n := c.h.txns[t].sequence; n == c.h.txns[u].sequence {
		c.report.add(IncompatibleOrder, "T%d and T%d both wrote key %d and committed as %d", t, u, c.name(k), n).by(t, u)
	}
}

// fillEarliest prepares a for the search by real time.
func (c *checker) fillEarliest(k int32, a *absences) {
	a.earliest = make([]int64, len(a.positions))
	earliest := int64(math.MaxInt64)
	for i := len(a.positions) - 1; i >= 0; i-- {
		begin := int64(0)
		if w := c.writerAt(k, a.positions[i]); w >= 0 {
			begin = c.h.txns[w].begin
		}
		earliest = min(earliest, begin)
		a.earliest[i] = earliest
	}
}

// stepWrite remembers a put or delete, and that it follows what the transaction read of the key.
func (c *checker) stepWrite(t int32, o op, mine *touch) {
	mine.value, mine.known = o.value, true
	if o.kind == opDelete {
		mine.value = 0
	}
	slot := c.h.slot(o.value)
	if mine.saw == notSeen || c.versions[slot].inner || c.placed(mine.saw) && c.versions[slot].position != unordered {
		return
	}
	if c.chains == nil {
		c.chains = make(map[int32][]link)
	}
	c.chains[mine.saw] = append(c.chains[mine.saw], link{t, slot})
}

// placed reports whether the order of its key has the version, or begins after it.
func (c *checker) placed(slot int32) bool { return slot < 0 || c.versions[slot].position != unordered }

// stepGet compares a read with what the transaction did before, then collects what it saw of others.
func (c *checker) stepGet(t int32, o op, mine *touch) {
	switch {
	case mine.known && mine.value != o.value:
		c.report.add(Internal, "T%d read %d of key %d, which was %d to it before",
			t, o.value, c.name(o.key), mine.value).by(t)
	case mine.known:
	case o.value == 0:
		c.gatherAbsence(t, o, mine)
	default:
		c.gatherValue(t, o, mine)
	}
	mine.value, mine.known = o.value, true
}

func (c *checker) gatherValue(t int32, o op, mine *touch) {
	slot := c.h.slot(o.value)
	if slot < 0 || !c.versions[slot].written || c.versions[slot].key != o.key || c.versions[slot].kind != opPut {
		c.report.add(GarbageRead, "T%d read %d of key %d, which nobody wrote there", t, o.value, c.name(o.key)).by(t)
		return
	}
	v := &c.versions[slot]
	if !c.h.txns[v.writer].committed {
		c.report.add(G1a, "T%d read %d of key %d from T%d, which did not commit",
			t, o.value, c.name(o.key), v.writer).by(v.writer, t)
		return
	}
	c.checkInner(t, slot)
	mine.saw = slot
	if v.position != unordered {
		c.reads = append(c.reads, read{txn: t, key: o.key, low: v.position, high: v.position, scanned: o.scanned})
	}
	if c.orders[o.key].absences.loose {
		c.loose = append(c.loose, looseRead{t, o.key, slot, o.scanned})
	}
}

// gatherAbsence enters that t found nothing: some version between two, unless a delete without a place may be the
// reason.
func (c *checker) gatherAbsence(t int32, o op, mine *touch) {
	a := &c.orders[o.key].absences
	end := c.latest(t)
	if a.unplaced < end {
		return
	}
	if len(a.positions) == 0 {
		c.report.add(LostWrite, "T%d found nothing at key %d, which had a value at first and was never deleted",
			t, c.name(o.key)).by(t)
		return
	}
	low, high := c.absenceRange(t, o.key, end)
	c.reads = append(c.reads, read{txn: t, key: o.key, low: low, high: high, scanned: o.scanned})
	if !a.deleted {
		mine.saw = neverWritten(o.key)
		if a.loose {
			c.loose = append(c.loose, looseRead{t, o.key, mine.saw, o.scanned})
		}
	}
}

// latest is the last moment at which what t read may have been written.
func (c *checker) latest(t int32) int64 {
	if !c.level.realTime() || c.h.txns[t].outcome != OK {
		return math.MaxInt64
	}
	return c.h.txns[t].end
}

// absenceRange returns the first and the last version that t, which ended before end, may have found nothing because
// of.
func (c *checker) absenceRange(t, key int32, end int64) (low, high int32) {
	a := &c.orders[key].absences
	if !c.level.realTime() {
		return a.positions[0], a.positions[len(a.positions)-1]
	}
	i := max(0, sort.Search(len(a.positions), func(i int) bool { return a.earliest[i] > end })-1)
	high = a.positions[i]
	for ; i > 0; i-- {
		if next := c.writerAt(key, a.positions[i-1]+1); c.endedBefore(next, t) {
			break // overwritten before t began, and so was all before
		}
	}
	return a.positions[i], high
}

// linkChains adds the edges of versions that have no place in the order of their key.
func (c *checker) linkChains() {
	for _, from := range slices.Sorted(maps.Keys(c.chains)) {
		c.linkChain(from, c.chains[from])
	}
	for _, r := range c.loose {
		c.linkRead(r)
	}
}

func (c *checker) linkChain(from int32, links []link) {
	key := c.versions[links[0].to].key
	if len(links) > 1 {
		c.report.add(LostUpdate, "T%d and T%d both read a version of key %d and wrote the next one",
			links[0].txn, links[1].txn, c.name(key)).by(links[0].txn, links[1].txn)
	}
	if from < 0 {
		return
	}
	for _, l := range links {
		c.explicit = append(c.explicit, edge{from: c.versions[from].writer, to: l.txn, label: newLabel(ww, key, false)})
	}
}

func (c *checker) linkRead(r looseRead) {
	if r.slot < 0 {
		for _, head := range c.orders[r.key].absences.heads {
			c.explicit = append(c.explicit, edge{from: r.txn, to: c.versions[head].writer,
				label: newLabel(rw, r.key, r.scanned)})
		}
		return
	}
	if v := &c.versions[r.slot]; v.position == unordered {
		c.explicit = append(c.explicit, edge{from: v.writer, to: r.txn, label: newLabel(wr, r.key, r.scanned)})
	}
	for _, l := range c.chains[r.slot] {
		c.explicit = append(c.explicit, edge{from: r.txn, to: l.txn, label: newLabel(rw, r.key, r.scanned)})
	}
}
