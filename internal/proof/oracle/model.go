// Package oracle knows what a database must hold. A Model is a sorted map of versions: the state at every sequence
// number and time. A History adds what became of each commit (issued, acknowledged, read) and what time it may be, and
// judges what was found after a crash. The package is for tests and simulations; it owns copies of everything and is
// not safe for concurrent use.
package oracle

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// Entry is a user key and its value.
type Entry struct{ Key, Value []byte }

// version is a key after one operation on it.
type version struct {
	seq   key.SeqNum
	kind  key.Kind
	value []byte // after it; of a delete, none

	end   key.Time // from when on value is not there any more; 0 for never
	after []byte   // of a merge that has an end, as what it was put onto has: what it comes to from then on
}

func (v *version) deleted() bool { return v.kind == key.KindDelete }

// by is the value at now, if there is one.
func (v *version) by(now key.Time) (value []byte, found bool) {
	switch {
	case v.deleted():
		return nil, false
	case v.end == 0 || now < v.end:
		return v.value, true
	}
	return v.after, v.kind == key.KindMerge
}

// Model is the state at every sequence number that was not forgotten. The zero value is empty.
type Model struct {
	Merge operand.Func // what user merges do; it must not fail. Nil if there are none
	Now   key.Time     // the time by which Get and Entries go. 0 is before all ends

	versions map[string][]version // ascending by seq
	keys     []string             // of versions, sorted up to the first `sorted` of them
	sorted   int
}

// Apply puts the operations of b, which commits at first, into the model.
func (m *Model) Apply(first key.SeqNum, b *batch.Batch) { m.apply(first, 1, b) }

// apply puts the operations of b into the model, the first at seq and each further one a fixed number behind the one
// before. It returns the newest of the numbers of each key that b changes.
func (m *Model) apply(seq, step key.SeqNum, b *batch.Batch) (newest map[string]key.SeqNum) {
	if m.versions == nil {
		m.versions = make(map[string][]version)
	}
	newest = make(map[string]key.SeqNum)
	for op := range b.Ops() {
		if op.Kind == key.KindRangeDelete {
			m.deleteRange(seq, op.Span(), newest)
			seq += step
			continue
		}
		old, known := m.versions[string(op.Key)]
		if !known {
			m.keys = append(m.keys, string(op.Key))
		}
		v := version{seq: seq, kind: op.Kind, value: bytes.Clone(op.Value)}
		switch op.Kind {
		case key.KindMerge:
			m.merge(&v, op, old)
		case key.KindPutUntil:
			v.end, v.value = key.SplitEnd(v.value)
		}
		m.versions[string(op.Key)] = append(old, v)
		newest[string(op.Key)] = seq
		seq += step
	}
	return newest
}

// deleteRange deletes each key of s that has a value, and notes it.
func (m *Model) deleteRange(seq key.SeqNum, s span.Span, newest map[string]key.SeqNum) {
	for _, k := range m.Keys() {
		versions := m.versions[k]
		if s.Contains([]byte(k)) && len(versions) > 0 && !versions[len(versions)-1].deleted() {
			m.versions[k] = append(versions, version{seq: seq, kind: key.KindDelete})
			newest[k] = seq
		}
	}
}

// merge makes v what a merge over the newest of versions comes to: onto nothing once that has ended, whenever that was.
func (m *Model) merge(v *version, op batch.Op, versions []version) {
	if len(versions) == 0 {
		v.value = m.merged(op, nil, false)
		return
	}
	below := &versions[len(versions)-1]
	old, present := below.by(0)
	v.value, v.end = m.merged(op, old, present), below.end
	if v.end != 0 {
		old, present = below.by(v.end)
		v.after = m.merged(op, old, present)
	}
}

// merged is the value after a merge over old. It is computed here once more, from what the format says, lest the model
// share a mistake with package operand.
func (m *Model) merged(op batch.Op, old []byte, present bool) []byte {
	operator, argument := operand.Operator(op.Value[0]), op.Value[1:]
	switch operator {
	case operand.Append:
		return append(bytes.Clone(old), argument...)
	case operand.User:
		if present && old == nil {
			old = []byte{}
		}
		value, err := m.Merge(space.Shown(op.Key), bytes.Clone(old), argument)
		if err != nil {
			panic(err) // the function of a test that promised not to
		}
		return bytes.Clone(value)
	}
	n := int64(binary.LittleEndian.Uint64(argument))
	if !present {
		return bytes.Clone(argument)
	}
	before := int64(binary.LittleEndian.Uint64(old))
	switch operator {
	case operand.Add:
		n = before + n
	case operand.Max:
		n = max(before, n)
	case operand.Min:
		n = min(before, n)
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(n))
}

