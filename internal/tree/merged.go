package tree

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/tables"
	"lightningdb/internal/tree/visible"
)

// merged is a point read that has met a merge operand, with what it has collected, from the newest run down.
type merged struct {
	user    []byte // a copy: what is passed to a merge function escapes, and the key of Get must not
	limit   int    // a put of more bytes is not read: ErrTooLong
	most    int    // operands that take more bytes are ErrTooLong
	reader  visible.Reader
	chain   operand.Chain
	value   []byte // of the put below the operands, or a known result of an operand
	present bool
	err     error

	newest memtable.Version // the newest operand, if it is in a memtable
	taken  int              // number of operands
	ending bool             // they are above an entry that ends
}

// worthTelling is the number of operands from which on other readers are told the result of the newest one.
const worthTelling = 16

// mergedReads keeps the memory of such reads.
var mergedReads = sync.Pool{New: func() any { return new(merged) }}

// getMerged is Get for a key whose newest version at seq is a merge operand: it goes through the runs once more,
// down to the put or tombstone below the operands, and folds them. It keeps the view and the sequence number that
// Get began with. So it sees one state, and no compaction can take anything of it away. The caller is inside the
// epoch.
func (tr *Tree) getMerged(v *View, dst, user []byte, hash uint64, reader visible.Reader) ([]byte, bool, error) {
	m := newMerged(key.MaxValueSize, math.MaxInt)
	defer m.recycle()
	if m.collect(tr, v, user, hash, reader); errors.Is(m.err, operand.ErrTooLong) {
		return dst, false, fmt.Errorf("get: %w: key %.40q: the value has more than %d bytes", operand.ErrMerge, user,
			key.MaxValueSize)
	}
	switch m.err {
	case nil:
	case visible.ErrNoTime:
		return dst, false, m.err
	default:
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
	if m.taken >= worthTelling && m.newest.Exists() && !m.ending {
		m.newest.LeadsTo(hash, value)
	}
	return append(dst, value...), true, nil
}

// newMerged returns one that has collected nothing. It takes puts of up to limit bytes, and operands of up to most.
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
	m.newest, m.taken, m.ending, m.reader = memtable.Version{}, 0, false, visible.Reader{}
	mergedReads.Put(m)
}

// collect takes versions from the runs of v, the newest first, until one decides.
func (m *merged) collect(tr *Tree, v *View, user []byte, hash uint64, reader visible.Reader) {
	m.reader = reader
	if !m.takeFromMemory(v.mems, user, hash, reader) {
		m.takeFromTables(tr, v.runs, user, hash, reader)
	}
}

// takeFromMemory takes the versions of user in mems. It reports whether older versions no longer matter, as do the
// other methods that take.
func (m *merged) takeFromMemory(mems []*Memtable, user []byte, hash uint64, reader visible.Reader) bool {
	for _, mem := range mems {
		known, value := mem.Known(hash)
		for version := mem.Find(user, hash, reader.Seq); version.Exists(); version = version.Older() {
			t := version.Trailer()
			effect := reader.Of(t)
			if version == known && effect == visible.Fold {
				return m.take(visible.Show, t.Seq(), value)
			}
			if m.taken == 0 {
				m.newest = version
			}
			if m.take(effect, t.Seq(), version.Value()) {
				return true
			}
		}
	}
	return false
}

func (m *merged) takeFromTables(tr *Tree, runs []tables.Run, user []byte, hash uint64, reader visible.Reader) {
	for i := range runs {
		t := runs[i].Find(user)
		if t != nil && t.Meta().LargestSeq >= reader.Deleted && m.takeFrom(tr, t, user, hash, reader) {
			return
		}
	}
}

// take takes the version at seq, with its effect and value. What ends is decided for the reader that collect was given;
// without one, or if that has no time, it is ErrNoTime. It reports whether nothing older matters.
func (m *merged) take(effect visible.Effect, seq key.SeqNum, value []byte) bool {
	if effect == visible.Until {
		if m.ending = true; m.reader.Now == 0 {
			m.err = visible.ErrNoTime
			return true
		}
		effect, value = m.reader.Part(value)
	}
	switch effect {
	case visible.Fold:
		m.taken++
		if m.err = m.chain.Push(seq, value); m.err == nil && m.chain.Size() > m.most {
			m.err = operand.ErrTooLong
		}
		return m.err != nil
	case visible.Show:
		if len(value) > m.limit {
			m.err = operand.ErrTooLong
			return true
		}
		m.present, m.value = true, append(m.value[:0], value...)
	case visible.Hide:
		m.present, m.value = false, m.value[:0]
	default:
		m.err = visible.UnknownKind()
	}
	return true
}

// takeFrom takes the versions of user that are in t.
func (m *merged) takeFrom(tr *Tree, t *tables.Ref, user []byte, hash uint64, reader visible.Reader) bool {
	r, err := tr.tables.Reader(t)
	if err != nil {
		m.err = err
		return true
	}
	value, effect, err := r.GetWithin(m.limit, m.value[:0], user, hash, reader)
	if err != nil || effect == visible.Skip {
		m.err = err
		return err != nil
	}
	m.value = value
	if effect == visible.Until {
		return m.take(effect, 0, value)
	}
	if effect != visible.Fold {
		m.present = effect == visible.Show
		return true
	}
	it := r.NewIterator()
	defer it.Close()
	for ok := it.SeekGE(key.SeekTo(user, reader.Seq)); ok && bytes.Equal(it.Key().User, user); ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			m.err = err
			return true
		}
		if t := it.Key().Trailer; m.take(reader.Of(t), t.Seq(), value) {
			return true
		}
	}
	m.err = it.Err()
	return m.err != nil
}

// belowMax bounds the memory of the operands that the leader of a group folds, roughly, in bytes.
const belowMax = 16 << 10

// below is memtable.Folding.Below: the value of user below the active memtable. The leader of a group asks while
// that group is being applied. No compaction drops a version that is the newest of its key.
//
// Other commits wait meanwhile: no value of more than limit bytes is read, and few operands are folded.
func (tr *Tree) below(dst, user []byte, limit int) (value []byte, present, ok bool) {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := tr.view.Load()
	if v == nil { // while the log is replayed: the flush folds what it writes
		return dst, false, false
	}
	m := newMerged(limit, belowMax)
	defer m.recycle()
	hash, latest := key.Hash(user), v.Cover(Latest).Reader(user)
	if !m.takeFromMemory(v.mems[1:], user, hash, latest) {
		m.takeFromTables(tr, v.runs, user, hash, latest)
	}
	return m.appendFolded(tr.opts.Rules.Apart(), dst, user)
}

// BelowIn is compaction.Deps.Below for a job that was picked from v. It looks into all tables of v, because those of
// the job hold nothing that is so old.
func (tr *Tree) BelowIn(v *View) func([]byte, []byte, key.SeqNum, int) ([]byte, bool, bool) {
	if v == nil {
		return nil
	}
	return func(dst, user []byte, before key.SeqNum, limit int) (value []byte, present, ok bool) {
		guard := tr.epochs.Enter()
		defer guard.Exit()
		m := newMerged(limit, limit)
		defer m.recycle()
		m.takeFromTables(tr, v.runs, user, key.Hash(user), v.Cover(before-1).Reader(user))
		return m.appendFolded(tr.opts.Rules.Apart(), dst, user)
	}
}

// appendFolded appends the value that m leads to to dst; ok is false if there is none, or none within the limit.
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
