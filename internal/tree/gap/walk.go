package gap

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

const (
	// lookEvery is the number of passed keys after which a walk asks for a gap: a jump costs about as much as that
	// many steps.
	lookEvery = 8
	// minRows is how many passed keys in a row make a gap.
	minRows = 64
)

// Known is where a Walk finds gaps, and reports what may be one.
type Known interface {
	// Find returns the gap that holds user for a reader at seq. Its bounds never change.
	Find(user []byte, seq key.SeqNum) (found span.Span, ok bool)
	// Found says that a reader at seq has walked through s, which has an end, and seen nothing. It keeps no bound of
	// s.
	Found(s span.Span, seq key.SeqNum)
}

// Walk follows an iterator past user keys that have no value for it, one after the other, in one direction. It says
// when there is a gap to jump over, and tells Known what was walked through without seeing anything. The zero value
// knows no gaps and costs little.
type Walk struct {
	Known Known // nil: there are no gaps
	Eager bool  // ask at every key, and report every one: for tests
	Rows  int   // number of keys passed; the owner may reset it

	seq      key.SeqNum
	backward bool
	rows     int    // passed since the walk or the last jump began
	unseen   int    // passed since Known was asked
	jumped   bool   // from is the end of a gap
	from     []byte // the first key passed, backward the key right after it; or the end of the gap that was jumped
	last     []byte // the last key passed
}

// Begin begins a walk of a reader at seq. One that was going on is forgotten.
func (w *Walk) Begin(backward bool, seq key.SeqNum) {
	w.backward, w.seq, w.rows, w.unseen, w.jumped = backward, seq, 0, 0, false
}

// Pass says that the iterator has passed n user keys from first to last, in the direction of the walk, and that
// nothing between the keys passed before and last has a value. It copies both.
func (w *Walk) Pass(first, last []byte, n int) {
	if w.Known == nil {
		return
	}
	if w.rows == 0 && !w.jumped {
		w.from = append(w.from[:0], first...)
		if w.backward {
			w.from = append(w.from, 0)
		}
	}
	w.last = append(w.last[:0], last...)
	w.rows += n
	w.Rows += n
	w.unseen += n
}

// Jump reports whether the last key passed lies in a gap, and where the walk continues: forward at the first key at
// or after to, backward at the last one before it. The iterator must go there. to is borrowed until the next call.
func (w *Walk) Jump() (to []byte, jump bool) {
	if w.unseen == 0 || w.unseen < lookEvery && !w.Eager {
		return nil, false
	}
	w.unseen = 0
	gap, found := w.Known.Find(w.last, w.seq)
	if !found {
		return nil, false
	}
	end, walked := gap.Hi, span.Span{Lo: w.from, Hi: gap.Lo}
	if w.backward {
		end, walked = gap.Lo, span.Span{Lo: gap.Hi, Hi: w.from}
	}
	if bytes.Compare(walked.Lo, walked.Hi) < 0 && (w.jumped || w.many()) { // however short, it joins two gaps
		w.Known.Found(walked, w.seq)
	}
	w.from = append(w.from[:0], end...)
	w.rows, w.jumped = 0, true
	return w.from, true
}

// many reports whether enough keys were passed to make a gap.
func (w *Walk) many() bool { return w.rows >= minRows || w.Eager && w.rows > 0 }

// End ends the walk, because the iterator has met a value or the end of its range. It must not be called after an
// error.
func (w *Walk) End() {
	if w.many() {
		walked := span.Span{Lo: w.last, Hi: w.from}
		if !w.backward {
			w.last = append(w.last, 0)
			walked = span.Span{Lo: w.from, Hi: w.last}
		}
		w.Known.Found(walked, w.seq)
	}
	w.rows, w.unseen, w.jumped = 0, 0, false
}
