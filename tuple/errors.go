package tuple

import (
	"errors"
	"fmt"
)

// Errors that callers branch on, with errors.Is. What is returned adds the place.
var (
	// ErrTruncated: the key ends within an element, or before the element that was asked for. It is not a whole key, or
	// one with fewer elements.
	ErrTruncated = errors.New("the key ends too early")

	// ErrUnknownCode: an element begins with a type code that this package does not know: the bytes are no tuple, or one
	// with elements of another program's own. Error and DecodeError tell the code and where it is.
	ErrUnknownCode = errors.New("unknown type code")

	// ErrType: the element is of another type than the one asked for. Ask in the order in which the key was written, or
	// take it with Any.
	ErrType = errors.New("the element is of another type")

	// ErrRange: the integer does not fit into the type that was asked for, or a big.Int has more than 255 bytes. Take
	// such a number with Big or Any.
	ErrRange = errors.New("the number is out of range")

	// ErrUTF8: a string is not valid UTF-8. Write it with AppendBytes, as []byte, or with the codec Bytes: the order is
	// the same.
	ErrUTF8 = errors.New("the string is not valid UTF-8")

	// ErrNotCanonical: an integer is not written in the fewest bytes. No program that keeps to the format writes such a
	// key, and with it one tuple would have two keys.
	ErrNotCanonical = errors.New("the integer is not in its shortest form")

	// ErrDepth: tuples lie in each other more than MaxDepth deep.
	ErrDepth = errors.New("tuples are nested too deeply")

	// ErrTrailing: there are more elements than were read.
	ErrTrailing = errors.New("there are more elements")

	// ErrUnsupported: a Go value that has no encoding, such as one of a type of your own. Convert it to one of the types
	// that the documentation of Tuple lists.
	ErrUnsupported = errors.New("values of this type have no encoding")

	// ErrOutside: the key does not begin with the prefix of the Subspace.
	ErrOutside = errors.New("the key is not in the subspace")
)

// DecodeError says where in a key something is wrong. It wraps one of the errors above, or what a codec of the program
// gave to Reader.Fail.
type DecodeError struct {
	Offset int  // in the key: where the element begins, in bytes
	Code   byte // the type code there; 0 if the key ends there
	Err    error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("tuple: element at offset %d (type code 0x%02x): %v", e.Offset, e.Code, e.Err)
}

// Unwrap returns e.Err.
func (e *DecodeError) Unwrap() error { return e.Err }
