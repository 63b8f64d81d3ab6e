package lightningdb

import (
	"context"
	"sync"

	"lightningdb/internal/engine"
)

// watch has the end of a transaction's context end the transaction's cursors and loops. It begins with the first of them:
// a transaction without pays nothing.
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

// end lets go of the context.
func (w *watch) end() {
	w.once.Do(func() {}) // it does not begin any more
	if w.stop != nil {
		w.stop()
	}
}
