package engine

import (
	"context"
	"fmt"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
)

// WaitDurable returns once everything up to seq survives a power cut. If no sync has covered it yet, it joins the next
// one of the commit queue. The error is ErrFutureSequence if no commit has reached seq. With the error of a done ctx
// nothing is known; a sync that has begun goes on.
func (e *Engine) WaitDurable(ctx context.Context, seq key.SeqNum) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if newest := e.tree.Visible(); seq > newest {
		return fmt.Errorf("%w: %d, the newest is %d", ErrFutureSequence, seq, newest)
	}
	if seq <= e.log.Durable() {
		return nil
	}
	return calls.Until(ctx, e.Sync)
}

// Sync makes everything published before the call durable, together with whatever the queue syncs then.
func (e *Engine) Sync() error {
	_, err := e.Commit(&batch.Batch{}, true)
	return err
}
