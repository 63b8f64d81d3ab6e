//go:build linux || darwin || freebsd

package vfs

import "golang.org/x/sys/unix"

// freeAround is the space of the file system around fd that this user may still fill, in bytes.
func freeAround(fd int) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, err
	}
	blocks := max(0, int64(st.Bavail)) // FreeBSD counts below zero, into the reserve of the superuser
	return uint64(blocks) * uint64(st.Bsize), nil
}
