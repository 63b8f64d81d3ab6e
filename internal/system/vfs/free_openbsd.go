package vfs

import "golang.org/x/sys/unix"

// freeAround is the space of the file system around fd that this user may still fill, in bytes.
func freeAround(fd int) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, err
	}
	blocks := max(0, st.F_bavail) // below zero it is in the reserve of the superuser
	return uint64(blocks) * uint64(st.F_bsize), nil
}
