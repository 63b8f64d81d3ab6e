//go:build !linux && !darwin && !freebsd && !openbsd && !windows

package vfs_test

import (
	"errors"
	"strings"
	"testing"

	"lightningdb/internal/system/vfs"
)

// A directory without a lock and without syncs would be two writers' at once, and lose what was acknowledged.
func TestOpenDir_isRefusedWhereNothingIsPromised(t *testing.T) {
	for _, o := range []vfs.OpenDirOptions{{}, {Create: true}, {ReadOnly: true}} {
		d, err := vfs.OpenDir(t.TempDir(), o)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "InMemory") {
			t.Errorf("OpenDir = %v, %v", d, err)
		}
	}
}
