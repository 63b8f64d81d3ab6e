package txn

import (
	"bytes"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/visible"
)

// maxChunkKeys is the most keys that a chunk of Writes holds.
const maxChunkKeys = 256

// Writes is the write set of a transaction: for each key written, what the commit will make of it. Keys are kept in
// order, in chunks of up to maxChunkKeys, so that an insert into a set of a million keys costs about as much as one
// into a set of ten. The zero value is empty. It owns copies of all it is given.
type Writes struct {
	Rules operand.Rules // how merges fold
	Gaps  bool          // remember every gap that an iterator passes, however short: for tests

	Clock Clock             // by whose time writes end
	Seen  *visible.Earliest // the ends of what is read of the set; nil if nobody wants to know

	chunks     [][]*Write  // each sorted and not empty; every key of one before every key of the next
	count      int         // keys in memory, also those whose writes were rolled back
	size       int         // the memory that the set takes, in bytes, about
	undo       []undone    // what RollbackTo puts back; kept only while there is a savepoint
	savepoints []savepoint // by number
	change     uint64      // counts changes, so that iterators know when to look again

	spare  []*Write // memory for the first chunk
	writes []Write  // memory for the first writes, used from the front
	text   []byte   // memory for the first keys and values, used from the front

	spills       []tieredSpill // what did not fit into memory, oldest first; memory is newer than all of them
	spillChanges uint64        // counts changes of spills
	serial       key.SeqNum    // the sequence number of the newest spill or range

	deleted        *ranges.Set // the ranges that were deleted since the last spill: over the snapshot and all spills
	spilledDeleted *ranges.Set // those before it: over the snapshot and older spills. Empty if there are no spills

	gaps        *gap.Gaps  // where iterators over memory and disk have found nothing; nil: nowhere
	spilledGaps *gap.Gaps  // the same for what is on disk alone
	gapsSeq     key.SeqNum // the snapshot in which that holds
}

// savepoint is a state of the set: its first spills, and the memory as it was when undo had this length.
type savepoint struct {
	spills int // how many
	undo   int // -1: memory was empty

	deleted *ranges.Set // of the set, or spilledDeleted of it if memory was empty
	serial  key.SeqNum  // ranges of later have higher ones
}

// Write is the newest state of one key in a transaction.
type Write struct {
	Key   []byte
	Kind  key.Kind
	Value []byte
	Live  bool // false: the write was rolled back, and the key is as in the snapshot

	Spilled bool // it was found on disk

	Merged [][]byte // operands over a put until, in order; see Writes.MergeOver
	End    key.Time // as See returns it: until when the value is there; 0 if it does not end
}

// Hides reports whether the key has no value for the transaction. A write that ends is asked as See returns it.
func (w *Write) Hides() bool { return w.effect() == visible.Hide && len(w.Merged) == 0 }

// Folds reports whether Value is an operand, to be applied to what the snapshot has.
func (w *Write) Folds() bool { return w.effect() == visible.Fold }

// effect is that on the transaction itself: it sees its writes, which have no sequence number, whatever it reads at.
func (w *Write) effect() visible.Effect { return visible.Reader{}.Of(key.MakeTrailer(0, w.Kind)) }

// undone is the state of a write before it was changed.
type undone struct {
	write   *Write
	was     Write
	dropped bool // it has left memory since
}

// A small set takes the memory for its writes, keys and values from two pieces, which Reset keeps.
const (
	keptWrites    = 16
	keptTextBytes = 2 << 10
)

// writeOverheadBytes is about the memory that a write takes besides its key and value.
const writeOverheadBytes = 128

// Put records "set k to v".
func (w *Writes) Put(k, v []byte) { w.set(k, key.KindPut, v) }

// Delete records "remove k".
func (w *Writes) Delete(k []byte) { w.set(k, key.KindDelete, nil) }

// Merge records "change k by operand" in place of what memory has recorded for k. If that was a merge too, the
// caller has joined the two. There must be nothing on disk for k, because the operand would be folded into it again.
func (w *Writes) Merge(k, operand []byte) { w.set(k, key.KindMerge, operand) }

// Get returns what the transaction has written to k, or nil if it has written nothing. The result is borrowed until
// the next change. Get can fail only if writes have been spilled.
func (w *Writes) Get(k []byte) (*Write, error) {
	if w.count > 0 {
		c, i, found := w.locate(k)
		if found && w.chunks[c][i].Live {
			return w.chunks[c][i], nil
		}
	}
	if w.deleted.Covering(k, key.MaxSeqNum).Seq > 0 {
		return removal(k), nil
	}
	if len(w.spills) == 0 {
		return nil, nil
	}
	return w.getSpilled(k)
}

