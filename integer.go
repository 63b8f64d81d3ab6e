package lightningdb

import (
	"fmt"

	"lightningdb/internal/format/operand"
)

// Int64 is the integer that value holds: what Add, Max and Min leave, and AppendInt64 makes. The error is ErrMerge if
// value does not have the 8 bytes of one.
func Int64(value []byte) (int64, error) {
	n, ok := operand.Int64(value)
	if !ok {
		return 0, fmt.Errorf("%w: a value of %d bytes is no integer", ErrMerge, len(value))
	}
	return n, nil
}

// AppendInt64 appends to dst the value that holds n: 8 bytes, little-endian, two's complement. They do not sort as
// integers do.
func AppendInt64(dst []byte, n int64) []byte { return operand.AppendInt64(dst, n) }
