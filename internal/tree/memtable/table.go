// Package memtable holds the newest commits in memory: a batch is applied to it once the log has the batch, and it
// is written out as a sorted table when it is full.
//
// A Table is one arena of fixed size, outside the Go heap, with three structures in it:
//
//	entries   one per version, written once; the versions of a user key are linked both ways (entry.go)
//	index     user key -> newest version, a hash table: what Get asks (index.go)
//	tree      the user keys in order, by their first version: what iterators and the flush follow (tree.go)
//
// An overwrite touches the index alone. The memory used never exceeds the size given to New; Fits says whether a batch
// still has room. Nothing in the arena moves or is reused before Reset.
//
// # Concurrency
//
// One goroutine at a time applies batches. Any number of goroutines read meanwhile, without locks. Entries can be
// found as soon as they are written, before their batch is complete: readers name a sequence number and see nothing
// above it, and sequence numbers are published after Apply has returned. Reset and Free need exclusive use: no
// reader, iterator or borrowed byte may be left.
package memtable

import (
	"errors"
	"math/bits"
	"sync/atomic"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/offheap"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/visible"
)

// Table is a memtable. New makes one; the zero value is not usable.
type Table struct {
	arena arena
	index index
	tree  tree
	paths [chunkOps]path // the writer's, for the operations of a chunk
	used  atomic.Int64   // bytes; stored by the writer after each batch
	count atomic.Int64   // entries; stored by the writer after each batch

	ranges atomic.Pointer[ranges.Set] // stored by the writer

	folding  *Folding      // nil to store operands as they are
	folded   []byte        // the writer's memory for a folded value
	chain    operand.Chain // the writer's memory for operands
	promised room          // what Fits promised and Apply has not used yet; the writer's

	known known // values of operands that readers have computed
	since since // what is newer than range tombstones

	small int // bytes at the start that are in small pages; 0 once the table was used
}

// smallStart is how much behind its index a new table has in small pages. The index is touched at random places: in
// huge pages a database of a few entries would take some MiB, and a program that has a thousand of them some GiB. A
// table that is used again is one of a database with more to do, and goes over to huge pages.
const smallStart = 64 << 10

// The smallest table has room for its empty structures and little else; the largest is what refs can address.
const (
	MinSize = 64 << 10
	MaxSize = min(1<<32*refBytes-1, 1<<(bits.UintSize-1)-1)
)

var errSize = errors.New("memtable: size is out of range")

// New returns an empty table that uses up to size bytes, from MinSize to MaxSize. The caller owns it and must Free
// it.
func New(size int) (*Table, error) {
	if size < MinSize || size > MaxSize {
		return nil, errSize
	}
	memory, err := offheap.Alloc(size)
	if err != nil {
		return nil, err
	}
	m := &Table{}
	m.arena = newArena(memory)
	m.index = newIndex(&m.arena)
	m.small = min(m.index.size()+smallStart, size)
	offheap.SmallPages(memory[:m.small])
	m.clear()
	return m, nil
}

// Reset empties the table for reuse and keeps its memory. Reused memory is several times faster than fresh memory.
func (m *Table) Reset() {
	if m.small > 0 {
		offheap.LargePages(m.arena.memory[:m.small])
		offheap.Discard(m.arena.memory[:m.small])
		m.small = 0
	}
	clear(m.index.slots) // where there are no mappings nothing was discarded
	m.clear()
}

// Free gives the memory back. The table must not be used afterwards.
func (m *Table) Free() {
	offheap.Free(m.arena.memory)
	*m = Table{}
}

// clear sets up the structures over an index that is zero.
func (m *Table) clear() {
	m.index.keys = 0
	m.arena.next = m.index.size()
	m.resetTree()
	m.promised = room{}
	m.known.forget()
	m.count.Store(0)
	m.ranges.Store(nil)
	m.since.forget()
	m.used.Store(int64(m.arena.next))
}

// Size is the size given to New, in bytes.
func (m *Table) Size() int { return len(m.arena.memory) }

// Used is the number of bytes taken, the index included, as of the last batch.
func (m *Table) Used() int { return int(m.used.Load()) }

// Count is the number of entries, all versions included, as of the last batch. A range tombstone is none.
func (m *Table) Count() int { return int(m.count.Load()) }

