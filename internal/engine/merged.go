package engine

import (
	"bytes"
	"fmt"
	"sync"

	"lightningdb/internal/key"
	"lightningdb/internal/operand"
)

// merged is a point read that has met a merge operand: what it has collected, from the newest run down.
type merged struct {
	user    []byte // a copy: what a merge function is given escapes, and the key of Get must not
	chain   operand.Chain
	value   []byte // of the put that the operands stand upon
	present bool
	err     error
}

// mergedReads keeps the memory of such reads.
var mergedReads = sync.Pool{New: func() any { return new(merged) }}

// getMerged is Get for a key whose newest version at seq is a merge operand: it goes through the runs once more, down to
// the put or tombstone that the operands stand upon, and folds them. It stays with the view and the sequence number that
// Get began with, so that it sees one state, of which no compaction takes anything away. The caller is inside the epoch.
func (e *Engine) getMerged(v *view, dst, user []byte, hash uint64, seq key.SeqNum) ([]byte, bool, error) {
	m := mergedReads.Get().(*merged)
	defer m.recycle()
	if m.collect(e, v, user, hash, seq); m.err != nil {
		return dst, false, fmt.Errorf("get: %w", m.err)
	}
	if m.chain.Len() == 0 {
		return append(dst, m.value...), m.present, nil
	}
	m.user = append(m.user[:0], user...)
	value, err := m.chain.Fold(e.rules, m.user, m.value, m.present)
	if err != nil {
		return dst, false, fmt.Errorf("get: %w", err)
	}
	m.value = value
	return append(dst, value...), true, nil
}

func (m *merged) recycle() {
	m.chain.Reset()
	if cap(m.value) > 64<<10 {
		m.value = nil
	}
	m.value, m.present, m.err = m.value[:0], false, nil
	mergedReads.Put(m)
}

// collect takes versions from the runs of v, the newest first, until one decides.
func (m *merged) collect(e *Engine, v *view, user []byte, hash uint64, seq key.SeqNum) {
	for _, mem := range v.mems {
		for version := mem.Find(user, hash, seq); version.Exists(); version = version.Older() {
			if m.take(version.Trailer(), version.Value()) {
				return
			}
		}
	}
	for i := range v.runs {
		if t := v.runs[i].find(user); t != nil && m.takeFrom(e, t, user, hash, seq) {
			return
		}
	}
}

// take takes a version. It reports whether nothing older matters.
func (m *merged) take(t key.Trailer, value []byte) bool {
	if t.Kind() == key.KindMerge {
		m.err = m.chain.Push(t.Seq(), value)
		return m.err != nil
	}
	m.present = t.Kind() == key.KindPut
	m.value = append(m.value[:0], value...)
	return true
}

// takeFrom takes the versions of user that are in t. It reports whether nothing older matters.
func (m *merged) takeFrom(e *Engine, t *tableRef, user []byte, hash uint64, seq key.SeqNum) bool {
	r, err := e.reader(t)
	if err != nil {
		m.err = err
		return true
	}
	value, kind, found, err := r.Get(m.value[:0], user, hash, seq)
	if err != nil || !found {
		m.err = err
		return err != nil
	}
	m.value = value
	if kind != key.KindMerge {
		m.present = kind == key.KindPut
		return true
	}
	it := r.NewIterator()
	defer it.Close()
	for ok := it.SeekGE(key.SeekTo(user, seq)); ok && bytes.Equal(it.Key().User, user); ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			m.err = err
			return true
		}
		if m.take(it.Key().Trailer, value) {
			return true
		}
	}
	m.err = it.Err()
	return m.err != nil
}

// below is Get for the leader of a group that is being applied, at seq, the newest sequence number in the memtable. It may
// be above what is visible: no compaction drops a version that is the newest of its key, visible or not, and what is not
// visible is in no table.
func (e *Engine) below(dst, user []byte, seq key.SeqNum) (value []byte, present bool, err error) {
	guard := e.epochs.Enter()
	defer guard.Exit()
	v := e.view.Load()
	if v == nil { // while the log is replayed: what is flushed then is folded in the flush
		return dst, false, ErrClosed
	}
	return e.getMerged(v, dst, user, key.Hash(user), seq)
}
