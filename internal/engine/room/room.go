// Package room is where commits wait until memory and level 0 have room for them, and by how much writers are slowed so
// that they need not stop.
package room

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/vfs"
)

// Room tells commits that wait of changes, and deals out the time that writers are slowed by. The zero value is ready.
// Its methods are safe for concurrent use.
type Room struct {
	mu    sync.Mutex    // comes before the tree's
	next  chan struct{} // closed by the next change; nil while nobody waits for it
	paced clock.Instant // until when the writers so far have room, at the pace of then

	backgroundErr error // background work waits for space on the disk or for file descriptors
}

// Changed has the writers that wait look again. Nobody may call it with a mutex that a look takes.
func (r *Room) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changedLocked()
}

func (r *Room) changedLocked() {
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// NextChange returns a channel that is closed when something changes after the call. Whoever waits gets it first, and
// looks then.
func (r *Room) NextChange() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return r.next
}

// Await waits, as a writer that is held up by cause, for a change, the end of the wait, of ctx, or of the engine, which
// closed ends with.
func Await(ctx, closed context.Context, changed <-chan struct{}, wait time.Duration, cause string) error {
	select {
	case <-changed:
	case <-time.After(wait):
	case <-closed.Done():
		return calls.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", cause, ctx.Err())
	}
	return nil
}

// Reserve is the time for which a writer has to wait that brings bytes at perSecond, behind those before it.
func (r *Room) Reserve(now clock.Instant, bytes int, perSecond float64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paced = max(r.paced, now).Plus(time.Duration(float64(bytes) / perSecond * float64(time.Second)))
	return r.paced.Since(now)
}

// Forget forgets what was reserved: writers are not slowed any more.
func (r *Room) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paced = 0
}

// BackgroundError is why background work is held up, nil if it is not.
func (r *Room) BackgroundError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backgroundErr
}

// DiskFull reports whether background work is held up because there is no space.
func (r *Room) DiskFull() bool { return errors.Is(r.BackgroundError(), vfs.ErrNoSpace) }

// NoteBackground remembers whether background work waits for something that passes by itself, so that writers are told
// instead of waiting with it.
func (r *Room) NoteBackground(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.changedLocked()
	switch {
	case directory.Transient(err):
		r.backgroundErr = err
	case err == nil:
		r.backgroundErr = nil
	}
}
