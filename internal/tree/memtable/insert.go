package memtable

import (
	"bytes"
	"sync/atomic"
)

// step is an inner node on the way from the root to a leaf, and which of its children came next.
type step struct {
	node
	child int
}

// path leads from the root to a leaf. It is stale once a leaf of the tree was split.
type path struct {
	steps  [heightMax]step
	n      int
	leaf   node
	leaves int // number of leaves in the tree when the path was taken; while it is the same, so are the nodes
}

// stale makes p lead nowhere.
func (p *path) stale() { p.leaves = 0 }

// isLast reports whether p leads to the last leaf of the tree, and user belongs there.
func (m *Table) isLast(p *path, user []byte) bool {
	return p.leaves == m.tree.leaves && p.leaf.high == 0 &&
		(p.leaf.low == 0 || bytes.Compare(user, m.userKey(p.leaf.low)) >= 0)
}

func (m *Table) resetTree() {
	for i := range m.paths {
		m.paths[i].stale()
	}
	m.tree.leaves, m.tree.inners, m.tree.splitPotential = 0, 0, 0
	m.tree.root.Store(uint64(m.newLeaf(0, nil)))
}

// descend makes p the path to the leaf that holds user, and asks for the leaf's memory without waiting for it.
func (m *Table) descend(p *path, user []byte) {
	s, height := m.loadRoot()
	p.n, p.leaves = 0, m.tree.leaves
	for ; height > 0; height-- {
		n := m.inner(s.at)
		i := m.childFor(&n, s, user)
		p.steps[p.n] = step{s, i}
		p.n++
		s = n.down(i, s)
	}
	p.leaf = s
	l := m.leaf(s.at)
	_ = atomic.LoadUint32(&l.state)
	_ = atomic.LoadUint64(&l.slots[leafSlots*3/4]) // about where the next key will go
}

// insertKey adds a user key that the tree does not hold, by its first version. p is the path to its leaf, or stale.
func (m *Table) insertKey(p *path, user []byte, first ref) {
	if p.leaves != m.tree.leaves {
		m.descend(p, user)
	}
	l := m.leaf(p.leaf.at)
	if slot := makeSlot(user, int(l.skip), first); !m.appendSlot(l, slot) {
		m.split(p, p.leaf, slot)
	}
}

// appendSlot publishes slot in l. It reports false if l is full.
func (m *Table) appendSlot(l *leaf, slot uint64) bool {
	state := l.state // the writer's own stores
	n := countOf(state)
	if n == leafSlots {
		return false
	}
	l.slots[n] = slot
	if n >= splitPosition {
		m.tree.splitPotential += 2
	}
	if sortedOf(state) == n && (n == 0 || m.less(l.slots[n-1], slot)) {
		state += 1 << 8
	}
	atomic.StoreUint32(&l.state, state+1)
	return true
}

// split makes room in the tree for a slot whose leaf is full.
func (m *Table) split(p *path, s node, slot uint64) {
	l := m.leaf(s.at)
	if sortedOf(l.state) == leafSlots && l.state&extended == 0 && m.less(l.slots[leafSlots-1], slot) {
		m.extend(p, s, slot)
		return
	}
	old := append(m.tree.slots[:0], l.slots[:]...)
	slots := m.sortSlots(append(old, slot), m.tree.merged[:], sortedOf(l.state))
	middle := ref(slots[splitPosition])
	left := m.rewriteLeaf(node{0, s.low, middle}, slots[:splitPosition], l.skip)
	right := m.rewriteLeaf(node{0, middle, s.high}, slots[splitPosition:], l.skip)
	m.tree.leaves--
	m.tree.splitPotential -= splitPotentialOf(l.state)
	m.replaceChild(p, left, middle, right)
}

// extend puts slot into a new leaf after the full leaf s, which stays as it is: keys that arrive in order leave full
// leaves behind. It happens to a leaf once. The next key in its range splits it; otherwise keys that arrive in
// descending order right above it would get a leaf each.
func (m *Table) extend(p *path, s node, slot uint64) {
	l := m.leaf(s.at)
	m.tree.splitPotential -= splitPotentialOf(l.state)
	atomic.StoreUint32(&l.state, l.state|extended)
	m.tree.splitPotential += splitPotentialOf(l.state)
	first := ref(slot)
	right := m.rewriteLeaf(node{0, first, s.high}, []uint64{slot}, l.skip)
	m.replaceChild(p, s.at, first, right)
}

