package memtable

import (
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// oneOperand applies a merge into user and returns it.
func oneOperand(m *Table, user string, seq key.SeqNum) (Version, uint64) {
	var b batch.Batch
	b.Merge(operand.User, []byte(user), nil)
	m.Apply(&b, seq)
	hash := key.Hash([]byte(user))
	return m.Find([]byte(user), hash, seq), hash
}

// What was true of a table's former content would be told to readers of what is in it now.
func TestReset_forgetsWhatWasKnown(t *testing.T) {
	m := newTable(t, MinSize)
	v, hash := oneOperand(m, "k", 1)
	v.LeadsTo(hash, []byte("value"))
	if known, value := m.Known(hash); known != v || string(value) != "value" {
		t.Fatalf("%v leads to %q", known, value)
	}
	m.Reset()
	if known, _ := m.Known(hash); known.Exists() {
		t.Error("after a reset a value is known")
	}
	if n := m.known.bytes.Load(); n != 0 {
		t.Errorf("nothing takes %d bytes", n)
	}
}

// What readers tell each other must not take more memory than it is counted for, and they must still be told after
// that memory was full.
func TestLeadsTo_staysWithinItsShare(t *testing.T) {
	m := newTable(t, 1<<20)
	most := m.Size() / knownShare
	for i := range 200 {
		v, hash := oneOperand(m, fmt.Sprint(i), key.SeqNum(i+1))
		size := []int{10, most / 3, most, most + 1}[i%4]
		v.LeadsTo(hash, make([]byte, size))
		v.LeadsTo(hash, make([]byte, size)) // the first may have made room
		known, value := m.Known(hash)
		if kept := known == v && len(value) == size; kept != (size <= most) {
			t.Errorf("of %d bytes, %d are kept: %v", size, most, kept)
		}
		total := 0
		for i := range m.known.slots {
			if k := m.known.slots[i].Load(); k != nil {
				total += len(k.value)
			}
		}
		if total > most || int64(total) != m.known.bytes.Load() {
			t.Fatalf("%d bytes are kept, %d counted, %d allowed", total, m.known.bytes.Load(), most)
		}
	}
}
