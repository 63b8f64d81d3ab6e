package txn

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/ranges"
)

// Source walks the entries of a snapshot in key order, within bounds. Each move reports whether it stands on an
// entry. If it does not, Err tells the end from a failure. Key and Value are borrowed until the next move.
type Source interface {
	First() bool
	Last() bool
	SeekGE(user []byte) bool
	SeekLT(user []byte) bool
	Next() bool
	Prev() bool
	Valid() bool
	Key() []byte
	Value() ([]byte, error)
	Err() error
}

// Overlay is a Source with the writes of a transaction laid over it, as they are at each move: what the transaction
// has put is there, and what it has deleted is not. It stands at an entry of base, at a write, or at both; then the
// write counts.
//
//	invariant, moving forward (backward: mirrored)
//	  base is at its first entry at or after the current key that lies in no range that was deleted
//	  own is the first write at or after the current key, which is the lesser of the two
type Overlay struct {
	base     Source
	writes   layer
	bounds   span.Span // of base; borrowed
	own      *Write    // the next write; nil: there is none
	backward bool      // the direction that base and own are prepared for
	valid    bool
	change   uint64      // writes.changes() when own was found
	deleted  *ranges.Set // writes.deletedRanges() then
	from     []byte      // a copy of the key that a move starts from, where one is needed
	folded   []byte      // the last value that was folded
	set      *Writes     // which writes is, or a part of it
	seen     Write       // own as the transaction sees it, if it ends
	rules    operand.Rules
	walk     gap.Walk // over what was deleted
	err      error    // the error of writes
}

var _ Source = (*Overlay)(nil)

// layer is writes in key order, one for each key. What it returns is borrowed until the next call or the next
// change.
type layer interface {
	ceiling(k []byte) (*Write, error) // the first write at or after k, or nil; a nil k means the first of all
	below(k []byte) (*Write, error)   // the last write before k, or nil; a nil k means the last of all
	changes() uint64                  // grows whenever something is written or rolled back

	// deletedRanges is the ranges that were deleted: nothing of what is below the layer is in them, and all of it that
	// lies there is newer.
	deletedRanges() *ranges.Set
}

// Reset makes o show the writes that are in memory over base, which is the keys in bounds, in the snapshot at seq. o
// stands nowhere. It borrows everything.
func (o *Overlay) Reset(base Source, seq key.SeqNum, writes *Writes, bounds span.Span) {
	writes.useSnapshot(seq)
	o.reset(base, writes, writes, &writes.gaps, bounds)
}

// reset lays shown over base: all of writes, or the part of it whose gaps these are.
func (o *Overlay) reset(base Source, shown layer, writes *Writes, gaps **gap.Gaps, bounds span.Span) {
	*o = Overlay{base: base, writes: shown, set: writes, rules: writes.Rules, bounds: bounds, from: o.from[:0],
		folded: o.folded[:0]}
	if o.from == nil {
		o.from = []byte{} // backward from the empty key there is nothing; a nil one would mean the end
	}
	o.walk.Known, o.walk.Eager = ownGaps{gaps}, writes.Gaps
}

// First implements Source.
func (o *Overlay) First() bool {
	o.base.First()
	return o.forward(o.bounds.Lo)
}

// Last implements Source.
func (o *Overlay) Last() bool {
	o.base.Last()
	return o.back(o.bounds.Hi)
}

// SeekGE implements Source.
func (o *Overlay) SeekGE(user []byte) bool {
	if bytes.Compare(user, o.bounds.Lo) < 0 {
		user = o.bounds.Lo
	}
	o.base.SeekGE(user)
	return o.forward(user)
}

// SeekLT implements Source.
func (o *Overlay) SeekLT(user []byte) bool {
	if o.bounds.Below(user) {
		user = o.bounds.Hi
	}
	if len(user) == 0 { // nothing is before it, and nil would mean no bound
		o.valid = false
		return false
	}
	o.base.SeekLT(user)
	return o.back(user)
}

// Next implements Source.
func (o *Overlay) Next() bool {
	if !o.valid {
		return false
	}
	if o.backward || o.change != o.writes.changes() {
		return o.SeekGE(o.copyKey(0))
	}
	return o.step()
}

// Prev implements Source.
func (o *Overlay) Prev() bool {
	if !o.valid {
		return false
	}
	if !o.backward || o.change != o.writes.changes() {
		return o.SeekLT(o.copyKey())
	}
	return o.step()
}

// Valid implements Source.
func (o *Overlay) Valid() bool { return o.valid }

// Key implements Source.
func (o *Overlay) Key() []byte {
	if o.atOwn() {
		return o.own.Key
	}
	return o.base.Key()
}

// Value implements Source.
func (o *Overlay) Value() ([]byte, error) {
	switch {
	case !o.atOwn():
		return o.base.Value()
	case o.own.Folds():
		return o.fold()
	}
	return o.own.withMerged(o.rules)
}

