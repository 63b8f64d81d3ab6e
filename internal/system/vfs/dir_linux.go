package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readsLag is false for file systems of this machine alone, on which all who have a file open have one cache.
func readsLag(d *os.File) bool {
	switch fileSystem(d) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC:
		return false
	}
	return true
}

// fileSystem is the number of the file system that f lies on, 0 if it does not say.
func fileSystem(f *os.File) int64 {
	var st unix.Statfs_t
	if err := withDescriptor(f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return 0
	}
	return int64(st.Type)
}

// syncAround makes the name of the directory at path durable without its parent: with all of the file system that it is on.
func syncAround(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(withDescriptor(d, unix.Syncfs), d.Close())
}

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
