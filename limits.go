package lightningdb

import (
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/log/wal"
)

// Limits of keys, values and batches (as Batch.Size counts them), in bytes.
const (
	MaxKeySize   = key.MaxUserKeySize // 64 KiB
	MaxValueSize = key.MaxValueSize   // 64 MiB
	MaxBatchSize = wal.MaxPayloadSize // 1 GiB less 24, which its record takes
)

// fits reports whether checkKey accepts k.
func fits(k []byte) bool { return len(k) >= key.MinUserKeySize && len(k) <= MaxKeySize }

// checkKey enforces the limits of keys.
func checkKey(k []byte) error {
	switch {
	case len(k) < key.MinUserKeySize:
		return ErrKeyEmpty
	case len(k) > MaxKeySize:
		return fmt.Errorf("%w: it has %d", ErrKeyTooLarge, len(k))
	}
	return nil
}

// checkValue enforces the limits of values.
func checkValue(v []byte) error {
	if len(v) > MaxValueSize {
		return fmt.Errorf("%w: it has %d", ErrValueTooLarge, len(v))
	}
	return nil
}

// MaxArgumentSize is the largest argument of Append and Merge, in bytes: one less than 64 MiB, the largest value.
const MaxArgumentSize = operand.MaxArgumentSize

// checkArgument enforces the limit of arguments of Append and Merge.
func checkArgument(argument []byte) error {
	if len(argument) > MaxArgumentSize {
		return fmt.Errorf("%w: an argument of %d, of which one byte less is allowed", ErrValueTooLarge, len(argument))
	}
	return nil
}
