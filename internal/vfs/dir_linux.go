package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncContent makes content and length durable; fdatasync leaves out only the times of the file.
func syncContent(f *os.File) error {
	if err := withDescriptor(f, unix.Fdatasync); err != nil {
		return pathError("sync", f.Name(), err)
	}
	return nil
}
