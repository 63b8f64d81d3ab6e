//go:build unix

package probe

import (
	"io/fs"
	"syscall"
)

// blocks is what a file takes on the disk, in bytes.
func blocks(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
