package txn

import (
	"bytes"
	"slices"

	"lightningdb/internal/batch"
	"lightningdb/internal/key"
)

// maxChunk is how many keys a chunk of Writes holds at most.
const maxChunk = 256

// Writes is the write set of a transaction: for each key written, what the commit will make of it. Keys are kept in
// order, in chunks of up to maxChunk, so that a set of a million keys takes inserts as calmly as one of ten. The zero
// value is empty. It owns copies of all it is given.
type Writes struct {
	chunks [][]*Write // each sorted and not empty; every key of one before every key of the next
	count  int        // keys, those of no effect included
	size   int        // bytes that the set takes, about
	undo   []undone   // what to put back on RollbackTo; kept only while there is a savepoint
	marked bool       // there is a savepoint
	change uint64     // counts changes, so that iterators know when to look again
}

// Write is the newest state of one key in a transaction.
type Write struct {
	Key   []byte
	Kind  key.Kind
	Value []byte
	Live  bool // false: the write was rolled back, and the key is as the snapshot has it
}

// undone is the state of a write before it was changed.
type undone struct {
	write *Write
	was   Write
}

// writeOverhead is about what a write takes beside its key and value, in bytes.
const writeOverhead = 128

// Put records "set k to v".
func (w *Writes) Put(k, v []byte) { w.set(k, key.KindPut, v) }

// Delete records "remove k".
func (w *Writes) Delete(k []byte) { w.set(k, key.KindDelete, nil) }

// Get returns what the transaction wrote to k, or nil if it wrote nothing. It is borrowed until the next change.
func (w *Writes) Get(k []byte) *Write {
	if w.count == 0 {
		return nil
	}
	c, i, found := w.locate(k)
	if !found || !w.chunks[c][i].Live {
		return nil
	}
	return w.chunks[c][i]
}

// Count is the number of keys written, rolled back ones included.
func (w *Writes) Count() int { return w.count }

// Size is about how many bytes the set takes in memory.
func (w *Writes) Size() int { return w.size }

// AppendTo adds all writes to b, in key order.
func (w *Writes) AppendTo(b *batch.Batch) {
	for _, chunk := range w.chunks {
		for _, write := range chunk {
			switch {
			case !write.Live:
			case write.Kind == key.KindPut:
				b.Put(write.Key, write.Value)
			default:
				b.Delete(write.Key)
			}
		}
	}
}

// Reset empties the set.
func (w *Writes) Reset() {
	if w.count > 0 {
		*w = Writes{change: w.change + 1}
	}
}

// Savepoint marks the present state, for RollbackTo.
func (w *Writes) Savepoint() int {
	w.marked = true
	return len(w.undo)
}

// RollbackTo brings back the state at the savepoint, which stays valid; those made after it are not any more.
func (w *Writes) RollbackTo(savepoint int) {
	w.change++
	for len(w.undo) > savepoint {
		last := len(w.undo) - 1
		u := &w.undo[last]
		w.size -= len(u.write.Value) + writeOverhead
		*u.write = u.was
		*u = undone{}
		w.undo = w.undo[:last]
	}
}

func (w *Writes) set(k []byte, kind key.Kind, v []byte) {
	w.change++
	write := w.writeOf(k)
	if w.marked {
		w.undo = append(w.undo, undone{write, *write})
		w.size += len(write.Value) + writeOverhead
	}
	w.size += len(v) - len(write.Value)
	write.Kind, write.Value, write.Live = kind, bytes.Clone(v), true
}

// writeOf returns the write of k, new and not live if there was none.
func (w *Writes) writeOf(k []byte) *Write {
	c, i, found := w.locate(k)
	if found {
		return w.chunks[c][i]
	}
	write := &Write{Key: bytes.Clone(k)}
	w.count++
	w.size += len(k) + writeOverhead
	if len(w.chunks) == 0 {
		w.chunks = append(w.chunks, []*Write{write})
		return write
	}
	w.chunks[c] = slices.Insert(w.chunks[c], i, write)
	if len(w.chunks[c]) > maxChunk {
		w.split(c)
	}
	return write
}

// split halves chunk c, but leaves the last chunk nearly full: keys often come in order.
func (w *Writes) split(c int) {
	full := w.chunks[c]
	at := len(full) / 2
	if c == len(w.chunks)-1 {
		at = maxChunk - 1
	}
	w.chunks = slices.Insert(w.chunks, c+1, slices.Clone(full[at:]))
	w.chunks[c] = slices.Delete(full, at, len(full))
}

// locate returns the position of k, or where it belongs.
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

// ceiling returns the first live write at or after k, or nil; k == nil means the first of all.
func (w *Writes) ceiling(k []byte) *Write {
	c, i, _ := w.locate(k)
	for ; c < len(w.chunks); c, i = c+1, 0 {
		for ; i < len(w.chunks[c]); i++ {
			if w.chunks[c][i].Live {
				return w.chunks[c][i]
			}
		}
	}
	return nil
}

// below returns the last live write before k, or nil; k == nil means the last of all.
func (w *Writes) below(k []byte) *Write {
	if w.count == 0 {
		return nil
	}
	c, i := len(w.chunks)-1, len(w.chunks[len(w.chunks)-1])
	if k != nil {
		c, i, _ = w.locate(k)
	}
	for {
		for i--; i >= 0; i-- {
			if w.chunks[c][i].Live {
				return w.chunks[c][i]
			}
		}
		if c--; c < 0 {
			return nil
		}
		i = len(w.chunks[c])
	}
}
