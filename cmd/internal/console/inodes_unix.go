//go:build linux || darwin

package console

import "golang.org/x/sys/unix"

// When inodes are what is missing: a file that could not be made has been removed again, with others of the same
// attempt.
const (
	fewInodes   = 16
	enoughBytes = 16 << 20
)

// noInodes reports whether the file system of dir has room, but hardly for another file. A file system that does not
// count files says that there are none in all.
func noInodes(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Files > 0 && s.Ffree < fewInodes && s.Bavail >= enoughBytes/uint64(s.Bsize)
}
