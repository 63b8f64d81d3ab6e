// Package scratch finds a directory for a database that a command makes for itself.
package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Dir is where the command works. Removing it is the command's, by Remove.
type Dir struct {
	Path string // absolute, or as the system names temporary directories
	Kept bool   // Remove leaves it where it is
}

// Choose returns dir, which must be absent or empty and is kept, or for an empty dir a new temporary directory named
// after the command.
func Choose(command, dir string, keep bool) (Dir, error) {
	if dir == "" {
		path, err := os.MkdirTemp("", "lightning-"+command+"-")
		return Dir{path, keep}, err
	}
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Dir{}, err
	}
	if len(names) > 0 {
		return Dir{}, fmt.Errorf("%s is not empty; %s needs a directory of its own", dir, command)
	}
	path, err := filepath.Abs(dir)
	return Dir{path, true}, err
}

// Remove removes what is not kept.
func (d Dir) Remove() {
	if !d.Kept {
		os.RemoveAll(d.Path)
	}
}