// rewriteLeaf makes a leaf with the bounds of s from sorted slots with heads after skip bytes.
func (m *Table) rewriteLeaf(s node, slots []uint64, skip uint32) ref {
	if now := m.skip(s.low, s.high); now != int(skip) {
		skip = uint32(now)
		for i, slot := range slots {
			slots[i] = makeSlot(m.userKey(ref(slot)), now, ref(slot))
		}
	}
	return m.newLeaf(skip, slots)
}

func (m *Table) newLeaf(skip uint32, slots []uint64) ref {
	r := m.arena.take(leafSize)
	l := m.leaf(r)
	n := uint32(len(slots))
	atomic.StoreUint32(&l.state, n<<8|n)
	l.skip = skip
	copy(l.slots[:], slots)
	m.tree.leaves++
	return r
}

// replaceChild puts two nodes in the place of the one at the end of p: left, which has its lower bound, and right,
// which starts at separator. A parent that is full becomes two nodes, and so on up to the root.
func (m *Table) replaceChild(p *path, left, separator, right ref) {
	for p.n > 0 {
		p.n--
		parent := p.steps[p.n]
		branches := m.branchesWith(parent, left, separator, right)
		if len(branches) <= innerChildren {
			m.publishNode(p, m.copyInner(parent, separator, branches))
			return
		}
		half := len(branches) / 2
		separator = branches[half].separator
		left = m.newInner(node{0, parent.low, separator}, branches[:half])
		right = m.newInner(node{0, separator, parent.high}, branches[half:])
		m.tree.inners--
	}
	height := m.tree.root.Load()>>32 + 1
	root := m.newInner(node{}, []branch{{0, left}, {separator, right}})
	m.tree.root.Store(height<<32 | uint64(root))
}

// branchesWith returns parent's branches, with left and right in the place of the child of that step.
func (m *Table) branchesWith(parent step, left, separator, right ref) []branch {
	n := m.inner(parent.at)
	out := m.tree.branches[:0]
	for i, s := range n.separators {
		out = append(out, branch{s, n.children[i]})
		if i == parent.child {
			out[i].child = left
			out = append(out, branch{separator, right})
		}
	}
	return out
}

// publishNode makes the end of p lead to the node at.
func (m *Table) publishNode(p *path, at ref) {
	if p.n == 0 {
		height := m.tree.root.Load() >> 32
		m.tree.root.Store(height<<32 | uint64(at))
		return
	}
	parent := p.steps[p.n-1]
	n := m.inner(parent.at)
	storeRef(&n.children[parent.child], at)
}

// copyInner is newInner for a node that replaces old: it has the same bounds, one branch more, and mostly the same
// heads.
func (m *Table) copyInner(old step, separator ref, branches []branch) ref {
	m.tree.inners--
	n := m.inner(old.at)
	if n.skip != m.innerSkip(old.node, branches) {
		return m.newInner(old.node, branches)
	}
	r, to := m.takeInner(n.skip, branches)
	at := old.child + 1
	copy(to.heads, n.heads[:at])
	to.heads[at] = head(m.userKey(separator), n.skip)
	copy(to.heads[at+1:], n.heads[at:])
	return r
}

// innerSkip is the skip of an inner node with the bounds of s.
func (m *Table) innerSkip(s node, branches []branch) int {
	if s.low == 0 || s.high == 0 {
		return m.skip(branches[1].separator, branches[len(branches)-1].separator)
	}
	return m.skip(s.low, s.high)
}

// newInner makes an inner node with the bounds of s.
func (m *Table) newInner(s node, branches []branch) ref {
	skip := m.innerSkip(s, branches)
	r, to := m.takeInner(skip, branches)
	for i, b := range branches {
		if b.separator == 0 {
			to.heads[i] = 0
			continue
		}
		to.heads[i] = head(m.userKey(b.separator), skip)
	}
	return r
}

// takeInner makes an inner node that lacks only its heads.
func (m *Table) takeInner(skip int, branches []branch) (ref, inner) {
	r := m.arena.take(innerHeader + 12*len(branches))
	*m.arena.word32(r, 0) = uint32(len(branches))
	*m.arena.word32(r, 4) = uint32(skip)
	to := m.inner(r)
	for i, b := range branches {
		to.separators[i], to.children[i] = b.separator, b.child
	}
	m.tree.inners++
	return r, to
}
