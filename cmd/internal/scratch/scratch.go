// Package scratch finds a directory for a database that a command makes for itself.
package scratch

import (
	"errors"
	"fmt"
	"io"
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
	used, err := hasEntries(dir)
	if err != nil {
		return Dir{}, err
	}
	if used {
		return Dir{}, fmt.Errorf("%s is not empty; %s needs a directory of its own", dir, command)
	}
	path, err := filepath.Abs(dir)
	return Dir{path, true}, err
}

// hasEntries reports whether there is anything in dir, which may be absent.
func hasEntries(dir string) (bool, error) {
	opened, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer opened.Close()
	if _, err = opened.Readdirnames(1); err == io.EOF {
		return false, nil
	}
	return true, err
}

// Remove removes what is not kept.
func (d Dir) Remove() {
	if !d.Kept {
		os.RemoveAll(d.Path)
	}
}
