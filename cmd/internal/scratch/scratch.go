// Package scratch finds a directory for a database that a command makes for itself.
package scratch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Dir is where the command works. The command calls Remove at its end.
type Dir struct {
	Path string // absolute, or as the system names temporary directories
	Kept bool   // Remove leaves it where it is
}

// mode lets the user in and nobody else, whatever the umask.
const mode = 0o700

// Choose returns dir, which must be absent or empty and is kept, or for an empty dir a new temporary directory named
// after the command. The directory exists then, and its owner may write in it, whatever the umask.
func Choose(command, dir string, keep bool) (Dir, error) {
	if dir == "" {
		path, err := os.MkdirTemp("", "lightning-"+command+"-")
		if err == nil {
			err = os.Chmod(path, mode)
		}
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
	if err == nil {
		err = create(path)
	}
	return Dir{path, true}, err
}

// create makes path and what is missing above it.
func create(path string) error {
	err := os.Mkdir(path, mode)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if errors.Is(err, os.ErrNotExist) && filepath.Dir(path) != path {
		if err := create(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, mode)
	}
	if err != nil {
		return err
	}
	return os.Chmod(path, mode)
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
