package txn

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/gap"
)

// ownGaps is where a transaction sees nothing: gaps that belong to it alone, over one snapshot. What it puts ends them;
// nobody else can put anything there that it sees.
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

// useSnapshot says that iterators lay the writes over the snapshot at seq from now on. In another one there may be something
// where the last one had nothing.
func (w *Writes) useSnapshot(seq key.SeqNum) {
	if w.gapsSeq != seq {
		w.gaps, w.spilledGaps, w.gapsSeq = nil, nil, seq
	}
}
