package compaction

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// maxOperandBytes bounds the memory of the operands that are folded together, in bytes, unless one alone takes more. Beyond
// it the newer ones stay operands, above what the older ones come to.
const maxOperandBytes = 4 << 20

// Where so many operands of a user key would be left, what they stand upon is looked for outside the job: a scan would
// take each of them, and call the merge function for it, every time. It must not have more bytes than so many for each
// operand, lest a job that has read a few bytes for each of many long values writes all those values.
const (
	lookBelowMinOperands    = 4
	maxBelowBytesPerOperand = 256
)

// gathering is the operands of one user key that have been read and not written, and what folds them. Their entries are
// counted when they are written or have gone into another.
type operands struct {
	rules operand.Rules
	user  []byte           // whose operands they are
	from  key.SeqNum       // that of the oldest
	alone bool             // no table outside of the job may hold an older version of the user key
	open  stripeOperands   // those of the stripe that is being read
	above []stripeOperands // those of newer stripes, the newest first: each waits for the value of the one below
	held  int              // about the memory of the operands in above, in bytes
	value []byte           // room for what open is folded onto
}

// stripeOperands are the operands of one stripe.
type stripeOperands struct {
	chain operand.Chain
	top   key.Trailer // of the newest
	read  uint64      // entries read into chain
	put   bool        // they come to value
	value []byte
}

func (o *operands) empty() bool { return o.open.chain.Len() == 0 && len(o.above) == 0 }

// collect puts the operand at k aside, older than those gathered so far.
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

// endStripe says that what follows is of an older stripe of the same user key.
func (e *execution) endStripe() {
	o := &e.operands
	if o.open.chain.Len() > 0 {
		o.held += o.open.chain.Size()
		o.above, o.open = append(o.above, o.open), stripeOperands{}
	}
}

// foldOnto ends the gathering at the put or tombstone k: the open operands, which are of its stripe, become one put
// with it, unless they cannot be folded; those of the stripes above become what stands upon that.
func (e *execution) foldOnto(k key.Internal, value []byte) error {
	o := &e.operands
	present := k.Trailer.Kind() == key.KindPut
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

// foldAbove ends the gathering at k, a put or a tombstone of an older stripe, which is written or dropped by the
// caller.
func (e *execution) foldAbove(k key.Internal, value []byte) error {
	o := &e.operands
	if o.empty() {
		return nil
	}
	o.value = append(o.value[:0], value...)
	e.fold(k.Trailer.Kind() == key.KindPut)
	return e.writeOperands(0)
}

// endOperands ends the gathering of a user key that has no older version in the job.
func (e *execution) endOperands() error {
	if e.operands.empty() {
		return nil
	}
	if present, known := e.lookBelow(); known {
		e.fold(present)
	}
	return e.writeOperands(0)
}

// lookBelow makes o.value what the operands of a user key that has no older version in the job stand upon.
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

// fold decides which of the operands become puts, from the oldest stripe upward, where they stand upon o.value. A
// stripe that could not be folded, or would be more bytes than lookBelow allows, ends that: it and all above stay
// operands.
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
		a.value, a.put = folded, parts > 1 // one operand is as good as a put, and mostly shorter
	}
}

// writeOperands ends the gathering and writes what it has come to. The put of the open operands stands for so many
// entries besides them.
func (e *execution) writeOperands(besides uint64) error {
	o := &e.operands
	var err error
	for i := range o.above {
		if err == nil {
			err = e.writeStripe(&o.above[i], 0)
		}
		o.above[i] = stripeOperands{}
	}
	if err == nil && o.open.chain.Len() > 0 {
		err = e.writeStripe(&o.open, besides)
	}
	o.open.chain.Reset()
	o.open = stripeOperands{chain: o.open.chain}
	o.above, o.held = o.above[:0], 0
	return err
}

// writeStripe writes the put that a came to, or else as few operands as do the same.
func (e *execution) writeStripe(a *stripeOperands, besides uint64) error {
	if a.put {
		e.stats.Folded += a.read + besides - 1
		return e.write(key.Make(e.operands.user, a.top.Seq(), key.KindPut), a.value)
	}
	written := uint64(0)
	err := a.chain.Compact(func(seq key.SeqNum, operand []byte) error {
		written++
		return e.write(key.Make(e.operands.user, seq, key.KindMerge), operand)
	})
	e.stats.Folded += a.read - written
	return err
}
