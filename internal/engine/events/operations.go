package events

import (
	"context"
	"errors"
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/stats"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/tree/timing"
)

// errUnfinished is told of an operation whose function has panicked, or ended its goroutine.
var errUnfinished = errors.New("it has not returned")

// Traced calls do within a span of the tracer, if there is one.
func (b *Bus) Traced(ctx context.Context, op event.Operation, do func(ctx context.Context) error) (err error) {
	if b.opts.Tracer == nil {
		return do(ctx)
	}
	ctx = b.opts.Tracer.Start(calls.OrBackground(ctx), op)
	err = errUnfinished
	defer func() { b.opts.Tracer.End(ctx, op, err) }()
	err = do(ctx)
	return err
}

// Reads is what the tree has to tell of reads.
func (b *Bus) Reads() timing.Options {
	o := timing.Options{Slow: b.opts.SlowOperation, Tell: b.slowRead}
	if b.opts.Tracer != nil {
		o.Trace = func(read func() error) (err error) {
			b.Traced(context.Background(), event.Get, func(context.Context) error {
				err = read()
				return endOfRead(err)
			})
			return err
		}
	}
	return o
}

// endOfRead is how a read has ended, for people: that Has need not read a long value is no error.
func endOfRead(err error) error {
	if err == operand.ErrTooLong {
		return nil
	}
	return err
}

// Traces reports whether there is a tracer.
func (b *Bus) Traces() bool { return b.opts.Tracer != nil }

// Measures reports whether somebody wants to know of slow operations.
func (b *Bus) Measures() bool { return b.opts.SlowOperation > 0 }

// Flushed tells of a flush that began at start and has ended with err.
func (b *Bus) Flushed(told event.Flushed, start clock.Instant, err error) {
	told.Duration, told.Err = b.clock.Now().Since(start), err
	b.Damaged("flush", err)
	b.Send(told)
}

// Compacted tells of a compaction that began at start and has ended with err.
func (b *Bus) Compacted(told event.Compacted, start clock.Instant, err error) {
	told.Duration, told.Err = b.clock.Now().Since(start), err
	b.Damaged("compaction", err)
	b.Send(told)
}

// slowRead tells of a read that took long.
func (b *Bus) slowRead(r timing.Read) {
	b.slowOperation(r.Finished, event.SlowOperation{Operation: event.Get, Duration: r.Took, Err: endOfRead(r.Err),
		Parts: event.Parts{Read: r.InFiles, Reads: r.Reads}, Key: b.shown(r.Key)})
}

// shown is what is told of a key: nil unless that is allowed.
func (b *Bus) shown(key []byte) []byte {
	if !b.opts.Keys {
		return nil
	}
	return append([]byte{}, key[:min(len(key), event.MaxKey)]...) // the empty key is not nil
}

// Committed tells of a commit of ops, nil if they are too many for a batch, which t has measured and which has ended
// with err, if it took long.
func (b *Bus) Committed(t *stats.Timer, ops *batch.Batch, err error) {
	if t.Spent == nil {
		return
	}
	now := b.clock.Now()
	took := now.Since(t.Spent.Begun)
	if took < b.opts.SlowOperation {
		return
	}
	told := event.SlowOperation{Operation: event.Commit, Duration: took, Err: err, Parts: t.Spent.Parts}
	group := t.Spent.Group
	told.Parts.Log, told.Parts.Sync = group.Log, group.Sync
	told.Parts.Queue = max(0, told.Parts.Queue-group.Log-group.Sync)
	if ops != nil {
		told.Bytes, told.Keys = len(ops.Bytes()), ops.Count()
		for key := range ops.Keys() {
			told.Key = b.shown(key)
			break
		}
	}
	b.slowOperation(now, told)
}

// Measure calls do, which writes or syncs the log for group, and adds its time to the part of each member that wants to
// know.
func (b *Bus) Measure(group []*commit.Request, part func(*commit.Times) *time.Duration, do func() error) error {
	if !b.Measures() {
		return do()
	}
	start := b.clock.Now()
	err := do()
	took := b.clock.Now().Since(start)
	for _, r := range group {
		if r.Times != nil {
			*part(r.Times) += took
		}
	}
	return err
}

// Parts of the time of a group, for Measure.
func LogTime(t *commit.Times) *time.Duration  { return &t.Log }
func SyncTime(t *commit.Times) *time.Duration { return &t.Sync }
