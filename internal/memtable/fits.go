package memtable

import "lightningdb/internal/batch"

// Fits reports whether Apply has room for b, whatever its keys are. It counts the worst case, so it may refuse a batch
// that would just have fitted; an empty table of SizeFor(b) bytes always takes it. For the writer only.
func (m *Table) Fits(b *batch.Batch) bool {
	return b.Count() <= m.index.limit-m.index.keys &&
		entriesSizeMax(b) <= len(m.arena.memory)-m.arena.next-m.tree.growthMax(b.Count())
}

// SizeFor is a size for New at which an empty table fits b. It may exceed MaxSize.
func SizeFor(b *batch.Batch) int {
	n := b.Count()
	empty := tree{leaves: 1}
	inArena := entriesSizeMax(b) + leafSize + empty.growthMax(n)
	forArena := (inArena + bytesPerSlot) / 7 * 8
	forIndex := (n/7 + 2) * 8 * bytesPerSlot
	return max(MinSize, forArena+bytesPerSlot, forIndex)
}

// entriesSizeMax bounds the space of b's entries. An encoded operation is no shorter than its key and value.
func entriesSizeMax(b *batch.Batch) int {
	return len(b.Bytes()) + b.Count()*(entryHeaderHistory+unit)
}

// growthMax bounds the space that n new keys take in the tree, entries excluded, in bytes.
//
// A key splits one leaf at most. A leaf that is there now may do so twice, by extension and by division. A leaf made by
// then has room for 30 keys at least before it does the same. A split leaf makes two leaves and replaces or divides the
// inner node above. Inner nodes divide likewise: those that are there now once each, those made by then after 31
// splits below them at least, or as the root. A division adds one node more and replaces the one above.
func (t *tree) growthMax(n int) int {
	splits := min(n, 2*t.leaves+n/15)
	divisions := min(splits*heightMax, t.inners+splits/15+heightMax)
	return splits*2*leafSize + (splits+2*divisions)*innerSizeMax
}
