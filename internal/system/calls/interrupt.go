package calls

import (
	"context"
	"sync/atomic"
)

// Interrupt ends iterators from outside, when their caller has given up: before they read another page, pass over
// another entry that nobody sees, or hand out what is not in memory yet. The zero value interrupts nothing.
type Interrupt struct {
	ctx context.Context // asked at every step, because Set may come late; nil if there is none
	set atomic.Bool
	err atomic.Pointer[error] // of the moves; stored before set
}

// By makes steps that begin after the end of ctx fail. It is called before iterators have the Interrupt. The caller
// also sees to it that Set is called when ctx ends: a step that takes long does not ask.
func (i *Interrupt) By(ctx context.Context) { i.ctx = ctx }

// Context is what By was called with, nil if it was not.
func (i *Interrupt) Context() context.Context { return i.ctx }

// Set interrupts with err. The first call counts.
func (i *Interrupt) Set(err error) {
	i.err.CompareAndSwap(nil, &err)
	i.set.Store(true)
}

// Flag is true from Set on: for what is asked before each page and entry. Nobody else stores into it.
func (i *Interrupt) Flag() *atomic.Bool { return &i.set }

// Due reports whether a step may not begin.
func (i *Interrupt) Due() bool { return i.set.Load() || i.ctx != nil && i.over() }

// over asks the context.
func (i *Interrupt) over() bool {
	err := i.ctx.Err()
	if err != nil {
		i.Set(err)
	}
	return err != nil
}

// Err is nil until Set, and then its error.
func (i *Interrupt) Err() error {
	if !i.set.Load() {
		return nil
	}
	return *i.err.Load()
}
