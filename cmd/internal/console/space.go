package console

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// pathsIn are the directories of the files that err speaks of.
func pathsIn(err error) (dirs []string) {
	var about *fs.PathError
	if errors.As(err, &about) && filepath.IsAbs(about.Path) {
		dirs = append(dirs, filepath.Dir(about.Path))
	}
	return dirs
}

// inodesAreOut reports whether one of the directories is on a file system on which there is room but no more files can
// be made.
func inodesAreOut(dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return dir != "" && noInodes(dir) })
}

// Also adds to err what another call said, unless it has the same cause: on a full disk the write fails, and then the
// Close does.
func Also(err, more error) error {
	if err != nil && more != nil && errors.Is(more, cause(err)) {
		return err
	}
	return errors.Join(err, more)
}

// cause is the error at the bottom of err, of several the last.
func cause(err error) error {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			if len(all) == 0 {
				return err
			}
			err = all[len(all)-1]
		default:
			return err
		}
	}
}
