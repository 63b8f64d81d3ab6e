package tree

import (
	"bytes"
	"fmt"
	"math"
	"sync"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/tables"
)

// merged is a point read that has met a merge operand: what it has collected, from the newest run down.
type merged struct {
	user    []byte // a copy: what a merge function is given escapes, and the key of Get must not
	limit   int    // a put of more bytes is ErrTooLong, and not read
	most    int    // and so are operands that take more bytes
	chain   operand.Chain
	value   []byte // of the put that the operands stand upon, or what an operand leads to
	present bool
	err     error

	newest memtable.Version // of the operands, if that is in a memtable
	taken  int              // how many operands
}

// worthTelling is from how many operands on other readers are told what the newest leads to.
const worthTelling = 16

// mergedReads keeps the memory of such reads.
var mergedReads = sync.Pool{New: func() any { return new(merged) }}

// getMerged is Get for a key whose newest version at seq is a merge operand: it goes through the runs once more, down to
// the put or tombstone that the operands stand upon, and folds them. It stays with the view and the sequence number that
// Get began with, so that it sees one state, of which no compaction takes anything away. The caller is inside the epoch.
func (tr *Tree) getMerged(v *View, dst, user []byte, hash uint64, seq key.SeqNum) ([]byte, bool, error) {
	m := newMerged(key.MaxValueSize, math.MaxInt)
	defer m.recycle()
	if m.collect(tr, v, user, hash, seq); m.err != nil {
		return dst, false, fmt.Errorf("get: %w", m.err)
	}
	if m.chain.Len() == 0 {
		return append(dst, m.value...), m.present, nil
	}
	m.user = append(m.user[:0], user...)
	value, err := m.chain.Fold(tr.opts.Rules, m.user, m.value, m.present)
	if err != nil {
		return dst, false, fmt.Errorf("get: %w", err)
	}
	m.value = value
	if m.taken >= worthTelling && m.newest.Exists() {
		m.newest.LeadsTo(hash, value)
	}
	return append(dst, value...), true, nil
}

// newMerged returns one that has collected nothing, and takes puts of up to limit bytes, and operands of up to most.
func newMerged(limit, most int) *merged {
	m := mergedReads.Get().(*merged)
	m.limit, m.most = limit, most
	return m
}

func (m *merged) recycle() {
	m.chain.Reset()
	if cap(m.value) > 64<<10 {
		m.value = nil
	}
	m.value, m.present, m.err = m.value[:0], false, nil
	m.newest, m.taken = memtable.Version{}, 0
	mergedReads.Put(m)
}

// collect takes versions from the runs of v, the newest first, until one decides.
func (m *merged) collect(tr *Tree, v *View, user []byte, hash uint64, seq key.SeqNum) {
	if !m.takeFromMemory(v.mems, user, hash, seq) {
		m.takeFromTables(tr, v.runs, user, hash, seq)
	}
}

// takeFromMemory takes the versions of user that are in mems. It reports whether nothing older matters, as all of these
// do.
func (m *merged) takeFromMemory(mems []*Memtable, user []byte, hash uint64, seq key.SeqNum) bool {
	for _, mem := range mems {
		known, value := mem.Known(hash)
		for version := mem.Find(user, hash, seq); version.Exists(); version = version.Older() {
			if version == known {
				return m.take(key.MakeTrailer(version.Trailer().Seq(), key.KindPut), value)
			}
			if m.taken == 0 {
				m.newest = version
			}
			if m.take(version.Trailer(), version.Value()) {
				return true
			}
		}
	}
	return false
}

func (m *merged) takeFromTables(tr *Tree, runs []sortedRun, user []byte, hash uint64, seq key.SeqNum) {
	for i := range runs {
		if t := runs[i].find(user); t != nil && m.takeFrom(tr, t, user, hash, seq) {
			return
		}
	}
}

// take takes a version. It reports whether nothing older matters.
func (m *merged) take(t key.Trailer, value []byte) bool {
	if t.Kind() == key.KindMerge {
		m.taken++
		if m.err = m.chain.Push(t.Seq(), value); m.err == nil && m.chain.Size() > m.most {
			m.err = operand.ErrTooLong
		}
		return m.err != nil
	}
	if len(value) > m.limit {
		m.err = operand.ErrTooLong
		return true
	}
	m.present = t.Kind() == key.KindPut
	m.value = append(m.value[:0], value...)
	return true
}

// takeFrom takes the versions of user that are in t.
func (m *merged) takeFrom(tr *Tree, t *tables.Ref, user []byte, hash uint64, seq key.SeqNum) bool {
	r, err := tr.tables.Reader(t)
	if err != nil {
		m.err = err
		return true
	}
	value, kind, found, err := r.GetWithin(m.limit, m.value[:0], user, hash, seq)
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

// belowMax is about the memory of the operands that the leader of a group folds, in bytes.
const belowMax = 16 << 10

// below is memtable.Folding.Below: what user has below the active memtable. The leader of a group asks, while it is
// being applied. No compaction drops a version that is the newest of its key.
//
// Other commits wait meanwhile: no value of more than limit bytes is read, and few operands are folded.
func (tr *Tree) below(dst, user []byte, limit int) (value []byte, present, ok bool) {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := tr.view.Load()
	if v == nil { // while the log is replayed: what is flushed then is folded in the flush
		return dst, false, false
	}
	m := newMerged(limit, belowMax)
	defer m.recycle()
	hash := key.Hash(user)
	if !m.takeFromMemory(v.mems[1:], user, hash, Latest) {
		m.takeFromTables(tr, v.runs, user, hash, Latest)
	}
	return m.appendFolded(tr.opts.Rules, dst, user)
}

// BelowIn is compaction.Deps.Below for a job that was picked from v. It looks into all tables of v: those of the job have
// nothing that is so old.
func (tr *Tree) BelowIn(v *View) func([]byte, []byte, key.SeqNum, int) ([]byte, bool, bool) {
	if v == nil {
		return nil
	}
	return func(dst, user []byte, before key.SeqNum, limit int) (value []byte, present, ok bool) {
		guard := tr.epochs.Enter()
		defer guard.Exit()
		m := newMerged(limit, limit)
		defer m.recycle()
		m.takeFromTables(tr, v.runs, user, key.Hash(user), before-1)
		return m.appendFolded(tr.opts.Rules, dst, user)
	}
}

// appendFolded appends the value that m has come to to dst; ok is false if there is none, or none within the limit.
func (m *merged) appendFolded(rules operand.Rules, dst, user []byte) (value []byte, present, ok bool) {
	if m.err != nil {
		return dst, false, false
	}
	if m.chain.Len() > 0 {
		folded, err := m.chain.FoldWithin(m.limit, rules, user, m.value, m.present)
		if err != nil {
			return dst, false, false
		}
		m.value, m.present = folded, true
	}
	return append(dst, m.value...), m.present, true
}
