package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncContent makes content and length durable; fdatasync leaves out only the times of the file.
func syncContent(f *os.File) error {
	if err := withDescriptor(f, unix.Fdatasync); err != nil {
		return pathError("sync", f.Name(), err)
	}
	return nil
}

// writeOut begins with the n bytes at off, then waits for the n before them. A file system that cannot is left to Sync.
func writeOut(f *os.File, off, n int64) error {
	const begin = unix.SYNC_FILE_RANGE_WRITE
	const arrived = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	err := withDescriptor(f, func(fd int) error { return unix.SyncFileRange(fd, off, n, begin) })
	if before := max(0, off-n); err == nil && before < off {
		err = withDescriptor(f, func(fd int) error { return unix.SyncFileRange(fd, before, off-before, arrived) })
	}
	if err == nil || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return pathError("write out", f.Name(), err)
}
