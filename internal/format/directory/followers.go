package directory

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/clock"
)

// Publish begins to tell followers what there is: database db, of which everything up to visible is durable, with
// manifest m in force. The page of the writer before is gone with it. Without followers it does nothing.
func (d *Directory) Publish(db [16]byte, m status.Manifest, visible key.SeqNum) {
	if !d.opts.Followers || d.opts.FS.ReadsLag() {
		return
	}
	d.page = status.Create(d.opts.FS, d.opts.Random(), db, m, visible, d.opts.Unread)
}

// Page is what followers are told. It may be nil, which takes everything and tells nobody.
func (d *Directory) Page() *status.Page { return d.page }

// heldByFollowers looks at the leases, and returns a function that says whether a follower may need a file which no
// version from since on needs, and which has waited for its removal since at. After an error everything is held.
func (d *Directory) heldByFollowers() (isHeld func(since filename.Num, at clock.Instant) bool, err error) {
	if !d.opts.Followers {
		return func(filename.Num, clock.Instant) bool { return false }, nil
	}
	lowest, err := d.holders.Lowest()
	now := d.opts.Clock.Now()
	return func(since filename.Num, at clock.Instant) bool {
		return lowest < since && (d.opts.MaxHold == 0 || now.Since(at) <= d.opts.MaxHold)
	}, err
}

// MayReuse reports whether a file that no version from since on needs may be used for something else. Only the
// goroutine that calls RemoveObsolete may ask.
func (d *Directory) MayReuse(since filename.Num) bool {
	isHeld, _ := d.heldByFollowers() // after an error everything is
	return !isHeld(since, d.opts.Clock.Now())
}

// HasFollowers reports whether there is a lease, of a live follower or not. Only the goroutine that calls
// RemoveObsolete may ask.
func (d *Directory) HasFollowers() bool { return !d.MayReuse(lease.All) }
