package memtable

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/prefetch"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
)

// Iterator moves over all versions in a table, in the order of internal keys, in both directions. The writer may
// write at the same time: the iterator meets every entry that was published when it was last positioned by First,
// Last or a seek, exactly once, and may or may not meet later ones; their sequence numbers tell. It is for one
// goroutine at a time.
//
// Keys and values borrow from the table and stay valid until the table is reset.
//
// It keeps a sorted copy of the slots of one leaf, and crosses to the next one by a descent from the root to the bound
// of the copy (see tree).
type Iterator struct {
	m       *Table
	at      ref  // the current entry; none when invalid
	leaf    node // where the copy was made
	skip    int
	pos     int // the slot of the current entry's user key
	n       int
	slots   []uint64 // sorted: buffers[0] or buffers[1]
	buffers [2][leafSlots]uint64
}

// NewIterator returns an iterator that is not positioned. It need not be closed.
func (m *Table) NewIterator() *Iterator { return &Iterator{m: m} }

// Reset makes it, a used iterator or a zero one, an iterator over m that is not positioned.
func (it *Iterator) Reset(m *Table) { it.m, it.at = m, 0 }

// Valid reports whether the iterator is at an entry.
func (it *Iterator) Valid() bool { return it.at != 0 }

// Key is the current internal key. The iterator must be valid.
func (it *Iterator) Key() key.Internal {
	return key.Internal{User: it.m.userKey(it.at), Trailer: it.m.trailer(it.at)}
}

// Value is the current value; the error is always nil. The iterator must be valid.
func (it *Iterator) Value() ([]byte, error) { return it.m.value(it.at), nil }

// Extent implements merge.Iterator: no value is in a file.
func (it *Iterator) Extent() (page.Reference, bool) { return page.Reference{}, false }

// Chunk implements merge.Iterator: Extent never tells of one.
func (it *Iterator) Chunk(dst []byte, _ int) ([]byte, error) {
	return append(dst, it.m.value(it.at)...), nil
}

// Err is always nil: memory does not fail.
func (it *Iterator) Err() error { return nil }

// Close makes the iterator invalid. It may be positioned again, or Reset.
func (it *Iterator) Close() error {
	it.at = 0
	return nil
}

// First moves to the first entry. It reports whether there is one.
func (it *Iterator) First() bool {
	it.load(it.m.firstLeaf())
	return it.forwardFrom(0)
}

// Last moves to the last entry. It reports whether there is one.
func (it *Iterator) Last() bool {
	it.load(it.m.lastLeaf())
	return it.backwardFrom(it.n - 1)
}

// SeekGE moves to the first entry that is not before k. It reports whether there is one.
func (it *Iterator) SeekGE(k key.Internal) bool {
	pos, same := it.seek(k.User)
	for i := range lookAheadKeys {
		it.prefetch(pos + i)
	}
	if same {
		if e := it.m.newestUpTo(it.m.newest(ref(it.slots[pos])), k.Trailer); e != 0 {
			it.pos, it.at = pos, e
			return true
		}
		pos++
	}
	return it.forwardFrom(pos)
}

// SeekLT moves to the last entry before k. It reports whether there is one.
func (it *Iterator) SeekLT(k key.Internal) bool {
	pos, same := it.seek(k.User)
	if !same {
		return it.backwardFrom(pos - 1)
	}
	first := ref(it.slots[pos])
	e := it.m.newestUpTo(it.m.newest(first), k.Trailer)
	if e == 0 {
		it.pos, it.at = pos, first
		return true
	}
	if e = it.m.newer(e); e != 0 {
		it.pos, it.at = pos, e
		return true
	}
	return it.backwardFrom(pos - 1)
}

// Next moves to the entry after the current one. It reports whether there is one; if not, or if the iterator is not
// valid, the iterator is invalid afterwards.
func (it *Iterator) Next() bool {
	if it.at == 0 {
		return false
	}
	if older := it.m.older(it.at); older != 0 {
		it.at = older
		return true
	}
	return it.forwardFrom(it.pos + 1)
}

