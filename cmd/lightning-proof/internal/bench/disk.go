package bench

import (
	"errors"

	"lightningdb/cmd/lightning-proof/internal/content"
	"lightningdb/internal/system/vfs"
)

const (
	diskBlock = 4 << 10
	diskSpan  = 4 << 20 // what is overwritten
	diskName  = "disk"
)

// disk is a file that is written as the log is: by the calls that the database makes.
type disk struct {
	dir   vfs.FS
	file  vfs.File
	end   int64 // of what was appended, or overwritten in this round
	block []byte
}

// open makes the file in dir. For overwriting all of its blocks are written, because those that were only reserved cost
// as much as new ones.
func (d *disk) open(dir string, written bool) (err error) {
	if d.dir, err = vfs.OpenDir(dir, vfs.OpenDirOptions{Create: true}); err != nil {
		return err
	}
	if d.file, err = d.dir.Create(diskName); err != nil || !written {
		return err
	}
	if _, err = d.file.WriteAt(content.Append(nil, diskSpan, 0), 0); err != nil {
		return err
	}
	return d.file.Sync()
}

// write writes one block and syncs it.
func (d *disk) write(over bool) error {
	if d.block == nil {
		d.block = content.Append(nil, diskBlock, 1)
	}
	if over && d.end == diskSpan {
		d.end = 0
	}
	_, err := d.file.WriteAt(d.block, d.end)
	if err != nil {
		return err
	}
	d.end += diskBlock
	return d.file.Sync()
}

// close removes the file.
func (d *disk) close() error {
	if d.file == nil {
		return nil
	}
	return errors.Join(d.file.Close(), d.dir.Remove(diskName), d.dir.Close())
}
