package engine

import (
	"bytes"
	"sort"

	"lightningdb/internal/key"
	"lightningdb/internal/merge"
)

// RunReader reads a Run at random, through the cache. Every entry has one sequence number, so that a merge of several runs
// prefers those with higher numbers. It may be used by any number of goroutines, and must be closed.
type RunReader struct {
	engine *Engine
	tables []*tableRef
}

// NewReader returns a reader of r that gives every entry the sequence number seq, which is not 0.
func (r *Run) NewReader(seq key.SeqNum) *RunReader {
	reader := &RunReader{engine: r.engine}
	for _, t := range r.tables {
		reader.tables = append(reader.tables, &tableRef{meta: numbered(t, seq)})
	}
	return reader
}

// Get returns what the run says of user, whose hash is given. value belongs to the caller.
func (r *RunReader) Get(user []byte, hash uint64) (kind key.Kind, value []byte, found bool, err error) {
	i := sort.Search(len(r.tables), func(i int) bool { return bytes.Compare(r.tables[i].meta.Largest, user) >= 0 })
	if i == len(r.tables) {
		return 0, nil, false, nil
	}
	kind, value, found, err = r.getFrom(r.tables[i], user, hash)
	if err != nil || kind != key.KindMerge {
		return kind, value, found, err
	}
	it := r.NewIterator() // point reads leave operands to iterators
	defer it.Close()
	if !it.SeekGE(key.SeekTo(user, key.MaxSeqNum)) {
		return 0, nil, false, it.Err()
	}
	operand, err := it.Value()
	return kind, bytes.Clone(operand), err == nil, err
}

func (r *RunReader) getFrom(t *tableRef, user []byte, hash uint64) (kind key.Kind, value []byte, found bool, err error) {
	guard := r.engine.epochs.Enter()
	defer guard.Exit()
	value, kind, found, err = r.engine.getFromTable(t, nil, user, hash, key.MaxSeqNum)
	return kind, value, found, err
}

// NewIterator returns an iterator over the run. It must be closed.
func (r *RunReader) NewIterator() merge.Iterator {
	return merge.NewLevel(&levelTables{r.engine, r.tables})
}

// Close closes the tables. Iterators that are still open stay usable.
func (r *RunReader) Close() {
	for _, t := range r.tables {
		r.engine.closeTable(t)
	}
}
