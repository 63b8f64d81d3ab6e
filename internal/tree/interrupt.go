package tree

import (
	"sync/atomic"
)

// Interrupt ends iterators from outside, when their caller has given up: before they read another page, pass over
// another entry that nobody sees, or hand out what is not in memory yet. The zero value interrupts nothing.
type Interrupt struct {
	set atomic.Bool
	err error // of the moves; stored before set
}

// uninterrupted is the Interrupt of iterators that have none.
var uninterrupted Interrupt

// Set interrupts with err. It may be called once.
func (i *Interrupt) Set(err error) {
	i.err = err
	i.set.Store(true)
}

// Err is nil until Set, and then its error.
func (i *Interrupt) Err() error {
	if !i.set.Load() {
		return nil
	}
	return i.err
}

// InterruptBy lets i end the iterators that s opens from now on.
func (s *Snapshot) InterruptBy(i *Interrupt) { s.interrupt = i }
