package vfs

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// errReadOnly refuses a change in a directory that was opened with ReadOnly.
var errReadOnly error = &wrapped{"directory is open read-only", fs.ErrPermission}

// noSpace adds ErrNoSpace to an error of the operating system, which it still matches.
type noSpace struct{ error }

func (e noSpace) Unwrap() []error { return []error{ErrNoSpace, e.error} }

// WrapNoSpace makes an error match ErrNoSpace if it says that the medium, a quota or a limit of file sizes is
// exhausted. It returns any other error, and nil, as it is. Implementations of File and FS pass every error of a
// write, an allocation, a sync or a change of names through it.
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

// ValidName reports whether name can be the name of a file inside a directory: it is not empty, not "." or "..", and
// has neither a NUL nor the separator of any platform. Implementations refuse other names with fs.ErrInvalid.
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
