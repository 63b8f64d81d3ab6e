package engine

import (
	"lightningdb/internal/filename"
	"lightningdb/internal/memtable"
)

// memtables hands out memtables of the usual size and takes them back, because the first touch of fresh memory
// costs many times what a write into used memory does. It is guarded by Engine.mu.
type memtables struct {
	size      int               // bytes of a memtable of the usual size
	spare     []*memtable.Table // empty, ready for use; at most keep
	keep      int
	allocated int64 // bytes of all memtables, spare ones included
	folding   *memtable.Folding
}

// get returns an empty memtable for segment with room for at least need bytes.
func (p *memtables) get(segment filename.Num, need int) (*memRef, error) {
	if n := len(p.spare); n > 0 && need <= p.size {
		t := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return &memRef{Table: t, segment: segment, pooled: true}, nil
	}
	size := max(need, p.size)
	t, err := memtable.New(size)
	if err != nil {
		return nil, err
	}
	t.FoldBy(p.folding)
	p.allocated += int64(size)
	return &memRef{Table: t, segment: segment, pooled: size == p.size}, nil
}

// recycle takes back a memtable that nobody can read any more.
func (p *memtables) recycle(m *memRef) {
	if m.pooled && len(p.spare) < p.keep {
		m.Reset()
		p.spare = append(p.spare, m.Table)
		return
	}
	p.allocated -= int64(m.Size())
	m.Free()
}

// free gives back the spare memtables.
func (p *memtables) free() {
	for _, t := range p.spare {
		p.allocated -= int64(t.Size())
		t.Free()
	}
	p.spare = nil
}
