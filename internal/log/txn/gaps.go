package txn

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/gap"
)

// ownGaps are gaps that belong to one transaction, over one snapshot: where it sees nothing. Its own puts end them.
// Nobody else can put anything there that the transaction sees.
type ownGaps struct{ gaps **gap.Gaps }

var _ gap.Known = ownGaps{}

// Find implements gap.Known.
func (o ownGaps) Find(user []byte, seq key.SeqNum) (found span.Span, ok bool) {
	if *o.gaps == nil {
		return span.Span{}, false
	}
	return (*o.gaps).Find(user, seq)
}

// Found implements gap.Known.
func (o ownGaps) Found(s span.Span, _ key.SeqNum) {
	if *o.gaps == nil {
		*o.gaps = new(gap.Gaps)
	}
	(*o.gaps).Add(s)
}

// useSnapshot says that from now on iterators lay the writes over the snapshot at seq. Where another snapshot had
// nothing, this one may have something.
func (w *Writes) useSnapshot(seq key.SeqNum) {
	if w.gapsSeq != seq {
		w.gaps, w.spilledGaps, w.gapsSeq = nil, nil, seq
	}
}
