//go:build darwin || freebsd || openbsd || windows

package vfs

import "os"

// syncContent makes content and length durable. On macOS, File.Sync asks the drive to empty its cache (F_FULLFSYNC),
// which fsync alone does not.
func syncContent(f *os.File) error { return f.Sync() }

// readsLag is false, because only for Linux is it known which file systems lag. Elsewhere a writer on such a file
// system that has been taken over notices it at the next edit of the manifest, when it looks by name, and not at the
// next sync.
func readsLag(*os.File) bool { return false }

// shareBlocks does nothing: file systems that let files share blocks are asked on Linux only.
func shareBlocks(FS, string, File) bool { return false }

func writeOut(f *os.File, _, _ int64) error {
	if err := checkOpen(f); err != nil {
		return err
	}
	_, err := f.Stat() // fails if the file is closed
	return err
}
