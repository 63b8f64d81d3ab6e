package memtable

import "lightningdb/internal/format/batch"

// MaxRanges is with how many range tombstones a table is full. They take none of its memory, and only where a version
// has them it can be found that one is over nothing any more.
const MaxRanges = 1 << 10

// Fits reports whether Apply has room for this many operations that take this many encoded bytes, in one batch or
// several, whatever their keys are. It counts the worst case, so it may refuse a batch that would just have fitted;
// an empty table of SizeFor bytes always takes it. If it reports true, the table keeps this room for operations, and
// folds only in the room that is left. For the writer only.
func (m *Table) Fits(operations, bytes int) bool {
	need := room{operations, bytes}
	if m.Ranges().Len() >= MaxRanges {
		return false
	}
	if operations > m.index.limit-m.index.keys || m.spare(need) < 0 {
		return false
	}
	m.promised = need
	return true
}

// spare is how many bytes are left in addition to what the operations of r may take; it is negative if they may not
// fit.
func (m *Table) spare(r room) int {
	return len(m.arena.memory) - m.arena.next - m.tree.growthMax(r.operations) - entriesSizeMax(r.operations, r.bytes)
}

// room is a number of operations and of their encoded bytes.
type room struct{ operations, bytes int }

func (r room) atLeast(s room) room {
	return room{max(r.operations, s.operations), max(r.bytes, s.bytes)}
}

// without is what is left of r after op. It subtracts no more bytes than the encoding of op has.
func (r room) without(op *batch.Op) room {
	return room{max(r.operations-1, 0), max(r.bytes-len(op.Key)-len(op.Value), 0)}
}

// SizeFor is a size for New at which an empty table fits b. It may exceed MaxSize.
func SizeFor(b *batch.Batch) int {
	n := b.Count()
	empty := tree{leaves: 1}
	inArena := entriesSizeMax(n, len(b.Bytes())) + leafSize + empty.growthMax(n)
	forArena := (inArena + bytesPerSlot) / 7 * 8
	forIndex := (n/7 + 2) * 8 * bytesPerSlot
	return max(MinSize, forArena+bytesPerSlot, forIndex)
}

// entriesSizeMax bounds the space of the entries of encoded operations. Those are no shorter than key and value.
func entriesSizeMax(operations, bytes int) int {
	return bytes + operations*(entryHeaderHistory+refBytes)
}

// growthMax bounds the space that n new keys take in the tree, entries excluded, in bytes.
//
// A leaf is made with 32 keys at most. It is split when 31 more have come and then one that finds it full: it is
// divided, or extended and divided by the next key. That is two splits by 33 keys at the most. So let a key that is
// to come count 2, a key that a leaf has beyond 32 count 2, and a leaf that was extended 31; each split takes 33
// from the sum of these, and no insert adds to it. splitPotential is the part of the leaves in that sum.
//
// A split leaf makes two leaves and replaces or divides the inner node above. Inner nodes divide likewise: those
// that exist now once each, those made until then after at least 31 splits below them, or as the root. A division
// adds one node and replaces the one above.
func (t *tree) growthMax(n int) int {
	splits := min(n, (t.splitPotential+2*n)/33)
	divisions := min(splits*heightMax, t.inners+splits/15+heightMax)
	return splits*2*leafSize + (splits+2*divisions)*innerSizeMax
}
