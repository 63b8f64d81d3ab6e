package transaction

import (
	"context"
	"sync"

	"lightningdb/internal/engine"
)

// Watch ends the cursors and loops of a transaction when the context of the transaction ends. It begins with the
// first of them, so that a transaction without any pays nothing.
type Watch struct {
	once      sync.Once
	interrupt engine.Interrupt
	stop      func() bool // nil until it has begun
}

// On says which context it is, before the watch begins. Without one there is nothing to watch.
func (w *Watch) On(ctx context.Context) { w.interrupt.By(ctx) }

// Begin lets the context end the iterators that s opens from now on.
func (w *Watch) Begin(s *engine.Snapshot) {
	ctx := w.interrupt.Context()
	if ctx == nil || ctx.Done() == nil {
		return
	}
	w.once.Do(func() {
		s.InterruptBy(&w.interrupt)
		w.stop = context.AfterFunc(ctx, func() { w.interrupt.Set(ctx.Err()) })
	})
}

// Err is why the cursors and loops were ended, nil if they were not.
func (w *Watch) Err() error { return w.interrupt.Err() }

// End stops watching the context.
func (w *Watch) End() {
	w.once.Do(func() {}) // it does not begin any more
	if w.stop != nil {
		w.stop()
	}
}

// Renew makes w as good as new, if the context that it has watched cannot come any more; else it reports false. It
// takes the place of End, once nobody else uses w.
func (w *Watch) Renew() bool {
	if w.stop != nil && !w.stop() {
		return false
	}
	w.once, w.interrupt, w.stop = sync.Once{}, engine.Interrupt{}, nil
	return true
}
