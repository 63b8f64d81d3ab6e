//go:build !linux && !darwin && !freebsd && !openbsd && !windows

package vfs

import (
	"errors"
	"fmt"
	"runtime"
)

// OpenDir refuses. Without a lock that the system itself ends two writers would destroy each other's database, and
// without a sync of files and of names an acknowledged commit would be a hope: for this system neither is known. What
// needs neither is a database in memory (package memfs), and one that is only read (package iofs).
func OpenDir(dir string, _ OpenDirOptions) (FS, error) {
	return nil, fmt.Errorf("%w: a database in a directory on %s/%s, which promises neither locks nor syncs; keep it in "+
		"memory (InMemory), or read what another system has written (OpenFS)", errors.ErrUnsupported, runtime.GOOS,
		runtime.GOARCH)
}

// SyncPath does nothing, as there are no directories.
func SyncPath(string) error { return nil }

// WriteThrough does nothing: here nothing is written to files.
func WriteThrough() {}

// shareBlocks does nothing, as there are no files.
func shareBlocks(FS, string, File) bool { return false }

func isPlatformNoSpace(error) bool { return false }
