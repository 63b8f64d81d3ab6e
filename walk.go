package lightningdb

import (
	"errors"

	"lightningdb/internal/log/txn"
)

// source is the database, snapshot or transaction that a Range shows a part of.
type source interface {
	openIterator(lo, hi []byte) (iterator, error)
	note(error) // hears of errors of iterators, and may remember the first
	told(error) // hears that the program has asked for an error that was noted
}

// iterator is moved by loops and cursors: an engine's iterator, or one with a transaction's writes over it. Its opener
// uses it until Exit or Close. Between Exit and Enter others may end it, and free the memory of its keys and values.
type iterator interface {
	txn.Source
	Enter() error
	Exit()
	Close() error
}

// outcome is how a loop or cursor ended.
type outcome struct {
	from  source
	err   error // the first error; nil if there was none
	asked bool  // the program has seen err
}

// fail ends the loop or cursor with err, unless that is nil.
func (o *outcome) fail(err error) {
	if err != nil && o.err == nil {
		o.err, o.asked = err, false
		o.from.note(err)
	}
}

// ask returns the error to the program.
func (o *outcome) ask() error {
	if o.err != nil && !o.asked {
		o.asked = true
		o.from.told(o.err)
	}
	return o.err
}

// walkErrors remembers the errors of the loops and cursors of a transaction, because a program may forget to ask for
// them, and a loop that ended early has not shown everything. An ErrMerge is an answer about one key, and counts no
// more once the program has asked for it.
type walkErrors struct {
	first   error // the first that is no ErrMerge
	merge   error // the first ErrMerge
	unasked int   // the number of ErrMerge that the program has not asked for
}

func (w *walkErrors) note(err error) {
	switch {
	case errors.Is(err, ErrMerge):
		w.unasked++
		if w.merge == nil {
			w.merge = err
		}
	case w.first == nil:
		w.first = err
	}
}

func (w *walkErrors) told(err error) {
	if errors.Is(err, ErrMerge) {
		w.unasked--
	}
}

// error is why the program has not seen everything; nil if it has, as far as is known.
func (w *walkErrors) error() error {
	if w.first == nil && w.unasked > 0 {
		return w.merge
	}
	return w.first
}
