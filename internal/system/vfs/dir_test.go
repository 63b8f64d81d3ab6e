//go:build linux || darwin || freebsd || openbsd || windows

package vfs_test

import (
	"testing"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/vfstest"
)

// The engine relies on every line of this.
func TestOpenDir_conforms(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS { return openDir(t, t.TempDir(), vfs.OpenDirOptions{}) })
}

// openDir opens dir until the end of the test.
func openDir(t *testing.T, dir string, o vfs.OpenDirOptions) vfs.FS {
	t.Helper()
	d, err := vfs.OpenDir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // the test may have closed it
	return d
}