// Prev moves to the entry before the current one. It reports whether there is one; if not, or if the iterator is not
// valid, the iterator is invalid afterwards.
func (it *Iterator) Prev() bool {
	if it.at == 0 {
		return false
	}
	if newer := it.m.newer(it.at); newer != 0 {
		it.at = newer
		return true
	}
	return it.backwardFrom(it.pos - 1)
}

// NextBatch implements merge.Iterator. A batch ends with its leaf, and before a user key that has several versions.
func (it *Iterator) NextBatch(dst []merge.Entry, end key.Internal) int { return it.batch(dst, end, 1) }

// PrevBatch implements merge.Iterator.
func (it *Iterator) PrevBatch(dst []merge.Entry, end key.Internal) int { return it.batch(dst, end, -1) }

// Pinned implements merge.Iterator. Entries of a memtable stay where they are.
func (it *Iterator) Pinned() bool { return it.pos+1 < it.n || it.leaf.high != 0 }

func (it *Iterator) batch(dst []merge.Entry, end key.Internal, step int) int {
	n := 0
	for pos := it.pos; uint(pos) < uint(it.n) && n < len(dst) && it.lend(&dst[n], pos); pos += step {
		if !end.Zero() && key.Compare(dst[n].Key, end)*step >= 0 {
			break
		}
		it.pos, it.at = pos, ref(it.slots[pos])
		n++
	}
	return n
}

// lend makes dst the version of the user key at pos, if it has a single one that may be in a batch.
func (it *Iterator) lend(dst *merge.Entry, pos int) bool {
	e := ref(it.slots[pos])
	if it.m.newer(e) != 0 {
		return false
	}
	t := it.m.trailer(e)
	if t.Kind() > key.KindPut {
		return false
	}
	dst.Key = key.Internal{User: it.m.userKey(e), Trailer: t}
	dst.Value = it.m.value(e)
	return true
}

// forwardFrom moves to the newest version of the user key at pos, or of the first one in the leaves that follow.
func (it *Iterator) forwardFrom(pos int) bool {
	for pos >= it.n {
		if it.leaf.high == 0 {
			it.at = 0
			return false
		}
		it.load(it.m.leafFor(it.m.userKey(it.leaf.high)))
		pos = 0
	}
	it.prefetch(pos + lookAheadKeys)
	it.pos, it.at = pos, it.m.newest(ref(it.slots[pos]))
	return true
}

// backwardFrom moves to the first version of the user key at pos, or of the last one in the leaves that come before.
func (it *Iterator) backwardFrom(pos int) bool {
	for pos < 0 {
		if it.leaf.low == 0 {
			it.at = 0
			return false
		}
		it.load(it.m.leafBelow(it.m.userKey(it.leaf.low)))
		pos = it.n - 1
	}
	it.prefetch(pos - lookAheadKeys)
	it.pos, it.at = pos, ref(it.slots[pos])
	return true
}

// A moving iterator prefetches the entry lookAheadKeys user keys away: prefetchBytes of it, which is all of most
// entries.
const (
	lookAheadKeys = 4
	prefetchBytes = 256
)

// prefetch asks for the memory of the entry at pos, if there is one.
func (it *Iterator) prefetch(pos int) {
	if uint(pos) < uint(it.n) {
		prefetch.Bytes(it.m.arena.at(ref(it.slots[pos]), 0), prefetchBytes)
	}
}

// seek loads the leaf of user and returns the position of the first user key that is not below it, which may be after
// the last, and whether it is user.
func (it *Iterator) seek(user []byte) (pos int, same bool) {
	it.load(it.m.leafFor(user))
	h := uint64(head(user, it.skip))
	lo, hi := 0, it.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		s := it.slots[mid]
		if s>>32 < h || s>>32 == h && bytes.Compare(it.m.userKey(ref(s)), user) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < it.n && it.slots[lo]>>32 == h && bytes.Equal(it.m.userKey(ref(it.slots[lo])), user)
}

// load copies the leaf s and sorts the copy.
func (it *Iterator) load(s node) {
	slots, sorted, skip := it.m.loadLeaf(s.at, it.buffers[0][:])
	it.slots = it.m.sortSlots(slots, it.buffers[1][:], sorted)
	it.leaf, it.n, it.skip = s, len(slots), skip
}
