package memfs

import (
	"testing"

	"lightningdb/internal/vfs"
	"lightningdb/internal/vfs/vfstest"
)

// A simulated directory that differs from a real one would prove nothing about the engine.
func TestFS_conforms(t *testing.T) {
	t.Run("with history", func(t *testing.T) {
		vfstest.Run(t, func(*testing.T) vfs.FS { return New() })
	})
	t.Run("volatile", func(t *testing.T) {
		vfstest.Run(t, func(*testing.T) vfs.FS { return NewVolatile() })
	})
	t.Run("after a kill", func(t *testing.T) {
		vfstest.Run(t, func(*testing.T) vfs.FS { return New().Kill() })
	})
}
