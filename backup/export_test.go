package backup

import (
	"os"
	"syscall"
)

// NewFolderWithoutLinks is the Store of a directory on a file system that has no hard links.
func NewFolderWithoutLinks(dir string) *Folder {
	f := NewFolder(dir)
	f.link = func(*os.Root, string, string) error { return syscall.EPERM }
	return f
}

// NewMemory is the Store of the interleavings.
func NewMemory() Store { return newMemory() }
