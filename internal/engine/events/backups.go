package events

import (
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

// Ended counts a backup that has ended at the given time.
func (b *Backups) Ended(at time.Time, e event.BackedUp) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Err != nil {
		b.sum.Failed++
		return
	}
	b.sum.Count++
	b.sum.Last, b.sum.LastTook, b.sum.LastBytes, b.sum.LastCommit = at, e.Duration, e.Bytes, e.Sequence
}
