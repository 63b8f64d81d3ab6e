package transaction

import (
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// Errors of what a user gives. The root package publishes them.
var (
	ErrKeyTooLarge   = fmt.Errorf("key is larger than %d bytes", key.MaxUserKeySize)
	ErrValueTooLarge = fmt.Errorf("value is larger than %d bytes", key.MaxValueSize)
)

// Fits reports whether CheckKey accepts k.
func Fits(k []byte) bool { return len(k) <= key.MaxUserKeySize }

// CheckKey enforces the limits of keys.
func CheckKey(k []byte) error {
	if len(k) > key.MaxUserKeySize {
		return fmt.Errorf("%w: it has %d", ErrKeyTooLarge, len(k))
	}
	return nil
}

// CheckValue enforces the limits of values.
func CheckValue(v []byte) error {
	if len(v) > key.MaxValueSize {
		return fmt.Errorf("%w: it has %d", ErrValueTooLarge, len(v))
	}
	return nil
}

// CheckArgument enforces the limit of arguments of Append and Merge.
func CheckArgument(argument []byte) error {
	if len(argument) > operand.MaxArgumentSize {
		return fmt.Errorf("%w: an argument of %d, of which one byte less is allowed", ErrValueTooLarge, len(argument))
	}
	return nil
}
