package isolation

import "slices"

// findCycles reports one cycle of each component of transactions that have no order, of the worst name it has.
func (c *checker) findCycles() {
	g := newGraph(len(c.h.txns), c.edges)
	c.report.Edges = len(g.halves)
	kinds := setOf(ww, wr, rw, rt) // rt edges are in the graph only if the level has them
	whole := view{g: g, kinds: kinds, apart: !c.level.serial()}
	for _, component := range whole.components() {
		members := component
		for i := range members {
			members[i] = whole.base(members[i])
		}
		slices.Sort(members)
		p := newPart(g, slices.Compact(members))
		c.reportCycle(joinTime(p.worst(c.level)))
	}
}

// part is the graph of one component, with nodes numbered from 0.
type part struct {
	members []int32 // node to transaction
	g       *graph
	steps   int // left for the search in hand

	parents []parent // of a breadth-first search, by node of the view
	visit   int32
	queue   []int32
}

type parent struct {
	visit int32 // the search that found it
	node  int32
	label label
}

// searchSteps bounds each search for a shortest cycle. In a component of some hundred transactions it is never reached;
// in a larger one, a cycle may be shown that is not the shortest or has a weaker name than the worst one there.
const searchSteps = 20_000_000

func newPart(g *graph, members []int32) *part {
	number := make(map[int32]int32, len(members))
	for i, m := range members {
		number[m] = int32(i)
	}
	inner := newGraph(len(members), func(emit func(edge)) {
		for i, m := range members {
			for _, h := range g.from(m) {
				if to, ok := number[h.to]; ok {
					emit(edge{int32(i), to, h.label})
				}
			}
		}
	})
	return &part{members: members, g: inner, parents: make([]parent, 2*len(members))}
}

// worst returns a shortest cycle of the worst name in the part. Cycles without real time come first.
func (p *part) worst(level Level) []edge {
	for _, time := range []reasons{0, setOf(rt)} {
		for _, kinds := range []reasons{setOf(ww), setOf(ww, wr)} {
			if cycle := p.shortest(view{g: p.g, kinds: kinds | time}); cycle != nil {
				return cycle
			}
		}
		if cycle := p.single(setOf(ww, wr) | time); cycle != nil {
			return cycle
		}
		if cycle := p.shortest(view{g: p.g, kinds: setOf(ww, wr, rw) | time, apart: true}); cycle != nil {
			return cycle
		}
		if !level.serial() {
			continue
		}
		for _, items := range []bool{true, false} {
			if cycle := p.shortest(view{g: p.g, kinds: setOf(ww, wr, rw) | time, items: items}); cycle != nil {
				return cycle
			}
		}
	}
	panic("isolation: a component without a cycle")
}

// shortest returns a shortest cycle of v, or nil if there is none.
func (p *part) shortest(v view) []edge {
	var best []edge
	p.steps = searchSteps
	for _, component := range v.components() {
		for _, node := range component {
			if best != nil && (len(best) == 2 || p.steps <= 0) {
				return best
			}
			best = shorter(best, p.walk(v, node, node))
		}
	}
	return best
}

// single returns a shortest cycle of one rw edge and others of kinds, or nil if none is found.
func (p *part) single(kinds reasons) []edge {
	var best []edge
	p.steps = searchSteps
	for from := range int32(p.g.nodes()) {
		for _, h := range p.g.from(from) {
			if h.label.reason() != rw || len(best) == 2 || p.steps <= 0 {
				continue
			}
			if way := p.walk(view{g: p.g, kinds: kinds}, h.to, from); way != nil {
				best = shorter(best, append([]edge{{p.members[from], p.members[h.to], h.label}}, way...))
			}
		}
	}
	return best
}

func shorter(a, b []edge) []edge {
	if a == nil || b != nil && len(b) < len(a) {
		return b
	}
	return a
}

// walk returns the edges of a shortest way from one node of v to another one, or back to the same, by breadth-first
// search.
func (p *part) walk(v view, from, to int32) []edge {
	p.visit++
	p.queue = append(p.queue[:0], from)
	for i := 0; i < len(p.queue); i++ {
		node := p.queue[i]
		for next, l, cursor := v.next(node, 0); next >= 0; next, l, cursor = v.next(node, cursor) {
			p.steps--
			if p.parents[next].visit == p.visit {
				continue
			}
			p.parents[next] = parent{p.visit, node, l}
			if next == to {
				return p.trace(v, from, to)
			}
			p.queue = append(p.queue, next)
		}
	}
	return nil
}

// trace follows the parents back from one node to another one.
func (p *part) trace(v view, from, to int32) []edge {
	var way []edge
	for node := to; ; {
		above := p.parents[node]
		way = append(way, edge{p.members[v.base(above.node)], p.members[v.base(node)], above.label})
		node = above.node
		if node == from {
			slices.Reverse(way)
			return way
		}
	}
}

// joinTime makes one edge of two rt edges in a row: the first transaction precedes the last one by itself.
func joinTime(cycle []edge) []edge {
	joined := cycle[:1]
	for _, e := range cycle[1:] {
		last := &joined[len(joined)-1]
		if last.label.reason() == rt && e.label.reason() == rt {
			last.to = e.to
			continue
		}
		joined = append(joined, e)
	}
	return joined
}

// nameCycle returns the name of a cycle.
func nameCycle(cycle []edge) Name {
	var seen reasons
	dependencies, adjacent, scanned := 0, false, false
	for i, e := range cycle {
		r := e.label.reason()
		seen |= setOf(r)
		if r == rw {
			dependencies++
			scanned = scanned || e.label.scanned()
			adjacent = adjacent || cycle[(i+1)%len(cycle)].label.reason() == rw
		}
	}
	name := G0
	switch {
	case dependencies == 1:
		name = GSingle
	case dependencies > 1 && !adjacent:
		name = GNonadjacent
	case dependencies > 1 && scanned:
		name = G2
	case dependencies > 1:
		name = G2Item
	case seen.has(wr):
		name = G1c
	}
	if seen.has(rt) {
		name += realtime
	}
	return name
}
