package transaction

import (
	"errors"

	"lightningdb/internal/format/operand"
)

// Walks remembers the errors of the loops and cursors of a transaction, because a program may forget to ask for
// them, and a loop that ended early has not shown everything. An ErrMerge is an answer about one key, and counts no
// more once the program has asked for it.
type Walks struct {
	first   error // the first that is no ErrMerge
	merge   error // the first ErrMerge
	unasked int   // the number of ErrMerge that the program has not asked for
}

// Note hears of an error.
func (w *Walks) Note(err error) {
	switch {
	case errors.Is(err, operand.ErrMerge):
		w.unasked++
		if w.merge == nil {
			w.merge = err
		}
	case w.first == nil:
		w.first = err
	}
}

// Told hears that the program has asked for an error.
func (w *Walks) Told(err error) {
	if errors.Is(err, operand.ErrMerge) {
		w.unasked--
	}
}

// Err is why the program has not seen everything; nil if it has, as far as is known.
func (w *Walks) Err() error {
	if w.first == nil && w.unasked > 0 {
		return w.merge
	}
	return w.first
}
