package transaction

import (
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// Errors of what a user gives. The root package publishes them.
var (
	ErrKeyTooLarge   = fmt.Errorf("key is larger than %d bytes", key.MaxUserKeySize)
	ErrValueTooLarge = fmt.Errorf("value is larger than %d bytes", key.MaxValueSize)
	ErrExpiry        = errors.New("a time of expiry is not after 1970, or beyond 2262")
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

// CheckUntil enforces the limits of a value that expires at t, which it returns.
func CheckUntil(v []byte, t time.Time) (end key.Time, err error) {
	end, ok := key.TimeOf(t)
	switch {
	case !ok:
		return 0, fmt.Errorf("%w: %v", ErrExpiry, t)
	case len(v) > key.MaxValueSize-key.EndSize:
		return 0, fmt.Errorf("%w: it has %d, and its expiry takes %d", ErrValueTooLarge, len(v), key.EndSize)
	}
	return end, nil
}

// CheckArgument enforces the limit of arguments of Append and Merge.
func CheckArgument(argument []byte) error {
	if len(argument) > operand.MaxArgumentSize {
		return fmt.Errorf("%w: an argument of %d, of which one byte less is allowed", ErrValueTooLarge, len(argument))
	}
	return nil
}
