package vfs

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// errReadOnly refuses a change through a directory that was opened with ReadOnly.
var errReadOnly error = &wrapped{"directory is open read-only", fs.ErrPermission}

// noSpace joins ErrNoSpace to the error of the operating system, which stays reachable.
type noSpace struct{ error }

func (e noSpace) Unwrap() []error { return []error{ErrNoSpace, e.error} }

// WrapNoSpace makes errors.Is(err, ErrNoSpace) hold if err says that the medium, a quota or a file size limit is
// exhausted, and returns any other error, nil included, as it is. Implementations of File and FS pass every
// error of a write, an allocation, a sync or a change of names through it.
func WrapNoSpace(err error) error {
	if err == nil || errors.Is(err, ErrNoSpace) {
		return err
	}
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	if full || isPlatformNoSpace(err) {
		return noSpace{err}
	}
	return err
}

// ValidName reports whether name can be the name of a file inside a directory: not empty, not "." or "..", and
// without a separator of any platform or a NUL. Implementations refuse other names with fs.ErrInvalid.
func ValidName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\:\x00")
}

// wrapped is an error with a message of its own and a cause that errors.Is finds.
type wrapped struct {
	message string
	cause   error
}

func (e *wrapped) Error() string { return e.message }
func (e *wrapped) Unwrap() error { return e.cause }

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
