package probe

import (
	"os"
	"path/filepath"
)

// Evict makes the system forget what it has in memory of the files in dir, where it can.
func Evict(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := evictFile(filepath.Join(dir, name.Name())); err != nil {
			return err
		}
	}
	return nil
}
