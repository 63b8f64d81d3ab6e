package salvage

import (
	"errors"
	"io"

	"lightningdb/internal/system/vfs"
)

// lenientFS is a directory in which what the device cannot read is zeros. They pass for nothing: whatever counts has a
// checksum.
type lenientFS struct {
	vfs.FS
	unread func(name string, offset int64, err error)
}

// Open implements vfs.FS.
func (l lenientFS) Open(name string) (vfs.File, error) {
	f, err := l.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return lenientFile{f, name, l.unread}, nil
}

type lenientFile struct {
	vfs.File
	name   string
	unread func(name string, offset int64, err error)
}

// sectorBytes is the least that a device loses.
const sectorBytes = 512

// ReadAt implements vfs.File.
func (l lenientFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.File.ReadAt(p, off)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	for n = 0; n < len(p); {
		sector := p[n:min(len(p), n+sectorBytes-int((off+int64(n))%sectorBytes))]
		m, err := l.File.ReadAt(sector, off+int64(n))
		if errors.Is(err, io.EOF) {
			return n + m, err
		}
		if err != nil {
			clear(sector)
			l.unread(l.name, off+int64(n), err)
		}
		n += len(sector)
	}
	return n, nil
}

// cannotRead lists a sector that the device cannot read, once.
func (r *rescue) cannotRead(name string, offset int64, err error) {
	at := unreadSector{name, offset / sectorBytes}
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
