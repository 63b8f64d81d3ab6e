package compaction

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/visible"
)

// maxOperandBytes bounds the memory of the operands that are folded together, unless a single one takes more. Beyond
// it the newer ones stay operands, above the entry that the older ones fold to.
const maxOperandBytes = 4 << 20

// If at least lookBelowMinOperands operands of a user key would be left, the value below them is looked up outside
// the job: otherwise every scan would read each of them and call the merge function for it. The value must not have
// more than maxBelowBytesPerOperand bytes for each operand. Without that limit a job that reads a few bytes of
// operands for each of many long values would write all those values.
const (
	lookBelowMinOperands    = 4
	maxBelowBytesPerOperand = 256
)

// operands are those of one user key that have been read and not written yet, and what folds them. Their entries are
// counted when they are written or have been folded into another.
type operands struct {
	rules operand.Rules
	user  []byte           // whose operands these are
	from  key.SeqNum       // sequence number of the oldest
	alone bool             // no table outside the job can hold an older version of the user key
	open  stripeOperands   // those of the stripe that is being read
	above []stripeOperands // those of newer stripes, the newest first: each needs the value of the one below
	held  int              // bytes, roughly, of the operands in above
	value []byte           // what open is folded onto
}

// stripeOperands are the operands of one stripe.
type stripeOperands struct {
	chain operand.Chain
	top   key.Trailer // of the newest
	read  uint64      // entries read into chain
	put   bool        // they were folded to value
	value []byte
}

func (o *operands) empty() bool { return o.open.chain.Len() == 0 && len(o.above) == 0 }

// collect keeps the operand at k, which is older than those collected so far.
func (e *execution) collect(k key.Internal, value []byte) error {
	o := &e.operands
	if !o.empty() && o.held+o.open.chain.Size()+len(value) > maxOperandBytes {
		if err := e.writeOperands(0); err != nil {
			return err
		}
	}
	if o.empty() {
		o.user = append(o.user[:0], k.User...)
		o.alone = !e.retain.overlaps.holds(k.User)
	}
	if o.open.chain.Len() == 0 {
		o.open.top = k.Trailer
	}
	o.open.read++
	o.from = k.Trailer.Seq()
	return o.open.chain.Push(k.Trailer.Seq(), value)
}

// endStripe says that the entries that follow belong to an older stripe of the same user key.
func (e *execution) endStripe() {
	o := &e.operands
	if o.open.chain.Len() > 0 {
		o.held += o.open.chain.Size()
		o.above, o.open = append(o.above, o.open), stripeOperands{}
	}
}

// foldOnto ends the operands with the put or tombstone k: the open ones, which are of its stripe, are folded onto it
// and become one put, unless that fails; those of the stripes above are folded onto the result.
func (e *execution) foldOnto(k key.Internal, value []byte) error {
	o := &e.operands
	present := effectOf(k) == visible.Show
	o.value = append(o.value[:0], value...)
	e.fold(present)
	if o.open.put {
		return e.writeOperands(1)
	}
	if err := e.writeOperands(0); err != nil {
		return err
	}
	return e.write(k, value)
}

// foldAbove ends the operands with k, a put or a tombstone of an older stripe. The caller writes or drops k itself.
func (e *execution) foldAbove(k key.Internal, value []byte) error {
	o := &e.operands
	if o.empty() {
		return nil
	}
	o.value = append(o.value[:0], value...)
	e.fold(effectOf(k) == visible.Show)
	return e.writeOperands(0)
}

// endOperands ends the operands of a user key that has no older version in the job.
func (e *execution) endOperands() error {
	if e.operands.empty() {
		return nil
	}
	e.operands.alone = e.operands.alone || e.standsOnRange()
	if !e.operands.alone { // else they become a value
		e.operands.open.chain.MergePartially(e.operands.rules, e.operands.user)
	}
	if present, known := e.lookBelow(); known {
		e.fold(present)
	}
	return e.writeOperands(0)
}

// standsOnRange reports whether the operands are all that there is of their key above a range tombstone.
func (e *execution) standsOnRange() bool {
	o := &e.operands
	below := e.retain.ranges.Covering(o.user, o.from-1).Seq
	return below > 0 && !e.retain.overlaps.holdsAfter(o.user, below)
}

// endAboveRange ends the operands if a range tombstone lies between them and k, which is an older version of their key:
// whoever sees the operands sees it too, and they stand on nothing.
func (e *execution) endAboveRange(k key.Internal) error {
	if e.operands.empty() || !e.retain.covered(k, e.operands.from-1) {
		return nil
	}
	return e.foldAbove(key.Make(k.User, k.Trailer.Seq(), key.KindDelete), nil)
}

// lookBelow sets o.value to the value below the operands of a user key that has no older version in the job.
func (e *execution) lookBelow() (present, known bool) {
	o := &e.operands
	if o.alone {
		o.value = o.value[:0]
		return false, true
	}
	parts := o.open.chain.Parts()
	if parts < lookBelowMinOperands || e.deps.Below == nil {
		return false, false
	}
	o.value, present, known = e.deps.Below(o.value[:0], o.user, o.from, parts*maxBelowBytesPerOperand)
	return present, known
}

// fold turns operands into puts, from the oldest stripe upward, where o.value is what they are folded onto. It ends
// at a stripe that cannot be folded, or if the value below a stripe is longer than lookBelow allows, or if the
// values below take maxOperandBytes together: that stripe and all above stay operands.
func (e *execution) fold(present bool) {
	o := &e.operands
	value, size := o.value, 0
	if o.open.chain.Len() > 0 {
		folded, err := o.open.chain.Fold(o.rules, o.user, value, present)
		if err != nil {
			return
		}
		o.value, value, present = folded, folded, true
		o.open.value, o.open.put = folded, true
	}
	for i := len(o.above) - 1; i >= 0; i-- {
		a := &o.above[i]
		parts := a.chain.Parts()
		if size += len(value); len(value) > parts*maxBelowBytesPerOperand || size > maxOperandBytes {
			return
		}
		folded, err := a.chain.Fold(o.rules, o.user, bytes.Clone(value), present)
		if err != nil {
			return
		}
		value, present = folded, true
		a.value, a.put = folded, parts > 1 // a single operand is as quick to read as a put, and mostly shorter
	}
}

// writeOperands writes the operands, folded or not, and ends them. others is the number of entries, apart from
// operands, that were folded into the put of the open ones.
func (e *execution) writeOperands(others uint64) error {
	o := &e.operands
	var err error
	for i := range o.above {
		if err == nil {
			err = e.writeStripe(&o.above[i], 0)
		}
		o.above[i] = stripeOperands{}
	}
	if err == nil && o.open.chain.Len() > 0 {
		err = e.writeStripe(&o.open, others)
	}
	o.open.chain.Reset()
	o.open = stripeOperands{chain: o.open.chain}
	o.above, o.held = o.above[:0], 0
	return err
}

// writeStripe writes the put that a was folded to, or else the fewest operands that do the same.
func (e *execution) writeStripe(a *stripeOperands, others uint64) error {
	if a.put {
		e.stats.Folded += a.read + others - 1
		return e.write(key.Make(e.operands.user, a.top.Seq(), key.KindPut), a.value)
	}
	a.chain.MergePartially(e.operands.rules, e.operands.user)
	written := uint64(0)
	err := a.chain.Compact(func(seq key.SeqNum, operand []byte) error {
		written++
		return e.write(key.Make(e.operands.user, seq, key.KindMerge), operand)
	})
	e.stats.Folded += a.read - written
	return err
}
