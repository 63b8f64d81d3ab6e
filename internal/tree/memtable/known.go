package memtable

import (
	"bytes"
	"sync/atomic"
)

// known is what readers have made of operands in a table, for a few keys: a row with many operands that is read over
// and over is not folded from the beginning each time. What an operand leads to never changes, so nothing here ever
// becomes wrong; what is not here is only slow. It is memory of the heap, a sixteenth of the table's size at most.
//
// Any number of readers use it at once. Reset forgets all of it.
type known struct {
	slots [knownSlots]atomic.Pointer[knownValue]
	bytes atomic.Int64 // of the values in slots, and of those that are about to be
}

// knownValue says that the operand e leads to value. It is never changed.
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

// Known returns the operand of the key of hash, or of another key, of which a reader has said last what it leads to,
// and that value, which must not be changed. If there is none, it does not exist.
func (m *Table) Known(hash uint64) (operand Version, value []byte) {
	if k := m.known.slot(hash).Load(); k != nil {
		return Version{m, k.e}, k.value
	}
	return Version{}, nil
}

// LeadsTo tells other readers of the table that v, an operand of the key of hash, leads to value, of which a copy is
// kept if it is not too long.
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
	if k.bytes.Add(more) > most { // the others are not read any more, or there are too many
		k.bytes.Add(-more)
		k.forget()
		return
	}
	if !slot.CompareAndSwap(old, &knownValue{v.e, bytes.Clone(value)}) {
		k.bytes.Add(-more)
	}
}
