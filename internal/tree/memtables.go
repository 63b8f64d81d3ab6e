package tree

import (
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/memtable"
)

// SpareAge is that of package memtable.
const SpareAge = memtable.SpareAge

// newMemtableLocked returns an empty memtable for segment with room for at least need bytes.
func (tr *Tree) newMemtableLocked(segment filename.Num, need int) (*Memtable, error) {
	t, err := tr.mems.Get(need, tr.clock.Now())
	if err != nil {
		return nil, err
	}
	return &Memtable{Table: t, segment: segment}, nil
}

// Crowded returns how long a writer that wants a memtable should wait for readers to give one back; 0 if it need
// not.
func (tr *Tree) Crowded() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.mems.Crowded(tr.opts.Budget.Memtables, tr.clock.Now())
}

// UntilQuiet is how much longer what is kept for the next rotation is kept. At zero or less it should be given back.
func (tr *Tree) UntilQuiet() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.mems.UntilQuiet(tr.clock.Now())
}