// Size is about the memory that the set takes, in bytes.
func (w *Writes) Size() int { return w.size + w.KeptSize() }

// KeptSize is what of Size stays in memory when everything is spilled: the ranges that were deleted.
func (w *Writes) KeptSize() int { return int(w.deleted.Bytes() + w.spilledDeleted.Bytes()) }

// AppendTo adds all writes to b: first the ranges that were deleted, then the writes of keys in key order, all of which
// are newer. They must be in memory.
func (w *Writes) AppendTo(b *batch.Batch) {
	for _, s := range w.Deleted() {
		b.DeleteRange(s)
	}
	for _, chunk := range w.chunks {
		for _, write := range chunk {
			if write.Live {
				write.appendTo(b)
			}
		}
	}
}

func (w *Write) appendTo(b *batch.Batch) {
	switch w.Kind {
	case key.KindPut:
		b.Put(w.Key, w.Value)
	case key.KindPutUntil:
		end, value := key.SplitEnd(w.Value)
		b.PutUntil(w.Key, value, end)
		for _, by := range w.Merged {
			b.Merge(operand.Operator(by[0]), w.Key, by[1:])
		}
	case key.KindMerge:
		b.Merge(operand.Operator(w.Value[0]), w.Key, w.Value[1:])
	default:
		b.Delete(w.Key)
	}
}

// Reset empties the set and removes what was spilled. It keeps a little memory for the next writes, so nothing that
// the set has returned may be used any more.
func (w *Writes) Reset() {
	w.Clock, w.Seen = nil, nil
	for _, s := range w.spills {
		s.Remove()
	}
	if w.change == 0 {
		return
	}
	clear(w.writes)
	empty := Writes{Rules: w.Rules, Gaps: w.Gaps, change: w.change + 1, spillChanges: w.spillChanges + 1,
		spare: w.spare, writes: w.writes[:0], text: w.text[:0]}
	if len(w.chunks) == 1 {
		clear(w.chunks[0])
		empty.spare, empty.chunks = w.chunks[0][:0], w.chunks[:0]
	}
	*w = empty
}

// Savepoint marks the present state for RollbackTo and Release, and returns its number. Savepoints are numbered from
// 0, each one higher than the newest that there is.
func (w *Writes) Savepoint() int {
	w.change++
	w.savepoints = append(w.savepoints, savepoint{spills: len(w.spills), undo: len(w.undo), deleted: w.deleted,
		serial: w.serial})
	return len(w.savepoints) - 1
}

// RollbackTo brings back the state at the savepoint, which stays. Those made after it are gone.
func (w *Writes) RollbackTo(savepoint int) {
	w.change++
	w.gaps, w.spilledGaps = nil, nil
	w.savepoints = w.savepoints[:savepoint+1]
	m := w.savepoints[savepoint]
	if m.undo < 0 {
		w.clearMemory()
		w.dropSpills(m.spills)
		w.deleted, w.spilledDeleted = nil, m.deleted
		w.settleDeleted()
		m.undo, m.deleted, m.serial = 0, w.deleted, w.serial
		w.savepoints[savepoint] = m
		return
	}
	w.deleted = m.deleted
	w.unwind(m.undo)
}

// Release forgets the savepoint and those made after it. The writes stay.
func (w *Writes) Release(savepoint int) {
	w.savepoints = w.savepoints[:savepoint]
	if savepoint == 0 {
		w.dropUndo(0)
	}
}

// unwind takes changes back until undo has the given length.
func (w *Writes) unwind(length int) {
	for i := len(w.undo) - 1; i >= length; i-- {
		u := &w.undo[i]
		w.size -= u.write.valueBytes()
		w.size += u.was.valueBytes()
		*u.write = u.was
		if u.dropped {
			u.dropped = false
			w.bringBack(u.write)
		}
	}
	w.dropUndo(length)
}

// dropUndo forgets how to take back what was changed since undo had the given length.
func (w *Writes) dropUndo(length int) {
	for _, u := range w.undo[length:] {
		w.size -= u.was.valueBytes() + writeOverheadBytes
		if u.dropped {
			w.size -= len(u.was.Key) + writeOverheadBytes
		}
	}
	clear(w.undo[length:])
	w.undo = w.undo[:length]
}

// clearMemory empties the memory.
func (w *Writes) clearMemory() { w.chunks, w.count, w.size, w.undo = nil, 0, 0, nil }

