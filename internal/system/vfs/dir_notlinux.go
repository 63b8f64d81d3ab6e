//go:build !linux

package vfs

import "os"

// syncContent makes content and length durable. On macOS, File.Sync asks the drive to empty its cache
// (F_FULLFSYNC), which fsync alone does not.
func syncContent(f *os.File) error { return f.Sync() }

// readsLag is false: which file systems lag is known of Linux alone. Elsewhere whoever is taken over on such a one notices
// it when he looks by name, at the next edit of the manifest, and not at the next sync.
func readsLag(*os.File) bool { return false }

func writeOut(f *os.File, _, _ int64) error {
	if err := checkOpen(f); err != nil {
		return err
	}
	_, err := f.Stat() // an error of a closed file
	return err
}
