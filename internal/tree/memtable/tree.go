package memtable

import (
	"bytes"
	"slices"
	"sync/atomic"

	"lightningdb/internal/format/key"
)

// tree orders the user keys: a B+tree over the first version of each, for one writer and for readers that take no
// lock and never start over.
//
// # Nodes
//
// A leaf takes new keys in the order in which they arrive, after the sorted slots that it was made with; readers
// sort what they find. A slot is written once and published by the count. When a leaf is full, its keys move to two
// new leaves.
//
//	leaf  = state (4 bytes, atomic), skip (4 bytes), slot x leafSlots
//	slot  = head (upper 32 bits), ref of the user key's first version (lower 32 bits)
//	state = count (bits 0-7), sorted: how many leading slots are in order (bits 8-15), extended (bit 16)
//
// An inner node has two or more children in order. Only the addresses of its children change, when a child is
// replaced by another with the same range. When a child becomes two, the node is replaced by a copy; with one child
// too many it becomes two nodes.
//
//	inner = count (4 bytes), skip (4 bytes), head (4 bytes) x count, separator (4 bytes) x count,
//	        child (4 bytes, atomic) x count
//
// A child holds the user keys from its separator on, up to the next separator. Separators are refs of entries. The
// first separator of a node repeats the bound of the node itself, and is none in the leftmost node of a level.
//
// A head is four bytes of a user key after the first skip bytes, which all keys within the bounds of the node share:
// heads that differ decide a comparison without a look at the keys. At the edges of the tree, where a bound is
// missing, the skip of an inner node counts the bytes that its separators share, and a search compares these bytes
// once.
//
// # Why readers find everything
//
// Replaced nodes stay as they were, and the bounds of what a child pointer leads to never change. So a reader that
// loads a pointer gets a complete node that was current at that moment: at every level it can only see more than was
// there when it began. When it arrives at a leaf it knows the leaf's bounds. Separators are never removed, so
// another descent always finds the neighbour of a leaf: to the upper bound, or to what lies just below the lower
// one. The ranges that a reader has visited meet without gap and without overlap, whatever was split meanwhile.
type tree struct {
	root atomic.Uint64 // height (upper 32 bits; 0 = the root is a leaf), ref of the root

	// The writer's counts of live nodes, the potential of the leaves to be split (see growthMax), and its memory for
	// one node and one more.
	leaves, inners int
	splitPotential int
	slots          [leafSlots + 1]uint64
	merged         [leafSlots + 1]uint64
	branches       [innerChildren + 1]branch
}

type branch struct{ separator, child ref }

const (
	leafSlots     = 63 // so that a leaf is 512 bytes
	innerChildren = 64
	heightMax     = 8 // more than 2^32 units of arena can fill

	leafSize      = 8 + leafSlots*8
	innerHeader   = 8
	innerSizeMax  = innerHeader + innerChildren*12
	extended      = 1 << 16 // see extend
	splitPosition = (leafSlots + 1) / 2
)

type leaf struct {
	state uint32
	skip  uint32
	slots [leafSlots]uint64
}

func (m *Table) leaf(r ref) *leaf { return (*leaf)(m.arena.at(r, 0)) }

func countOf(state uint32) int  { return int(state & 0xff) }
func sortedOf(state uint32) int { return int(state >> 8 & 0xff) }

// splitPotentialOf is what a leaf adds to tree.splitPotential.
func splitPotentialOf(state uint32) int {
	beyond := max(0, countOf(state)-splitPosition)
	if state&extended != 0 {
		return beyond
	}
	return 2 * beyond
}

// inner is a view of an inner node.
type inner struct {
	skip       int
	heads      []uint32
	separators []ref
	children   []ref // atomic
}

func (m *Table) inner(r ref) inner {
	n := int(*m.arena.word32(r, 0))
	return inner{
		skip:       int(*m.arena.word32(r, 4)),
		heads:      m.arena.words32(r, innerHeader, n),
		separators: m.arena.refs(r, innerHeader+4*n, n),
		children:   m.arena.refs(r, innerHeader+8*n, n),
	}
}

// node is a node of the tree with its bounds: it holds the user keys from that of low up to, and without, that of
// high. A bound of zero is none.
type node struct{ at, low, high ref }

func head(user []byte, skip int) uint32 { return uint32(key.Head(user, skip) >> 32) }

func makeSlot(user []byte, skip int, first ref) uint64 {
	return uint64(head(user, skip))<<32 | uint64(first)
}

// skip is the number of bytes that all user keys between two bounds share, as far as it is known.
func (m *Table) skip(low, high ref) int {
	if low == 0 || high == 0 {
		return 0
	}
	return key.CommonPrefix(m.userKey(low), m.userKey(high))
}

