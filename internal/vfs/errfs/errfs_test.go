package errfs

import (
	"testing"

	"lightningdb/internal/vfs"
	"lightningdb/internal/vfs/memfs"
	"lightningdb/internal/vfs/vfstest"
)

// A layer that changed anything without a rule would make every fault test test something else.
func TestFS_withoutRulesConforms(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return New(memfs.New()) })
}
