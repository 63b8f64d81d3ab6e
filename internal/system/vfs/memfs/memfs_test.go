package memfs

import (
	"errors"
	"testing"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/vfstest"
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

// A crash whose moment goes by while it is being chosen, because others write, would never come, and they would
// write for ever.
func TestCrashAt_whatIsPastIsTheNextChange(t *testing.T) {
	for name, crash := range map[string]func(*FS, int){"CrashAt": (*FS).CrashAt, "CrashDuring": (*FS).CrashDuring} {
		f := New()
		for _, file := range []string{"a", "b", "c"} {
			if _, err := f.Create(file); err != nil {
				t.Fatal(err)
			}
		}
		crash(f, 1)
		if _, err := f.Create("d"); !errors.Is(err, ErrCrashed) || !f.Crashed() {
			t.Errorf("%s: %v, crashed %v", name, err, f.Crashed())
		}
	}
}