// Get returns the value of k at seq.
func (m *Model) Get(k []byte, seq key.SeqNum) (value []byte, found bool) {
	return m.GetBy(m.Now, k, seq)
}

// GetBy is Get for a reader whose time is now.
func (m *Model) GetBy(now key.Time, k []byte, seq key.SeqNum) (value []byte, found bool) {
	v := at(m.versions[string(k)], seq)
	if v == nil {
		return nil, false
	}
	return v.by(now)
}

// Newest returns the sequence number and the kind of the newest operation on k at seq; 0 and a delete if there is none.
func (m *Model) Newest(k []byte, seq key.SeqNum) (newest key.SeqNum, kind key.Kind) {
	v := at(m.versions[string(k)], seq)
	if v == nil {
		return 0, key.KindDelete
	}
	return v.seq, v.kind
}

// at is the newest of versions that is visible at seq, or nil.
func at(versions []version, seq key.SeqNum) *version {
	i := sort.Search(len(versions), func(i int) bool { return versions[i].seq > seq })
	if i == 0 {
		return nil
	}
	return &versions[i-1]
}

// Keys are all keys that have a version, deleted ones included, in order. The result is borrowed.
func (m *Model) Keys() []string {
	if m.sorted < len(m.keys) {
		slices.Sort(m.keys)
		m.sorted = len(m.keys)
	}
	return m.keys
}

// Entries yields the keys of [lo, hi) that have a value at seq, in order. Nil bounds are open.
func (m *Model) Entries(lo, hi []byte, seq key.SeqNum) iter.Seq[Entry] {
	return m.EntriesBy(m.Now, lo, hi, seq)
}

// EntriesBy is Entries for a reader whose time is now.
func (m *Model) EntriesBy(now key.Time, lo, hi []byte, seq key.SeqNum) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		keys := m.Keys()
		for _, k := range keys[sort.SearchStrings(keys, string(lo)):] {
			if hi != nil && k >= string(hi) {
				return
			}
			v := at(m.versions[k], seq)
			if v == nil {
				continue
			}
			if value, found := v.by(now); found && !yield(Entry{[]byte(k), value}) {
				return
			}
		}
	}
}

// Cut forgets everything newer than seq: what a crash took.
func (m *Model) Cut(seq key.SeqNum) {
	m.rewrite(func(versions []version) []version {
		return versions[:sort.Search(len(versions), func(i int) bool { return versions[i].seq > seq })]
	})
}

// Forget drops the versions that no state at or after oldest shows. Keys that are deleted in all these states go.
func (m *Model) Forget(oldest key.SeqNum) {
	m.rewrite(func(versions []version) []version {
		i := sort.Search(len(versions), func(i int) bool { return versions[i].seq > oldest })
		rest := versions[max(i-1, 0):]
		if len(rest) > 0 && rest[0].deleted() && rest[0].seq <= oldest {
			rest = rest[1:]
		}
		return slices.Clone(rest)
	})
}

func (m *Model) rewrite(change func([]version) []version) {
	kept := m.keys[:0]
	for _, k := range m.Keys() {
		if versions := change(m.versions[k]); len(versions) > 0 {
			m.versions[k] = versions
			kept = append(kept, k)
		} else {
			delete(m.versions, k)
		}
	}
	m.keys, m.sorted = kept, len(kept)
}

// Clone returns a copy that shares keys and values, which are never changed.
func (m *Model) Clone() *Model {
	c := &Model{Merge: m.Merge, Now: m.Now, versions: make(map[string][]version, len(m.versions)),
		keys: slices.Clone(m.Keys()), sorted: len(m.keys)}
	for k, versions := range m.versions {
		c.versions[k] = versions[:len(versions):len(versions)]
	}
	return c
}
