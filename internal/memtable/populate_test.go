package memtable

import (
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/key"
)

// The writer would wait for the first touch of each page; or a small database would take as much memory as a large one.
func TestPopulate_staysAheadOfTheWriter(t *testing.T) {
	m := newTable(t, 32<<20)
	var b batch.Batch
	var user, value [benchValueSize]byte
	populated := 0
	for n := uint64(1); ; n++ {
		b.Reset()
		b.Put(benchKey(user[:0], n), value[:])
		if !m.Fits(b.Count(), len(b.Bytes())) {
			break
		}
		m.Apply(&b, key.SeqNum(n))
		if m.WantsMemory() {
			for m.Populate() {
				populated++
			}
		}
		used, ready := m.Used(), int(m.ready.Load())
		entries := used - m.index.size()
		if entries < populateFrom && ready != 0 {
			t.Fatalf("%d bytes are ready when %d are used by entries", ready, entries)
		}
		if entries >= populateFrom && (ready < used || ready > used+min(entries, aheadMax)+populatePiece) {
			t.Fatalf("%d bytes are ready when %d are used, %d of them by entries", ready, used, entries)
		}
	}
	if want := m.Size() / populatePiece; populated > want {
		t.Errorf("%d pieces were made ready, the table has %d", populated, want)
	}
	m.Reset()
	if m.WantsMemory() || m.Populate() {
		t.Error("a table that is used again wants memory")
	}
}

// Memory that the writer has come to already need not be made ready.
func TestPopulate_followsAFasterWriter(t *testing.T) {
	m := newTable(t, 32<<20)
	var b batch.Batch
	fill(m, &b, 1000, 1, benchKey)
	for m.Populate() {
	}
	if m.ready.Load() < int64(m.Used()) {
		t.Errorf("%d bytes are ready, %d used", m.ready.Load(), m.Used())
	}
}
