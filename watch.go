package lightningdb

import (
	"context"
	"sync"

	"lightningdb/internal/engine"
)

// watch ends the cursors and loops of a transaction when the context of the transaction ends. It begins with the
// first of them, so that a transaction without any pays nothing.
type watch struct {
	ctx       context.Context // nil if there is none
	once      sync.Once
	interrupt engine.Interrupt
	stop      func() bool // nil until it has begun
}

// begin lets the context end the iterators that s opens from now on.
func (w *watch) begin(s *engine.Snapshot) {
	if w.ctx == nil || w.ctx.Done() == nil {
		return
	}
	w.once.Do(func() {
		s.InterruptBy(&w.interrupt)
		if err := w.ctx.Err(); err != nil {
			w.interrupt.Set(err)
			return
		}
		w.stop = context.AfterFunc(w.ctx, func() { w.interrupt.Set(w.ctx.Err()) })
	})
}

// end stops watching the context.
func (w *watch) end() {
	w.once.Do(func() {}) // it does not begin any more
	if w.stop != nil {
		w.stop()
	}
}
