package gap

import (
	"bytes"

	"lightningdb/internal/format/key"
)

const (
	// lookEvery is after how many passed keys a walk asks for a gap: a jump costs about as much as so many steps.
	lookEvery = 8
	// minRows is how many passed keys in a row make a gap.
	minRows = 64
)

// Known is what a Walk asks, and tells.
type Known interface {
	// Find returns the gap that holds user for a reader at seq. lo and hi never change.
	Find(user []byte, seq key.SeqNum) (lo, hi []byte, found bool)
	// Found says that a reader at seq has walked from lo to before hi and saw nothing. It keeps neither.
	Found(lo, hi []byte, seq key.SeqNum)
}

// Walk follows an iterator past user keys that have no value for it, one after the other, in one direction. It says
// where there is something to jump over, and tells Known what was walked through in vain. The zero value knows no
// gaps and costs little.
type Walk struct {
	Known Known // nil: there are no gaps
	Eager bool  // ask at every key, and tell of every one: for tests
	Rows  int   // passed altogether; the owner may set it back

	seq      key.SeqNum
	backward bool
	rows     int    // passed since the walk or the last jump began
	unseen   int    // of them, since Known was asked
	jumped   bool   // from is the end of a gap
	from     []byte // forward the first key passed, backward the first one behind it; or the end of the gap that was jumped
	last     []byte // the last key passed
}

// Begin begins a walk of a reader at seq. One that was going on is forgotten.
func (w *Walk) Begin(backward bool, seq key.SeqNum) {
	w.backward, w.seq, w.rows, w.unseen, w.jumped = backward, seq, 0, 0, false
}

// Pass says that the iterator has passed n user keys from first to last, in the direction of the walk, and that nothing
// between what it passed before and last has a value. It copies both.
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

// Jump reports whether the last key passed lies in a gap, and where the walk goes on: forward at the first key at or
// after to, backward at the last one before it. The iterator must go there. to is borrowed until the next call.
func (w *Walk) Jump() (to []byte, jump bool) {
	if w.unseen == 0 || w.unseen < lookEvery && !w.Eager {
		return nil, false
	}
	w.unseen = 0
	lo, hi, found := w.Known.Find(w.last, w.seq)
	if !found {
		return nil, false
	}
	end, walked := hi, bytes.Compare(w.from, lo) < 0
	if w.backward {
		end, walked = lo, bytes.Compare(hi, w.from) < 0
	}
	if walked && (w.jumped || w.many()) { // however short it is, what lies between two gaps joins them
		w.found(lo, hi)
	}
	w.from = append(w.from[:0], end...)
	w.rows, w.jumped = 0, true
	return w.from, true
}

// found tells Known of what was walked through before the gap [lo, hi).
func (w *Walk) found(lo, hi []byte) {
	if w.backward {
		w.Known.Found(hi, w.from, w.seq)
		return
	}
	w.Known.Found(w.from, lo, w.seq)
}

// many reports whether so many keys were passed that they are to be a gap.
func (w *Walk) many() bool { return w.rows >= minRows || w.Eager && w.rows > 0 }

// End ends the walk, because the iterator has met a value or the end of its range. It must not be called after an
// error.
func (w *Walk) End() {
	if w.many() {
		if w.backward {
			w.Known.Found(w.last, w.from, w.seq)
		} else {
			w.last = append(w.last, 0)
			w.Known.Found(w.from, w.last, w.seq)
		}
	}
	w.rows, w.unseen, w.jumped = 0, 0, false
}
