package memtable

import (
	"bytes"
	"sync/atomic"
)

// known holds results of operands that readers have computed, for a few keys: a row with many operands that is read
// over and over is not folded from the beginning each time. The result of an operand never changes, so nothing here
// ever becomes wrong; a missing result only makes a read slow. It is memory of the heap, at most a sixteenth of the
// table's size.
//
// Any number of readers use it at once. Reset forgets all of it.
type known struct {
	slots [knownSlots]atomic.Pointer[knownValue]
	bytes atomic.Int64 // of the values in slots, and of those that are about to be stored
}

// knownValue says that value is the result of the operand e. It is never changed.
type knownValue struct {
	e     ref
	value []byte
}

const (
	knownSlots = 16 // a key has one of them, by its hash
	knownShare = 16 // the share of the table's size that values may take
)

func (k *known) slot(hash uint64) *atomic.Pointer[knownValue] { return &k.slots[hash%knownSlots] }

// forget empties k.
func (k *known) forget() {
	for i := range k.slots {
		if old := k.slots[i].Swap(nil); old != nil {
			k.bytes.Add(-int64(len(old.value)))
		}
	}
}

// Known returns the operand for which a reader last told the result, and that result, which must not be changed. The
// operand is of the key of hash, or of another key in the same slot. If there is none, it does not exist.
func (m *Table) Known(hash uint64) (operand Version, value []byte) {
	if k := m.known.slot(hash).Load(); k != nil {
		return Version{m, k.e}, k.value
	}
	return Version{}, nil
}

// LeadsTo tells other readers of the table that value is the result of v, an operand of the key of hash. A copy is
// kept unless it is too long.
func (v Version) LeadsTo(hash uint64, value []byte) {
	k, most := &v.m.known, int64(len(v.m.arena.memory)/knownShare)
	if int64(len(value)) > most {
		return
	}
	slot := k.slot(hash)
	old := slot.Load()
	more := int64(len(value))
	if old != nil {
		more -= int64(len(old.value))
	}
	if k.bytes.Add(more) > most { // the others are no longer read, or there are too many
		k.bytes.Add(-more)
		k.forget()
		return
	}
	if !slot.CompareAndSwap(old, &knownValue{v.e, bytes.Clone(value)}) {
		k.bytes.Add(-more)
	}
}
