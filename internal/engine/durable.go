package engine

import (
	"context"
	"fmt"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// noteDurable records that everything up to seq survives a power cut.
func (e *Engine) noteDurable(seq key.SeqNum) {
	for {
		before := e.durable.Load()
		if uint64(seq) <= before || e.durable.CompareAndSwap(before, uint64(seq)) {
			return
		}
	}
}

// WaitDurable returns once everything up to seq survives a power cut. If no sync has covered it yet, it joins the next
// one of the commit queue. The error is ErrFutureSequence if no commit has reached seq. With the error of a done ctx
// nothing is known; a sync that has begun goes on.
func (e *Engine) WaitDurable(ctx context.Context, seq key.SeqNum) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if newest := key.SeqNum(e.visible.Load()); seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFutureSequence, seq, newest)
	}
	if seq <= key.SeqNum(e.durable.Load()) {
		return nil
	}
	return waitUntil(ctx, e.syncCommits)
}

// waitUntil calls do and waits for it until ctx is done; then do goes on by itself.
func waitUntil(ctx context.Context, do func() error) error {
	if ctx.Done() == nil {
		return do()
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turn is a mutex, of capacity 1, that can be waited for until a context is done.
type turn chan struct{}

// tryTake reports whether nobody had the turn, which the caller has then.
func (t turn) tryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turn) take(ctx context.Context) error {
	if t.tryTake() {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) end() { <-t }

// syncCommits makes everything published before the call durable, together with whatever the queue syncs then.
func (e *Engine) syncCommits() error {
	_, err := e.Commit(&batch.Batch{}, true)
	return err
}
