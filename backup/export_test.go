package backup

import (
	"context"
	"os"
	"syscall"

	"lightningdb/internal/target"
)

// NewFolderWithoutLinks is the Store of a directory on a file system that has no hard links.
func NewFolderWithoutLinks(dir string) *Folder {
	f := NewFolder(dir)
	f.link = func(*os.Root, string, string) error { return syscall.EPERM }
	return f
}

// NewMemory is the Store of the interleavings.
func NewMemory() Store { return newMemory() }

// In makes a restore work in disk, and verify by that function.
func (o *RestoreOptions) In(disk target.Disk, verify func(ctx context.Context, dir string,
	progress func(done, total int64)) error) {
	o.in = &surroundings{disk, verify}
}

// Verify is how a restore verifies a database in a directory of the system.
var Verify = verify
