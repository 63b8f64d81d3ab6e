package isolation

// reason is why one transaction must come before another.
type reason uint8

const (
	ww reason = iota // the second wrote the version after one of the first
	wr               // the second read a version of the first
	rw               // the first read the version before one of the second
	rt               // the first was acknowledged before the second began
)

func (r reason) String() string { return [...]string{"ww", "wr", "rw", "rt"}[r] }

// reasons is a set of them.
type reasons uint8

func setOf(list ...reason) reasons {
	var s reasons
	for _, r := range list {
		s |= 1 << r
	}
	return s
}

func (s reasons) has(r reason) bool { return s>>r&1 != 0 }

// label says why an edge is there: two bits of reason, one for a read that was part of a scan, and the key.
type label uint32

func newLabel(r reason, key int32, scanned bool) label {
	l := label(r) | label(key)<<3
	if scanned {
		l |= 1 << 2
	}
	return l
}

func (l label) reason() reason { return reason(l & 3) }
func (l label) scanned() bool  { return l>>2&1 != 0 }
func (l label) key() int32     { return int32(l >> 3) }

type edge struct {
	from, to int32
	label    label
}

// half is an edge as its source keeps it.
type half struct {
	to    int32
	label label
}

// graph holds the edges of node i at halves[start[i]:start[i+1]].
type graph struct {
	start  []uint32
	halves []half
}

// newGraph makes a graph of nodes from what each passes to its argument. It calls each twice, to count and to fill, as
// a list of all edges would double the memory.
func newGraph(nodes int, each func(emit func(edge))) *graph {
	g := &graph{start: make([]uint32, nodes+2)}
	each(func(e edge) { g.start[e.from+2]++ })
	for i := 2; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	g.halves = make([]half, g.start[nodes+1])
	each(func(e edge) {
		at := &g.start[e.from+1]
		g.halves[*at] = half{e.to, e.label}
		*at++
	})
	g.start = g.start[:nodes+1]
	return g
}

func (g *graph) nodes() int { return len(g.start) - 1 }

func (g *graph) from(node int32) []half { return g.halves[g.start[node]:g.start[node+1]] }

// edges passes all edges of the history to emit.
func (c *checker) edges(emit func(edge)) {
	safe := func(from, to int32, l label) {
		if from != to && from >= 0 && to >= 0 && c.h.txns[from].committed && c.h.txns[to].committed {
			emit(edge{from, to, l})
		}
	}
	for k := range c.orders {
		c.writeEdges(int32(k), safe)
	}
	for i := range c.reads {
		c.readEdges(&c.reads[i], safe)
	}
	for _, e := range c.explicit {
		safe(e.from, e.to, e.label)
	}
	if c.level.realTime() {
		c.realTimeEdges(safe)
	}
}

func (c *checker) writeEdges(k int32, emit func(from, to int32, l label)) {
	o := &c.orders[k]
	l := newLabel(ww, k, false)
	for i := 1; i < len(o.slots); i++ {
		emit(c.writerAt(k, int32(i-1)), c.writerAt(k, int32(i)), l)
	}
	for _, slot := range o.unread {
		emit(c.writerAt(k, int32(len(o.slots)-1)), c.versions[slot].writer, l)
	}
}

func (c *checker) readEdges(r *read, emit func(from, to int32, l label)) {
	emit(c.writerAt(r.key, r.low), r.txn, newLabel(wr, r.key, r.scanned))
	o := &c.orders[r.key]
	next := newLabel(rw, r.key, r.scanned)
	if int(r.high)+1 < len(o.slots) {
		emit(r.txn, c.writerAt(r.key, r.high+1), next)
		return
	}
	for _, slot := range o.unread {
		emit(r.txn, c.versions[slot].writer, next)
	}
}

// realTimeEdges emits an edge from each transaction to those that began after its acknowledgement, except where two
// other edges say so: the frontier holds those not known to precede one that has ended. It is no longer than the
// number of clients, so the edges are linear in the transactions.
func (c *checker) realTimeEdges(emit func(from, to int32, l label)) {
	frontier := []int32{0}
	l := newLabel(rt, 0, false)
	for _, e := range c.timeline() {
		if e == 0 {
			continue
		}
		if e > 0 {
			for _, f := range frontier {
				emit(f, e, l)
			}
			continue
		}
		t := ^e
		kept := frontier[:0]
		for _, f := range frontier {
			if c.h.txns[f].end > c.h.txns[t].begin {
				kept = append(kept, f)
			}
		}
		frontier = append(kept, t)
	}
}

// timeline lists the events in their order: t where t began, ^t where it was acknowledged, 0 for an event of one that
// did not commit. The initial state, which precedes all, is not in it.
func (c *checker) timeline() []int32 {
	events := make([]int32, c.h.events+1)
	for t := 1; t < len(c.h.txns); t++ {
		x := &c.h.txns[t]
		if !x.committed {
			continue
		}
		events[x.begin] = int32(t)
		if x.outcome == OK {
			events[x.end] = ^int32(t)
		}
	}
	return events
}
