package compaction

import (
	"lightningdb/internal/key"
	"lightningdb/internal/operand"
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

// gathering is the operands of one user key in one stripe that have been read and not written, and what folds them.
// Their entries are counted when they are written or have gone into another.
type gathering struct {
	rules operand.Rules
	chain operand.Chain
	user  []byte      // whose operands they are
	top   key.Trailer // of the newest
	read  uint64      // entries read into chain
	alone bool        // no table outside of the job may hold an older version of the user key
	value []byte      // room for the folded value
}

// gather puts the operand at k aside, older than those gathered so far and of the same stripe.
func (r *run) gather(k key.Internal, value []byte) error {
	g := &r.merge
	if g.chain.Len() > 0 && g.chain.Size()+len(value) > gatheredMax {
		if err := r.keepGathered(); err != nil {
			return err
		}
	}
	if g.chain.Len() == 0 {
		g.user = append(g.user[:0], k.User...)
		g.top = k.Trailer
		g.alone = !r.retain.overlaps.holds(k.User)
	}
	g.read++
	return g.chain.Push(k.Trailer.Seq(), value)
}

// foldOnto ends the gathering at the put or tombstone k below it: all of it is one put, unless it cannot be folded.
func (r *run) foldOnto(k key.Internal, value []byte) error {
	g := &r.merge
	present := k.Trailer.Kind() == key.KindPut
	g.value = append(g.value[:0], value...)
	done, err := r.writeFolded(present, 1)
	if err != nil || done {
		return err
	}
	if err := r.keepGathered(); err != nil {
		return err
	}
	return r.write(k, value)
}

// endGathering ends the gathering of a user key that has no older version in the job.
func (r *run) endGathering() error {
	if r.merge.chain.Len() == 0 {
		return nil
	}
	if present, known := r.lookBelow(); known {
		if done, err := r.writeFolded(present, 0); err != nil || done {
			return err
		}
	}
	return r.keepGathered()
}

// lookBelow makes g.value what the operands of a user key that has no older version in the job stand upon.
func (r *run) lookBelow() (present, known bool) {
	g := &r.merge
	if g.alone {
		g.value = g.value[:0]
		return false, true
	}
	parts := g.chain.Parts()
	if parts < lookBelowAt || r.deps.Below == nil {
		return false, false
	}
	g.value, present, known = r.deps.Below(g.value[:0], g.user, parts*belowMaxByOperand)
	return present, known
}

// writeFolded writes the value that the operands make of the one in g.value, and of so many entries besides. It does
// nothing and reports false if they cannot be folded.
func (r *run) writeFolded(present bool, besides uint64) (done bool, err error) {
	g := &r.merge
	value, err := g.chain.Fold(g.rules, g.user, g.value, present)
	if err != nil {
		return false, nil
	}
	g.value = value
	r.stats.Folded += g.read + besides - 1
	g.read = 0
	g.chain.Reset()
	return true, r.write(key.Make(g.user, g.top.Seq(), key.KindPut), value)
}

// keepGathered ends the gathering where what is below is not known or must not be touched: it writes as few operands as
// do the same.
func (r *run) keepGathered() error {
	g := &r.merge
	if g.chain.Len() == 0 {
		return nil
	}
	written := uint64(0)
	err := g.chain.Compact(func(seq key.SeqNum, operand []byte) error {
		written++
		return r.write(key.Make(g.user, seq, key.KindMerge), operand)
	})
	r.stats.Folded += g.read - written
	g.read = 0
	g.chain.Reset()
	return err
}
