package probe

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// evictFile writes a file out, without which its pages stay, and drops them.
func evictFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
}
