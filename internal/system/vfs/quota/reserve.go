package quota

import (
	"errors"
	"fmt"

	"lightningdb/internal/system/vfs"
)

// Spent reports whether there is no reserve.
func (q *FS) Spent() bool { return !q.whole.Load() }

// MediumFull reports whether the medium was full, and has not taken a reserve since.
func (q *FS) MediumFull() bool { return q.full.Load() }

// Spend removes the reserve, so that others can have its space. It reports whether there was one to remove. What
// was known of the reserve may be wrong: somebody may have removed it already.
func (q *FS) Spend() bool {
	if !q.whole.Load() { // also while it is being made: who makes it has the mutex, and may come here
		return false
	}
	q.making.Lock()
	err := q.removeReserve()
	q.making.Unlock()
	if err != nil {
		return false
	}
	if q.opts.OnSpend != nil {
		q.opts.OnSpend()
	}
	return true
}

// removeReserve removes the reserve. After an error it is still there, for the next attempt.
func (q *FS) removeReserve() error {
	if !q.whole.Load() {
		return vfs.ErrNoSpace
	}
	if err := q.FS.Remove(q.opts.Reserve); err != nil && !vfs.IsNotExist(err) {
		return err
	}
	q.forgetReserve()
	q.given.Add(1) // when its space is there, and before others see that the reserve is not: see again
	q.whole.Store(false)
	return nil
}

// forgetReserve counts the bytes of the reserve no more.
func (q *FS) forgetReserve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := q.names[q.opts.Reserve]; n != nil {
		delete(q.names, q.opts.Reserve)
		q.unlinkLocked(n)
	}
}

// Make makes the reserve, whole and durable, unless it is there. After an error there is none, and the directory is as
// it was before. One of another length, which the last use of the directory has left, is replaced.
func (q *FS) Make() error {
	q.making.Lock()
	defer q.making.Unlock()
	if q.whole.Load() {
		if size, err := q.FS.FileSize(q.opts.Reserve); err == nil && size == q.opts.ReserveBytes {
			return nil
		}
		if err := q.removeReserve(); err != nil {
			return fmt.Errorf("replace the reserve: %w", err)
		}
	}
	next := q.opts.NextReserve()
	err := q.write(next)
	if err == nil {
		err = q.Rename(next, q.opts.Reserve)
	}
	if err != nil {
		if removed := q.Remove(next); !vfs.IsNotExist(removed) {
			err = errors.Join(err, removed)
		}
		return fmt.Errorf("make the reserve of %d bytes: %w", q.opts.ReserveBytes, err)
	}
	q.whole.Store(true)
	q.full.Store(false)
	return nil
}

// write writes the reserve under a name of its own, and makes it durable. The name need not be: a reserve that a crash
// takes away is made again by the next Open.
func (q *FS) write(name string) error {
	f, err := q.Create(name)
	if err != nil {
		return err
	}
	if err = f.Allocate(q.opts.ReserveBytes); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
