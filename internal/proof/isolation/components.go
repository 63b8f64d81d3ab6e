package isolation

// view is a graph with some of its edges. With apart, no rw edge follows another one: node n is then two nodes, 2n
// for a transaction that was reached by another edge and 2n+1 for one reached by rw, which is left by other edges
// only. A cycle of it is what snapshot isolation excludes (Cerone and Gotsman, "Analysing Snapshot Isolation", 2016).
type view struct {
	g     *graph
	kinds reasons
	apart bool
	items bool // without the rw edges of scans
}

func (v view) nodes() int {
	if v.apart {
		return 2 * v.g.nodes()
	}
	return v.g.nodes()
}

// base is the node of the graph that node of the view stands for.
func (v view) base(node int32) int32 {
	if v.apart {
		return node >> 1
	}
	return node
}

// next returns the first successor of node from the cursor on, the label of the edge to it, and the cursor behind it.
// It is -1 if there is none.
func (v view) next(node int32, cursor uint32) (int32, label, uint32) {
	halves := v.g.from(v.base(node))
	for ; int(cursor) < len(halves); cursor++ {
		h := halves[cursor]
		r := h.label.reason()
		switch {
		case !v.kinds.has(r) || v.items && r == rw && h.label.scanned():
		case !v.apart:
			return h.to, h.label, cursor + 1
		case r != rw:
			return 2 * h.to, h.label, cursor + 1
		case node&1 == 0:
			return 2*h.to + 1, h.label, cursor + 1
		}
	}
	return -1, 0, cursor
}

// components returns the strongly connected components of more than one node, by Tarjan's algorithm with a stack of its
// own: the depth is that of the history.
func (v view) components() [][]int32 {
	s := &search{view: v, number: make([]int32, v.nodes()), low: make([]int32, v.nodes())}
	for node := range s.number {
		if s.number[node] == 0 {
			s.from(int32(node))
		}
	}
	return s.found
}

// search is the state of Tarjan's algorithm.
type search struct {
	view   view
	number []int32 // in the order of discovery, from 1; 0 if not discovered
	low    []int32 // the lowest number known to be reachable; done if the component is known
	count  int32
	path   []frame // from the root of the search to the node in hand
	open   []int32 // discovered, component not known
	found  [][]int32
}

const done = 1<<31 - 1

type frame struct {
	node   int32
	cursor uint32
}

func (s *search) from(root int32) {
	s.enter(root)
	for len(s.path) > 0 {
		top := &s.path[len(s.path)-1]
		to, _, cursor := s.view.next(top.node, top.cursor)
		top.cursor = cursor
		switch {
		case to < 0:
			s.leave(top.node)
		case s.number[to] == 0:
			s.enter(to)
		case s.low[to] != done:
			s.low[top.node] = min(s.low[top.node], s.number[to])
		}
	}
}

func (s *search) enter(node int32) {
	s.count++
	s.number[node], s.low[node] = s.count, s.count
	s.open = append(s.open, node)
	s.path = append(s.path, frame{node: node})
}

func (s *search) leave(node int32) {
	s.path = s.path[:len(s.path)-1]
	if s.low[node] == s.number[node] {
		s.close(node)
		return
	}
	above := s.path[len(s.path)-1].node // there is one: a root reaches nothing lower than itself
	s.low[above] = min(s.low[above], s.low[node])
}

// close takes the component that was discovered from node on.
func (s *search) close(node int32) {
	i := len(s.open) - 1
	for ; s.open[i] != node; i-- {
		s.low[s.open[i]] = done
	}
	s.low[node] = done
	if len(s.open)-i > 1 {
		s.found = append(s.found, append([]int32(nil), s.open[i:]...))
	}
	s.open = s.open[:i]
}
