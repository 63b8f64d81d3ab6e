// Package lenient reads from a device what it can.
package lenient

import (
	"errors"
	"io"

	"lightningdb/internal/system/vfs"
)

// FS is a directory in which what the device cannot read is zeros. They pass for nothing: whatever counts has a
// checksum.
type FS struct {
	vfs.FS
	Unread func(name string, offset int64, err error) // is told of each sector that cannot be read
}

// Open implements vfs.FS.
func (l FS) Open(name string) (vfs.File, error) {
	f, err := l.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return file{f, name, l.Unread}, nil
}

type file struct {
	vfs.File
	name   string
	unread func(name string, offset int64, err error)
}

// SectorBytes is the least that a device loses, in bytes.
const SectorBytes = 512

// ReadAt implements vfs.File.
func (l file) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.File.ReadAt(p, off)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	for n = 0; n < len(p); {
		sector := p[n:min(len(p), n+SectorBytes-int((off+int64(n))%SectorBytes))]
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
