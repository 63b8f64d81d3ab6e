package target

import (
	"os"
	"path/filepath"

	"lightningdb/internal/system/vfs"
)

// Disk is the directories in which a Staging works: those of the System, or in tests others, whose power can be cut.
type Disk interface {
	// Open opens a directory. With create it makes it before, and what is missing above it, durably.
	Open(dir string, create bool) (vfs.FS, error)

	// List returns the names in a directory. The error is fs.ErrNotExist if it is not there.
	List(dir string) ([]string, error)

	// Rename gives a directory another path, at which there is nothing. It is durable after Sync.
	Rename(from, to string) error

	// Remove removes a directory in which there is nothing. The removal is durable after Sync.
	Remove(dir string) error

	// Sync makes durable which names there are in a directory.
	Sync(dir string) error
}

// System is the Disk of the operating system.
type System struct{}

// Open is that of Disk.
func (System) Open(dir string, create bool) (vfs.FS, error) {
	return vfs.OpenDir(dir, vfs.OpenDirOptions{Create: create})
}

// List is that of Disk.
func (System) List(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Rename is that of Disk.
func (System) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is that of Disk.
func (System) Remove(dir string) error { return os.Remove(dir) }

// Sync is that of Disk.
func (System) Sync(dir string) error { return vfs.SyncPath(filepath.Clean(dir)) }
