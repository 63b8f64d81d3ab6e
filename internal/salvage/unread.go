package salvage

import "lightningdb/internal/salvage/lenient"

// cannotRead lists a sector that the device cannot read, once.
func (r *rescue) cannotRead(name string, offset int64, err error) {
	at := unreadSector{name, offset / lenient.SectorBytes}
	if r.unread[at] || len(r.unread) > maxDamage {
		return
	}
	r.unread[at] = true
	if !r.unread[unreadSector{name, at.number - 1}] { // one place, however many sectors it has
		r.damaged(name, offset, "the device cannot read it: "+err.Error())
	}
}

// unreadSector is the place of a sector that cannot be read.
type unreadSector struct {
	file   string
	number int64
}

// anyUnread reports whether something of a file cannot be read.
func (r *rescue) anyUnread(name string) bool {
	for at := range r.unread {
		if at.file == name {
			return true
		}
	}
	return false
}
