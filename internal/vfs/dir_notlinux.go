//go:build !linux

package vfs

import "os"

// syncContent makes content and length durable. On macOS, File.Sync asks the drive to empty its cache
// (F_FULLFSYNC), which fsync alone does not.
func syncContent(f *os.File) error { return f.Sync() }
