package disk

import (
	"fmt"
	"time"

	"lightningdb/event"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// A spent reserve is looked after every remakeInterval; after a failure to make it every twice as long, up to
// maxRemakeInterval, because what it has written of the reserve by then was for nothing.
const (
	remakeInterval    = time.Second
	maxRemakeInterval = time.Minute
)

// Reserve is the length of the reserve, in bytes.
func (d *Disk) Reserve() int64 { return d.bounds.Reserve }

// Begin counts what is in the directory fs, which is locked, and holds the limit from now on. Of a nil Disk it removes
// the reserve that a limit has left there, unless the directory is only read.
func (d *Disk) Begin(fs vfs.FS, readOnly bool) error {
	switch {
	case readOnly:
		return nil
	case d == nil:
		return removeReserves(fs)
	}
	return d.quota.Count(
		func(name string) bool { return !is(filename.Unknown, name) && !is(filename.Lease, name) },
		func(name string) bool { return is(filename.NextReserve, name) })
}

func is(kind filename.Kind, name string) bool {
	k, _ := filename.Parse(name)
	return k == kind
}

func removeReserves(fs vfs.FS) error {
	names, err := fs.List()
	if err != nil {
		return fmt.Errorf("list the database directory: %w", err)
	}
	for _, name := range names {
		if !is(filename.Reserve, name) && !is(filename.NextReserve, name) {
			continue
		}
		if err := fs.Remove(name); err != nil && !vfs.IsNotExist(err) {
			return fmt.Errorf("remove a reserve: %w", err)
		}
	}
	return nil
}

// MakeReserve makes the reserve at the end of Open. Without room for it the database opens all the same. Where there is
// more than the limit, what the reserve would take is left to compactions and deletes.
func (d *Disk) MakeReserve() {
	if d == nil {
		return
	}
	if d.quota.Bound() > d.bounds.Limit {
		d.quota.Spend()
		return
	}
	if err := d.quota.Make(); err != nil {
		d.tell(event.ReserveMissing{Cause: err})
	}
}

// noteSpent takes back what commits were allowed: the reserve is spent.
func (d *Disk) noteSpent() {
	d.allowed.Store(0)
	d.tell(event.ReserveSpent{DiskFull: d.quota.MediumFull()})
	d.onChange()
}

// Spend gives the reserve back, so that others can have its space. It reports whether there was one.
func (d *Disk) Spend() bool { return d.quota.Spend() }

// Spent reports whether there is no reserve.
func (d *Disk) Spent() bool { return d.quota.Spent() }

// Used is the bytes of all files.
func (d *Disk) Used() int64 { return d.quota.Used() }

// Remake makes the reserve again if it is spent, the medium has room for it and a quarter more, and so has the limit
// besides what is kept. It returns when it is due again; far away if that takes somebody who spends it. Only one
// goroutine at a time may call it.
func (d *Disk) Remake() (due time.Duration) {
	if !d.quota.Spent() {
		return time.Hour
	}
	if left := d.remakeAt - d.now(); left > 0 {
		return left
	}
	due = remakeInterval
	if d.hasRoomForReserve() {
		if d.quota.Make() == nil {
			d.remakeAfter = 0
			d.tell(event.ReserveMade{})
			d.env.Changed()
			return time.Hour
		}
		d.remakeAfter = min(max(2*d.remakeAfter, 2*remakeInterval), maxRemakeInterval)
		due = d.remakeAfter
	}
	d.remakeAt = d.now() + due
	return due
}

func (d *Disk) hasRoomForReserve() bool {
	free, err := d.quota.FreeBytes()
	if err != nil || free < uint64(d.bounds.Reserve+d.bounds.Reserve/4) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.underLimitLocked() >= max(d.compactionLocked(), d.job)+d.bounds.Deletes+d.bounds.Reserve
}
