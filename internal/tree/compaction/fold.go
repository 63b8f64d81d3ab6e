package compaction

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// gatheredMax bounds the memory of the operands that are folded together, in bytes, unless one alone takes more. Beyond
// it the newer ones stay operands, above what the older ones come to.
const gatheredMax = 4 << 20

// Where so many operands of a user key would be left, what they stand upon is looked for outside the job: a scan would
// take each of them, and call the merge function for it, every time. It must not have more bytes than so many for each
// operand, lest a job that has read a few bytes for each of many long values writes all those values.
const (
	lookBelowAt       = 4
	belowMaxByOperand = 256
)

// gathering is the operands of one user key that have been read and not written, and what folds them. Their entries are
// counted when they are written or have gone into another.
type gathering struct {
	rules operand.Rules
	user  []byte     // whose operands they are
	from  key.SeqNum // that of the oldest
	alone bool       // no table outside of the job may hold an older version of the user key
	open  gathered   // those of the stripe that is being read
	above []gathered // those of newer stripes, the newest first: each waits for the value of the one below
	held  int        // about the memory of the operands in above, in bytes
	value []byte     // room for what open is folded onto
}

// gathered is the operands of one stripe.
type gathered struct {
	chain operand.Chain
	top   key.Trailer // of the newest
	read  uint64      // entries read into chain
	put   bool        // they come to value
	value []byte
}

func (g *gathering) empty() bool { return g.open.chain.Len() == 0 && len(g.above) == 0 }

// gather puts the operand at k aside, older than those gathered so far.
func (r *run) gather(k key.Internal, value []byte) error {
	g := &r.merge
	if !g.empty() && g.held+g.open.chain.Size()+len(value) > gatheredMax {
		if err := r.writeGathered(0); err != nil {
			return err
		}
	}
	if g.empty() {
		g.user = append(g.user[:0], k.User...)
		g.alone = !r.retain.overlaps.holds(k.User)
	}
	if g.open.chain.Len() == 0 {
		g.open.top = k.Trailer
	}
	g.open.read++
	g.from = k.Trailer.Seq()
	return g.open.chain.Push(k.Trailer.Seq(), value)
}

// endStripe says that what follows is of an older stripe of the same user key.
func (r *run) endStripe() {
	g := &r.merge
	if g.open.chain.Len() > 0 {
		g.held += g.open.chain.Size()
		g.above, g.open = append(g.above, g.open), gathered{}
	}
}

// foldOnto ends the gathering at the put or tombstone k: the open operands, which are of its stripe, become one put
// with it, unless they cannot be folded; those of the stripes above become what stands upon that.
func (r *run) foldOnto(k key.Internal, value []byte) error {
	g := &r.merge
	present := k.Trailer.Kind() == key.KindPut
	g.value = append(g.value[:0], value...)
	r.fold(present)
	if g.open.put {
		return r.writeGathered(1)
	}
	if err := r.writeGathered(0); err != nil {
		return err
	}
	return r.write(k, value)
}

// foldAbove ends the gathering at k, a put or a tombstone of an older stripe, which is written or dropped by the
// caller.
func (r *run) foldAbove(k key.Internal, value []byte) error {
	g := &r.merge
	if g.empty() {
		return nil
	}
	g.value = append(g.value[:0], value...)
	r.fold(k.Trailer.Kind() == key.KindPut)
	return r.writeGathered(0)
}

// endGathering ends the gathering of a user key that has no older version in the job.
func (r *run) endGathering() error {
	if r.merge.empty() {
		return nil
	}
	if present, known := r.lookBelow(); known {
		r.fold(present)
	}
	return r.writeGathered(0)
}

// lookBelow makes g.value what the operands of a user key that has no older version in the job stand upon.
func (r *run) lookBelow() (present, known bool) {
	g := &r.merge
	if g.alone {
		g.value = g.value[:0]
		return false, true
	}
	parts := g.open.chain.Parts()
	if parts < lookBelowAt || r.deps.Below == nil {
		return false, false
	}
	g.value, present, known = r.deps.Below(g.value[:0], g.user, g.from, parts*belowMaxByOperand)
	return present, known
}

// fold decides which of the operands become puts, from the oldest stripe upward, where they stand upon g.value. A
// stripe that could not be folded, or would be more bytes than lookBelow allows, ends that: it and all above stay
// operands.
func (r *run) fold(present bool) {
	g := &r.merge
	value, size := g.value, 0
	if g.open.chain.Len() > 0 {
		folded, err := g.open.chain.Fold(g.rules, g.user, value, present)
		if err != nil {
			return
		}
		g.value, value, present = folded, folded, true
		g.open.value, g.open.put = folded, true
	}
	for i := len(g.above) - 1; i >= 0; i-- {
		a := &g.above[i]
		parts := a.chain.Parts()
		if size += len(value); len(value) > parts*belowMaxByOperand || size > gatheredMax {
			return
		}
		folded, err := a.chain.Fold(g.rules, g.user, bytes.Clone(value), present)
		if err != nil {
			return
		}
		value, present = folded, true
		a.value, a.put = folded, parts > 1 // one operand is as good as a put, and mostly shorter
	}
}

// writeGathered ends the gathering and writes what it has come to. The put of the open operands stands for so many
// entries besides them.
func (r *run) writeGathered(besides uint64) error {
	g := &r.merge
	var err error
	for i := range g.above {
		if err == nil {
			err = r.writeStripe(&g.above[i], 0)
		}
		g.above[i] = gathered{}
	}
	if err == nil && g.open.chain.Len() > 0 {
		err = r.writeStripe(&g.open, besides)
	}
	g.open.chain.Reset()
	g.open = gathered{chain: g.open.chain}
	g.above, g.held = g.above[:0], 0
	return err
}

// writeStripe writes the put that a came to, or else as few operands as do the same.
func (r *run) writeStripe(a *gathered, besides uint64) error {
	if a.put {
		r.stats.Folded += a.read + besides - 1
		return r.write(key.Make(r.merge.user, a.top.Seq(), key.KindPut), a.value)
	}
	written := uint64(0)
	err := a.chain.Compact(func(seq key.SeqNum, operand []byte) error {
		written++
		return r.write(key.Make(r.merge.user, seq, key.KindMerge), operand)
	})
	r.stats.Folded += a.read - written
	return err
}
