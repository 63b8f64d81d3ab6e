package lightningdb

import (
	"fmt"

	"lightningdb/internal/format/operand"
	"lightningdb/internal/join"
)

// Add adds "add n to the integer at key", which counts as 0 if the key is absent. It wraps around as int64 does.
func (b *Batch) Add(key []byte, n int64) { b.integer(operand.Add, key, n) }

// Max adds "set key to n unless it has a greater integer".
func (b *Batch) Max(key []byte, n int64) { b.integer(operand.Max, key, n) }

// Min adds "set key to n unless it has a lesser integer".
func (b *Batch) Min(key []byte, n int64) { b.integer(operand.Min, key, n) }

// Append adds "append tail to the value of key", which counts as empty if the key is absent.
func (b *Batch) Append(key, tail []byte) { b.merge(operand.Append, key, tail) }

// Merge adds "set key to what Options.Merge makes of its value and argument".
func (b *Batch) Merge(key, argument []byte) { b.merge(operand.User, key, argument) }

func (b *Batch) integer(o operand.Operator, key []byte, n int64) {
	var argument [8]byte
	b.merge(o, key, operand.AppendInt64(argument[:0], n))
}

func (b *Batch) merge(o operand.Operator, key, argument []byte) {
	if b.check(join.Errors(checkKey(key), checkArgument(argument))) {
		b.ops.Merge(o, key, argument)
	}
}

// Add adds n to the integer at key, which counts as 0 if the key is absent. It wraps around as int64 does.
func (db *DB) Add(key []byte, n int64) error {
	return db.one(func(b *Batch) { b.Add(key, n) })
}

// Max sets key to n unless it has a greater integer.
func (db *DB) Max(key []byte, n int64) error {
	return db.one(func(b *Batch) { b.Max(key, n) })
}

// Min sets key to n unless it has a lesser integer.
func (db *DB) Min(key []byte, n int64) error {
	return db.one(func(b *Batch) { b.Min(key, n) })
}

// Append appends tail to the value of key, which counts as empty if the key is absent.
func (db *DB) Append(key, tail []byte) error {
	return db.one(func(b *Batch) { b.Append(key, tail) })
}

// Merge sets key to what Options.Merge makes of its value and argument.
func (db *DB) Merge(key, argument []byte) error {
	return db.one(func(b *Batch) { b.Merge(key, argument) })
}

// one commits a single operation.
func (db *DB) one(operation func(b *Batch)) error {
	b := batches.Get().(*Batch)
	defer b.recycle()
	operation(b)
	return db.Write(b)
}

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
