package memtable

import (
	"lightningdb/internal/batch"
	"lightningdb/internal/key"
	"lightningdb/internal/operand"
)

// Folding is how a table turns merges into puts while they are applied, so that a key that is changed by merges all the
// time is read in one step. It changes no meaning: an operand that stays is folded by whoever reads it, and the log has
// operands only.
type Folding struct {
	Rules operand.Rules

	// Below appends to dst the value of user at seq, everything applied so far included. It is asked when operands have
	// gathered. After an error they stay.
	Below func(dst, user []byte, seq key.SeqNum) (value []byte, present bool, err error)
}

// FoldBy makes Apply fold by f from now on, which is shared and not changed.
func (m *Table) FoldBy(f *Folding) { m.folding = f }

// gathered is how many versions a key gets until what is below them is read to fold its operands.
const gathered = 16

// fold returns what is stored for a merge: a put of the value that it leads to, or the operand itself, if the value is not
// known, cannot be computed, is large or has no room. older is the newest version of the key so far. The value is valid
// until the next call.
func (m *Table) fold(op *batch.Op, seq key.SeqNum, older ref) (key.Kind, []byte) {
	if older == 0 {
		return op.Kind, op.Value
	}
	limit := foldedMax(m.depth(older) + 1)
	value, present, ok := m.before(op.Key, seq, older, limit)
	if !ok {
		return op.Kind, op.Value
	}
	value, err := m.folding.Rules.Fold(op.Key, value, present, op.Value)
	if err != nil || len(value) > limit || roundUp(len(value)-len(op.Value)) > m.spare(m.promised) {
		return op.Kind, op.Value
	}
	if cap(value) <= keptBytes {
		m.folded = value[:0]
	}
	return key.KindPut, value
}

// keptBytes is the most memory that a table keeps for folded values.
const keptBytes = 64 << 10

// before is the value of user before the operation seq, in memory that may be changed. ok is false where it is not
// known, or so large that the folded value would be, too.
func (m *Table) before(user []byte, seq key.SeqNum, older ref, limit int) (value []byte, present, ok bool) {
	switch m.trailer(older).Kind() {
	case key.KindPut:
		if len(m.value(older)) > limit {
			return nil, false, false
		}
		return append(m.folded[:0], m.value(older)...), true, true
	case key.KindDelete:
		return m.folded[:0], false, true
	}
	if (m.depth(older)+1)%gathered != 0 || m.folding.Below == nil {
		return nil, false, false
	}
	value, present, err := m.folding.Below(m.folded[:0], user, seq-1)
	return value, present, err == nil
}

// foldedMax is the largest value, in bytes, that is stored in place of an operand above so many versions. An operand
// is often a few bytes, and the value may be long: it is stored at every 16th version up to 16 times this length, at
// every 256th up to 256 times, so that values take a bounded share of the table for each operation, and a read meets a
// number of operands in proportion to the length of the value at most.
func foldedMax(versions uint32) int {
	limit := 256
	for ; versions%gathered == 0 && limit < key.MaxValueSize; versions /= gathered {
		limit *= gathered
	}
	return limit
}