// childFor is the child of n, a node with the bounds of s, that holds user.
func (m *Table) childFor(n *inner, s node, user []byte) int {
	if n.skip > 0 && (s.low == 0 || s.high == 0) {
		shared := m.userKey(n.separators[1])[:n.skip]
		switch c := bytes.Compare(user[:min(n.skip, len(user))], shared); {
		case c < 0:
			return 0
		case c > 0:
			return len(n.heads) - 1
		}
	}
	h := head(user, n.skip)
	i := lastUpTo(n.heads, h)
	if i > 0 && n.heads[i] == h {
		return m.childAmongEqual(n, user, h, i)
	}
	return i
}

// lastUpTo is the position of the last head that is at most h. The first head is 0. The loop has no branch that the
// processor could mispredict.
func lastUpTo(heads []uint32, h uint32) int {
	i := 0
	for n := len(heads); n > 1; {
		half := n / 2
		if heads[i+half] <= h {
			i += half
		}
		n -= half
	}
	return i
}

// childAmongEqual is childFor where heads equal that of user and decide nothing; last is the last of them.
func (m *Table) childAmongEqual(n *inner, user []byte, h uint32, last int) int {
	lo, hi := 1, last+1 // the first child whose separator is above user is in [lo, hi]
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if n.heads[mid] < h || bytes.Compare(m.userKey(n.separators[mid]), user) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// childBelow is the child of n, a node with the bounds of s, that holds what comes right before user.
func (m *Table) childBelow(n *inner, s node, user []byte) int {
	i := m.childFor(n, s, user)
	if i > 0 && bytes.Equal(m.userKey(n.separators[i]), user) {
		return i - 1
	}
	return i
}

// down is the i-th child of n, a node with the bounds of s.
func (n *inner) down(i int, s node) node {
	high := s.high
	if i+1 < len(n.separators) {
		high = n.separators[i+1]
	}
	return node{loadRef(&n.children[i]), n.separators[i], high}
}

func (m *Table) loadRoot() (s node, height int) {
	root := m.tree.root.Load()
	return node{at: ref(root)}, int(root >> 32)
}

// leafFor is the leaf that holds user.
func (m *Table) leafFor(user []byte) node {
	s, height := m.loadRoot()
	for ; height > 0; height-- {
		n := m.inner(s.at)
		s = n.down(m.childFor(&n, s, user), s)
	}
	return s
}

// leafBelow is the leaf that holds what comes right before user.
func (m *Table) leafBelow(user []byte) node {
	s, height := m.loadRoot()
	for ; height > 0; height-- {
		n := m.inner(s.at)
		s = n.down(m.childBelow(&n, s, user), s)
	}
	return s
}

func (m *Table) firstLeaf() node {
	s, height := m.loadRoot()
	for ; height > 0; height-- {
		n := m.inner(s.at)
		s = n.down(0, s)
	}
	return s
}

func (m *Table) lastLeaf() node {
	s, height := m.loadRoot()
	for ; height > 0; height-- {
		n := m.inner(s.at)
		s = n.down(len(n.children)-1, s)
	}
	return s
}

// less orders two slots of a leaf.
func (m *Table) less(a, b uint64) bool {
	if a>>32 != b>>32 {
		return a>>32 < b>>32
	}
	return bytes.Compare(m.userKey(ref(a)), m.userKey(ref(b))) < 0
}

// sortSlots sorts slots, of which the first sorted ones are in order. room is at least as long as slots. The result
// is in slots or in room. It sorts by heads alone first, and looks at keys where heads are equal.
func (m *Table) sortSlots(slots, room []uint64, sorted int) []uint64 {
	if sorted == len(slots) {
		return slots
	}
	front, tail := slots[:sorted], slots[sorted:]
	for i := 1; i < len(tail); i++ {
		s, j := tail[i], i
		for ; j > 0 && s < tail[j-1]; j-- {
			tail[j] = tail[j-1]
		}
		tail[j] = s
	}
	out := mergeByHead(room[:0], front, tail)
	m.sortEqualHeads(out)
	return out
}

// mergeByHead appends the slots of a and b, both ordered by head, to dst in the order of heads.
func mergeByHead(dst, a, b []uint64) []uint64 {
	for len(a) > 0 && len(b) > 0 {
		if b[0] < a[0] {
			dst, b = append(dst, b[0]), b[1:]
		} else {
			dst, a = append(dst, a[0]), a[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// sortEqualHeads orders slots with equal heads, which follow each other, by their keys.
func (m *Table) sortEqualHeads(slots []uint64) {
	for i := 1; i < len(slots); i++ {
		if slots[i-1]>>32 != slots[i]>>32 {
			continue
		}
		start := i - 1
		for i++; i < len(slots) && slots[i]>>32 == slots[start]>>32; i++ {
		}
		slices.SortFunc(slots[start:i], func(a, b uint64) int {
			return bytes.Compare(m.userKey(ref(a)), m.userKey(ref(b)))
		})
	}
}

// loadLeaf copies the slots of a leaf to room, which is long enough for all of them.
func (m *Table) loadLeaf(r ref, room []uint64) (slots []uint64, sorted, skip int) {
	l := m.leaf(r)
	state := atomic.LoadUint32(&l.state)
	n := countOf(state)
	copy(room, l.slots[:n])
	return room[:n], sortedOf(state), int(l.skip)
}
