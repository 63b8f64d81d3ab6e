package lightningdb

import (
	"lightningdb/internal/format/span"
	"lightningdb/internal/transaction"
)

// source is the database, snapshot or transaction that a Range shows a part of.
type source interface {
	openIterator(bounds span.Span) (iterator, error)
	note(error) // hears of errors of iterators, and may remember the first
	told(error) // hears that the program has asked for an error that was noted
	closed()    // hears that the owner of one of its iterators knows it no more
}

// forgets implements source, but for openIterator, for what does not fail by an error of a loop or cursor.
type forgets struct{}

func (forgets) note(error) {}
func (forgets) told(error) {}
func (forgets) closed()    {}

// iterator is moved by loops and cursors.
type iterator = transaction.Walker

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

// close closes it, which the loop has opened.
func (o *outcome) close(it iterator) {
	defer o.from.closed()
	it.Close()
}