// Get looks up the newest version of user that reader sees, and returns its effect, Skip if there is none. hash is
// key.Hash(user). If the version is shown, its value is appended to dst, with its end before it if it ends;
// otherwise out is dst. Nothing returned borrows
// from the table.
func (m *Table) Get(dst, user []byte, hash uint64, reader visible.Reader) (out []byte, effect visible.Effect) {
	e := m.index.find(m, user, hash)
	if e != 0 {
		e = m.newestUpTo(e, key.MakeTrailer(reader.Seq, key.KindMax))
	}
	if e == 0 {
		return dst, visible.Skip
	}
	if effect = reader.Of(m.trailer(e)); effect != visible.Show && effect != visible.Until {
		return dst, effect
	}
	return append(dst, m.value(e)...), effect
}

// Version is one version of a user key in a table; the zero value is none.
type Version struct {
	m *Table
	e ref
}

// Find returns the newest version of user that is not above seq, or none. hash is key.Hash(user).
func (m *Table) Find(user []byte, hash uint64, seq key.SeqNum) Version {
	e := m.index.find(m, user, hash)
	if e != 0 {
		e = m.newestUpTo(e, key.MakeTrailer(seq, key.KindMax))
	}
	return Version{m, e}
}

// Exists reports whether v is a version; if not, nothing else may be asked.
func (v Version) Exists() bool { return v.e != 0 }

// Trailer is the sequence number and the kind of v.
func (v Version) Trailer() key.Trailer { return v.m.trailer(v.e) }

// Value is the value of v, or the operand. It is borrowed from the table.
func (v Version) Value() []byte { return v.m.value(v.e) }

// Older is the next older version of the same key, or none.
func (v Version) Older() Version { return Version{v.m, v.m.older(v.e)} }

// chunkOps is how many operations are applied together, so that their cache misses overlap.
const chunkOps = 16

// Apply adds the operations of b; the first has sequence number first, each further one the next. Sequence numbers
// rise from call to call. The caller has seen Fits report true since the last change of the table. b is not kept.
//
// After FoldBy, a merge is stored as a put of its result if that is known and short.
func (m *Table) Apply(b *batch.Batch, first key.SeqNum) {
	m.promised = m.promised.atLeast(room{b.Count(), len(b.Bytes())})
	m.since.begin(first)
	var ops [chunkOps]batch.Op
	n := 0
	for op := range b.Ops() {
		if op.Kind == key.KindRangeDelete {
			m.applyChunk(ops[:n], first)
			first += key.SeqNum(n) + 1
			n = 0
			m.AddRange(ranges.Tombstone{Span: op.Span(), Seq: first - 1})
			continue
		}
		ops[n] = op
		if n++; n == chunkOps {
			m.applyChunk(ops[:n], first)
			first += chunkOps
			n = 0
		}
	}
	m.applyChunk(ops[:n], first)
	m.used.Store(int64(m.arena.next))
	m.count.Add(int64(b.Count() - b.Ranges()))
}

// applyChunk first finds the index slots and the leaves of all operations, without waiting for the memory of one
// before it asks for the next, then adds them in order.
func (m *Table) applyChunk(ops []batch.Op, first key.SeqNum) {
	var hashes, homes [chunkOps]uint64
	for i := range ops {
		hashes[i] = key.Hash(ops[i].Key)
		homes[i] = m.index.touch(hashes[i])
	}
	for i := range ops {
		before := &m.paths[max(i-1, 0)]
		switch {
		case homes[i]>>32 == hashes[i]&(1<<32-1): // most likely an overwrite
			m.paths[i].stale()
		case m.isLast(before, ops[i].Key): // keys that come in order
			m.paths[i] = *before
		default:
			m.descend(&m.paths[i], ops[i].Key)
		}
	}
	for i := range ops {
		m.add(&ops[i], hashes[i], first+key.SeqNum(i), &m.paths[i])
	}
}

// add publishes one version. A new user key enters the tree before the index, so that a reader who finds a second
// version of a key in the list finds the key in the index.
func (m *Table) add(op *batch.Op, hash uint64, seq key.SeqNum, p *path) {
	i, older := m.index.locate(m, op.Key, hash)
	kind, value := op.Kind, op.Value
	if m.folding != nil && visible.OfKind(kind) == visible.Fold {
		kind, value = m.fold(op, older)
	}
	e := m.writeEntry(op.Key, value, key.MakeTrailer(seq, kind), older)
	if m.since.recent.Load() != nil {
		m.noteSince(op.Key, e)
	}
	if older == 0 {
		m.index.keys++
		m.insertKey(p, op.Key, e)
	} else {
		m.supersede(older, e)
	}
	m.index.publish(i, hash, e)
	m.promised = m.promised.without(op)
}
