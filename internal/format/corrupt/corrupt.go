// Package corrupt is the vocabulary of damage: one error type that says which file is damaged, where, and how. Every
// decoder in the engine reports damage with this type and with nothing else, so that callers can tell damaged bytes
// from a failing device, whose errors stay an *fs.PathError or an errno.
package corrupt

import (
	"errors"
	"fmt"
)

// ErrCorrupt matches every *Error by errors.Is.
var ErrCorrupt = errors.New("data is damaged")

// Error says that bytes read from a file are not those that were written there. Nothing of the damaged piece, be it
// a page, a log record or an edit, is ever used.
type Error struct {
	File   string // name of the file inside the database directory; empty while a decoder does not know it
	Offset int64  // where the damaged piece begins in File, in bytes; -1 if not known
	What   string // what is wrong, in words: "page checksum mismatch"
}

// New returns an *Error at offset of file.
func New(file string, offset int64, format string, args ...any) *Error {
	return &Error{File: file, Offset: offset, What: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	file, at := e.File, ""
	if file == "" {
		file = "data"
	}
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at offset %d", e.Offset)
	}
	return fmt.Sprintf("%s is damaged%s: %s", file, at, e.What)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *Error) Is(target error) bool { return target == ErrCorrupt }
