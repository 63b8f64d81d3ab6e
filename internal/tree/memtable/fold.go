package memtable

import (
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/visible"
)

// Folding says how a table turns merges into puts while they are applied, so that a short value that is changed by
// merges all the time, such as a counter, is read in one step. It changes no meaning: readers fold the operands that
// stay, and the log has operands only.
//
// All other commits wait while a batch is applied. So no operand and no value of more than maxFoldedBytes is
// touched, whatever the operator: a merge costs at most as much as a put of that many bytes, with one call of the
// user's function. If a key has only operands in the table, they are read and the value below the table is looked up
// when there are 16, 32, 64, ... of them: that is a constant cost for each merge, too.
type Folding struct {
	Rules operand.Rules

	// Below appends to dst the value that user has below the table. ok is false if it is not known or has more than
	// limit bytes; then the operands stay.
	Below func(dst, user []byte, limit int) (value []byte, present, ok bool)
}

// FoldBy makes Apply fold by f from now on. f is shared and must not be changed.
func (m *Table) FoldBy(f *Folding) { m.folding = f }

const (
	maxFoldedBytes       = 256      // the longest value, and the longest argument, that is folded
	lookBelowMinVersions = 16       // the fewest versions of a key for which the value below is looked up
	maxOperandBytes      = 64 << 10 // memory, roughly, of the operands that are folded together
)

// fold returns what is stored for a merge: a put of its result, or the operand itself if the result is not known,
// cannot be computed, is long or has no room. older is the newest version of the key so far. The value is valid
// until the next call.
func (m *Table) fold(op *batch.Op, older ref) (key.Kind, []byte) {
	if older == 0 || len(op.Value) > 1+maxFoldedBytes {
		return op.Kind, op.Value
	}
	reader := visible.Reader{Seq: key.MaxSeqNum, Deleted: m.Ranges().Covering(op.Key, key.MaxSeqNum).Seq}
	value, ok := m.after(op, older, reader)
	if !ok || roundUp(len(value)-len(op.Value)) > m.spare(m.promised) {
		return op.Kind, op.Value
	}
	m.folded = value[:0]
	return key.KindPut, value
}

// after is the result of op, in m.folded if that is large enough. reader sees all that is in the table.
func (m *Table) after(op *batch.Op, older ref, reader visible.Reader) (value []byte, ok bool) {
	if m.effect(older, reader) == visible.Fold {
		return m.afterAll(op, older, reader)
	}
	if m.folding.Rules.CallsApart(op.Value) {
		return nil, false
	}
	value, present, ok := m.under(op.Key, older, reader)
	if !ok {
		return nil, false
	}
	value, err := m.folding.Rules.FoldWithin(maxFoldedBytes, op.Key, value, present, op.Value)
	return value, err == nil
}

// afterAll is after where operands precede op.
func (m *Table) afterAll(op *batch.Op, older ref, reader visible.Reader) (value []byte, ok bool) {
	if !m.gathered(op, older, reader) {
		if versions := m.depth(older) + 1; versions < lookBelowMinVersions || versions&(versions-1) != 0 {
			return nil, false
		}
	}
	defer m.chain.Reset()
	next, e := op.Value, older
	for {
		if m.chain.Size()+len(next) > maxOperandBytes || m.chain.Push(0, next) != nil {
			return nil, false
		}
		if e == 0 || m.effect(e, reader) != visible.Fold {
			break
		}
		next, e = m.value(e), m.older(e)
	}
	value, present, ok := m.under(op.Key, e, reader)
	if !ok {
		return nil, false
	}
	value, err := m.chain.FoldWithin(maxFoldedBytes, m.folding.Rules, op.Key, value, present)
	return value, err == nil
}

// gathered reports whether op completes a group of operands of the user's function upon a value in the table: they are
// folded together, because a call takes another goroutine.
func (m *Table) gathered(op *batch.Op, older ref, reader visible.Reader) bool {
	if !m.folding.Rules.CallsApart(op.Value) {
		return false
	}
	n := 1
	for e := older; e != 0 && n <= lookBelowMinVersions; e = m.older(e) {
		if m.effect(e, reader) != visible.Fold {
			return n == lookBelowMinVersions
		}
		n++
	}
	return false
}

// under is the value that the operands above e are folded onto, in memory that may be changed: the value of e, or
// the one below the table if e is 0.
func (m *Table) under(user []byte, e ref, reader visible.Reader) (value []byte, present, ok bool) {
	switch {
	case e == 0 && m.folding.Below == nil:
		return nil, false, false
	case e == 0:
		return m.folding.Below(m.folded[:0], user, maxFoldedBytes)
	case m.effect(e, reader) == visible.Until: // to some readers it has ended, and to some not
		return nil, false, false
	case m.effect(e, reader) != visible.Show:
		return m.folded[:0], false, true
	case len(m.value(e)) > maxFoldedBytes:
		return nil, false, false
	}
	return append(m.folded[:0], m.value(e)...), true, true
}

// effect is the effect of the entry at e on a reader that sees all that is in the table.
func (m *Table) effect(e ref, reader visible.Reader) visible.Effect { return reader.Of(m.trailer(e)) }
