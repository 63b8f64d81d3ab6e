package events

import (
	"context"
	"sync"
	"time"

	"lightningdb/event"
)

// Backups sums up the backups of a database. The zero value is ready.
type Backups struct {
	mu  sync.Mutex
	sum event.Backups
}

// Sum returns what was backed up so far.
func (b *Backups) Sum() event.Backups {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum
}

// Begin begins a backup to a stream or a repository. The caller says how it ends.
func (b *Backups) Begin(ctx context.Context, bus *Bus, to string) (
	_ context.Context, end func(sequence uint64, bytes int64, err error)) {
	start := bus.clock.Now()
	if bus.opts.Tracer != nil {
		ctx = bus.opts.Tracer.Start(ctx, event.Backup)
	}
	return ctx, func(sequence uint64, bytes int64, err error) {
		took := bus.clock.Now().Since(start)
		told := event.BackedUp{To: to, Sequence: sequence, Bytes: bytes, Duration: took, Err: err}
		b.ended(bus.wall(), told)
		bus.Damaged("backup", err)
		bus.Send(told)
		if bus.opts.Tracer != nil {
			bus.opts.Tracer.End(ctx, event.Backup, err)
		}
	}
}

// ended counts a backup that has ended at the given time.
func (b *Backups) ended(at time.Time, e event.BackedUp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Err != nil {
		b.sum.Failed++
		return
	}
	b.sum.Count++
	b.sum.Last, b.sum.LastTook, b.sum.LastBytes, b.sum.LastCommit = at, e.Duration, e.Bytes, e.Sequence
}
