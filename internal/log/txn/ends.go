package txn

import (
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/visible"
)

// Clock is the one time of a transaction, by which it sees what ends: its own writes and the snapshot's entries.
//
// A write of its own that it has seen, and that has an end, counts as read until then, as what it has found in the
// snapshot does (Writes.Seen). For the transaction is one step at its commit: what it has seen live it would not find
// there later. What it has written and not seen may have ended by then: that is a delete.
type Clock interface{ OwnTime() key.Time }

// ErrMergedSpill refuses what a spill cannot hold: it has one entry for each key.
var ErrMergedSpill = fmt.Errorf("%w: a transaction larger than memory merges into what it has put until a time",
	operand.ErrMerge)

// PutUntil records "set k to v until end".
func (w *Writes) PutUntil(k, v []byte, end key.Time) {
	w.set(k, key.KindPutUntil, key.WithEnd(make([]byte, 0, key.EndSize+len(v)), end, v))
}

// MergeOver records "change k by an operand" over own, which is what Get has returned for k, and ends. An operand is
// folded onto the value before the end, and onto nothing from then on: so both are kept, and the commit has both. It
// fails if the set is on disk, where there is one entry for a key.
func (w *Writes) MergeOver(own *Write, by []byte) error {
	if own.Spilled || w.Spilled() {
		return ErrMergedSpill
	}
	if w.gaps != nil {
		w.gaps.Put(own.Key)
	}
	write := w.changed(own.Key)
	write.Merged = joinLast(write.Merged, w.clone(by), len(w.savepoints) == 0)
	w.size += write.valueBytes()
	return nil
}

// joinLast is operands and by behind them, as one with the last of them if they can be. If alone is false, somebody
// else has operands, too.
func joinLast(operands [][]byte, by []byte, alone bool) [][]byte {
	last := len(operands) - 1
	if last < 0 {
		return [][]byte{by}
	}
	joined, ok := operand.Join(operands[last], by)
	switch {
	case !ok:
		return append(operands, by) // nobody looks behind the end of those that a rollback brings back
	case alone:
		operands[last] = joined
		return operands
	}
	return append(operands[:last:last], joined)
}

// See is write, one of the set or nil, as the transaction sees it now: what ends is a put, which counts as read, or a
// delete.
func (w *Writes) See(write *Write) *Write {
	if write == nil || !write.Ends() {
		return write
	}
	seen := w.see(write)
	return &seen
}

func (w *Writes) see(write *Write) Write {
	reader := visible.Reader{Seen: w.Seen}.At(w.Clock.OwnTime())
	seen := *write
	end, value := key.SplitEnd(write.Value)
	if reader.UntilEnd(end) == visible.Hide {
		seen.Kind, seen.Value = key.KindDelete, nil
		return seen
	}
	if seen.Kind, seen.Value = key.KindPut, value; len(seen.Merged) == 0 {
		seen.End = end
	}
	return seen
}

// Ends reports whether the write has a value until its end, or had one.
func (w *Write) Ends() bool { return w.Kind == key.KindPutUntil }

// Read is the value of a write as See returns it, which neither hides nor folds. It is borrowed.
func (w *Writes) Read(write *Write) ([]byte, error) { return write.withMerged(w.Rules) }

func (w *Write) withMerged(rules operand.Rules) ([]byte, error) {
	if len(w.Merged) == 0 {
		return w.Value, nil
	}
	value, present := append([]byte{}, w.Value...), w.Kind != key.KindDelete
	for _, by := range w.Merged {
		var err error
		if value, err = rules.Fold(w.Key, value, present, by); err != nil {
			return nil, err
		}
		present = true
	}
	return value, nil
}

// operandOverheadBytes is about the memory that an operand takes besides its bytes.
const operandOverheadBytes = 24

// valueBytes is the memory that the value takes, and what is merged into it.
func (w *Write) valueBytes() int {
	n := len(w.Value)
	for _, by := range w.Merged {
		n += operandOverheadBytes + len(by)
	}
	return n
}