func (w *Writes) set(k []byte, kind key.Kind, v []byte) {
	if w.gaps != nil && visible.OfKind(kind) != visible.Hide {
		w.gaps.Put(k)
	}
	write := w.changed(k)
	write.Kind, write.Value, write.Merged, write.Live = kind, w.clone(v), nil, true
	w.size += len(v)
}

// changed returns the write of k, which is new and not live if there was none, to be changed: the caller adds to the
// size what its value takes then.
func (w *Writes) changed(k []byte) *Write {
	w.change++
	write := w.writeOf(k)
	if len(w.savepoints) > 0 {
		w.undo = append(w.undo, undone{write: write, was: *write})
		w.size += write.valueBytes() + writeOverheadBytes // the old value stays in memory
	}
	w.size -= write.valueBytes()
	return write
}

// clone copies b, into text if it fits there.
func (w *Writes) clone(b []byte) []byte {
	if len(b) > keptTextBytes-len(w.text) {
		return bytes.Clone(b)
	}
	if w.text == nil {
		w.text = make([]byte, 0, keptTextBytes)
	}
	start := len(w.text)
	w.text = append(w.text, b...)
	return w.text[start:len(w.text):len(w.text)]
}

// newWrite returns an empty write.
func (w *Writes) newWrite() *Write {
	if len(w.writes) == keptWrites {
		return new(Write)
	}
	if w.writes == nil {
		w.writes = make([]Write, 0, keptWrites)
	}
	w.writes = w.writes[:len(w.writes)+1]
	return &w.writes[len(w.writes)-1]
}

// writeOf returns the write of k. If there was none, it is new and not live.
func (w *Writes) writeOf(k []byte) *Write {
	c, i, found := w.locate(k)
	if found {
		return w.chunks[c][i]
	}
	write := w.newWrite()
	write.Key = w.clone(k)
	w.size += len(k) + writeOverheadBytes
	w.insert(c, i, write)
	return write
}

// insert puts write where locate has found that it belongs.
func (w *Writes) insert(c, i int, write *Write) {
	w.count++
	if len(w.chunks) == 0 {
		w.chunks = append(w.chunks, append(w.spare, write))
		w.spare = nil
		return
	}
	w.chunks[c] = slices.Insert(w.chunks[c], i, write)
	if len(w.chunks[c]) > maxChunkKeys {
		w.split(c)
	}
}

// split halves chunk c, but leaves the last chunk nearly full, because keys often come in order.
func (w *Writes) split(c int) {
	full := w.chunks[c]
	at := len(full) / 2
	if c == len(w.chunks)-1 {
		at = maxChunkKeys - 1
	}
	w.chunks = slices.Insert(w.chunks, c+1, slices.Clone(full[at:]))
	w.chunks[c] = slices.Delete(full, at, len(full))
}

// locate returns the position of k, or the one where it belongs.
func (w *Writes) locate(k []byte) (chunk, i int, found bool) {
	if len(w.chunks) > 1 {
		after, exact := slices.BinarySearchFunc(w.chunks, k, func(c []*Write, k []byte) int {
			return bytes.Compare(c[0].Key, k)
		})
		if exact {
			return after, 0, true
		}
		chunk = max(after-1, 0)
	}
	if len(w.chunks) == 0 {
		return 0, 0, false
	}
	i, found = slices.BinarySearchFunc(w.chunks[chunk], k, func(w *Write, k []byte) int {
		return bytes.Compare(w.Key, k)
	})
	return chunk, i, found
}

// ceiling implements layer for what is in memory.
func (w *Writes) ceiling(k []byte) (*Write, error) {
	c, i, _ := w.locate(k)
	for ; c < len(w.chunks); c, i = c+1, 0 {
		for ; i < len(w.chunks[c]); i++ {
			if w.chunks[c][i].Live {
				return w.chunks[c][i], nil
			}
		}
	}
	return nil, nil
}

// below implements layer for what is in memory.
func (w *Writes) below(k []byte) (*Write, error) {
	if w.count == 0 {
		return nil, nil
	}
	c, i := len(w.chunks)-1, len(w.chunks[len(w.chunks)-1])
	if k != nil {
		c, i, _ = w.locate(k)
	}
	for {
		for i--; i >= 0; i-- {
			if w.chunks[c][i].Live {
				return w.chunks[c][i], nil
			}
		}
		if c--; c < 0 {
			return nil, nil
		}
		i = len(w.chunks[c])
	}
}

// Changes grows with each change of the set.
func (w *Writes) Changes() uint64 { return w.change }

// changes implements layer.
func (w *Writes) changes() uint64 { return w.change }

// deletedRanges implements layer for what is in memory.
func (w *Writes) deletedRanges() *ranges.Set { return w.deleted }