// fold returns the value of a key that own merges into.
func (o *Overlay) fold() ([]byte, error) {
	present := o.base.Valid() && bytes.Equal(o.base.Key(), o.own.Key)
	o.folded = o.folded[:0]
	if present {
		value, err := o.base.Value()
		if err != nil {
			return nil, err
		}
		o.folded = append(o.folded, value...)
	}
	value, err := o.rules.Fold(o.own.Key, o.folded, present, o.own.Value)
	if err != nil {
		return nil, err
	}
	o.folded = value
	return value, nil
}

// Err implements Source.
func (o *Overlay) Err() error {
	if o.err != nil {
		return o.err
	}
	return o.base.Err()
}

// copyKey copies the current key, followed by suffix.
func (o *Overlay) copyKey(suffix ...byte) []byte {
	o.from = append(append(o.from[:0], o.Key()...), suffix...)
	return o.from
}

// forward finds the current entry once base is at its first entry at or after user.
func (o *Overlay) forward(user []byte) bool {
	o.backward = false
	return o.find(user)
}

// back finds the current entry once base is at its last entry before user; a nil user means the end.
func (o *Overlay) back(user []byte) bool {
	o.backward = true
	return o.find(user)
}

// find is forward or back, as backward says.
func (o *Overlay) find(user []byte) bool {
	o.change, o.deleted = o.writes.changes(), o.writes.deletedRanges()
	o.skipDeleted()
	o.findOwn(user)
	return o.findCurrent()
}

// findOwn finds the next write: the first at or after user, or the last before it when moving backward.
func (o *Overlay) findOwn(user []byte) {
	if o.backward {
		o.own, o.err = o.writes.below(user)
		if o.own != nil && bytes.Compare(o.own.Key, o.bounds.Lo) < 0 {
			o.own = nil
		}
		return
	}
	o.own, o.err = o.writes.ceiling(user)
	if o.own != nil && o.bounds.Below(o.own.Key) {
		o.own = nil
	}
}

// step moves past the current entry.
func (o *Overlay) step() bool {
	if o.atOwn() {
		o.passOwn()
	} else {
		o.moveBase()
	}
	return o.findCurrent()
}

// findCurrent makes the nearer of base and own the current entry, and skips what was deleted.
func (o *Overlay) findCurrent() bool {
	o.walk.Begin(o.backward, 0)
	for {
		if o.err != nil || !o.base.Valid() && o.base.Err() != nil {
			o.valid = false
			return false
		}
		if !o.atOwn() {
			o.walk.End()
			o.valid = o.base.Valid()
			return o.valid
		}
		if o.own.Ends() { // not before it is its turn: what is seen counts as read
			o.seen = o.set.see(o.own)
			o.own = &o.seen
		}
		if !o.own.Hides() {
			o.walk.End()
			o.valid = true
			return true
		}
		o.walk.Pass(o.own.Key, o.own.Key, 1)
		if to, jump := o.walk.Jump(); jump {
			o.jump(to)
		} else {
			o.passOwn()
		}
	}
}

// jump continues at to, as after a seek.
func (o *Overlay) jump(to []byte) {
	if o.backward {
		o.base.SeekLT(to)
	} else {
		o.base.SeekGE(to)
	}
	o.skipDeleted()
	o.findOwn(to)
}

// passOwn moves past own, which is the nearest, and past the entry of base at its key.
func (o *Overlay) passOwn() {
	if o.base.Valid() && bytes.Equal(o.base.Key(), o.own.Key) {
		o.moveBase()
	}
	o.from = append(o.from[:0], o.own.Key...)
	if !o.backward {
		o.from = append(o.from, 0)
	}
	o.findOwn(o.from)
}

func (o *Overlay) moveBase() {
	if o.backward {
		o.base.Prev()
	} else {
		o.base.Next()
	}
	o.skipDeleted()
}

// skipDeleted moves base out of the ranges that were deleted.
func (o *Overlay) skipDeleted() {
	for o.deleted != nil && o.base.Valid() {
		over := o.deleted.Covering(o.base.Key(), key.MaxSeqNum)
		switch {
		case over.Seq == 0:
			return
		case o.backward && len(over.Lo) > 0:
			o.base.SeekLT(over.Lo)
		case !o.backward && over.Hi != nil:
			o.base.SeekGE(over.Hi)
		default: // there is nothing behind it
			o.base.SeekLT(append([]byte{}, o.bounds.Lo...))
		}
	}
}

// atOwn reports whether the write is nearer than the entry of base, or at the same key.
func (o *Overlay) atOwn() bool {
	if o.own == nil || !o.base.Valid() {
		return o.own != nil
	}
	c := bytes.Compare(o.own.Key, o.base.Key())
	return c == 0 || (c < 0) != o.backward
}
