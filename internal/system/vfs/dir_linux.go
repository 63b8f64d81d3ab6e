package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readsLag is false for file systems that only this machine uses: there all open files of one file share one cache.
func readsLag(d *os.File) bool {
	switch fileSystem(d) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC:
		return false
	}
	return true
}

// fileSystem is the number of the type of file system that f lies on; 0 if the system does not say.
func fileSystem(f *os.File) int64 {
	var st unix.Statfs_t
	if err := withDescriptor(f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return 0
	}
	return int64(st.Type)
}

// syncAround makes the name of the directory at path durable without its parent, by syncing its whole file system.
func syncAround(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(withDescriptor(d, unix.Syncfs), d.Close())
}

// shareBlocks makes the new file to one with the content of the file name of from, if both lie on a file system that
// lets files share blocks (Btrfs, XFS). Otherwise to is as it was.
func shareBlocks(from FS, name string, to File) bool {
	dir, ours := Innermost(from).(*osDir)
	target, plain := to.(*osFile) // one that somebody wraps is written through the wrapper, which may count
	if !ours || !plain {
		return false
	}
	source, err := dir.openRegular(name, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer source.Close()
	err = withDescriptor(target.f, func(into int) error {
		return withDescriptor(source, func(of int) error { return unix.IoctlFileClone(into, of) })
	})
	return err == nil
}

// syncContent makes content and length durable. fdatasync leaves out only the times of the file.
func syncContent(f *os.File) error {
	if err := withDescriptor(f, unix.Fdatasync); err != nil {
		return pathError("sync", f.Name(), err)
	}
	return nil
}

// writeOut starts writing the n bytes at off, then waits for the n bytes before them. If the file system cannot do
// that, it is left to Sync.
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
