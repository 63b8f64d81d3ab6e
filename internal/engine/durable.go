package engine

import (
	"context"
	"fmt"

	"lightningdb/internal/batch"
	"lightningdb/internal/key"
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
	if ctx.Done() == nil {
		return e.syncCommits()
	}
	synced := make(chan error, 1)
	go func() { synced <- e.syncCommits() }()
	select {
	case err := <-synced:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// syncCommits makes everything published before the call durable, together with whatever the queue syncs then.
func (e *Engine) syncCommits() error {
	_, err := e.Commit(&batch.Batch{}, true)
	return err
}
