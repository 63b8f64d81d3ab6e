package lightningdb

import (
	"fmt"
	"iter"
	"sync"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/transaction"
)

// Limits of keys, values, arguments of Append and Merge, and batches (as Batch.Size counts them), in bytes.
const (
	MaxKeySize      = key.MaxUserKeySize      // 64 KiB
	MaxValueSize    = key.MaxValueSize        // 64 MiB
	MaxStreamSize   = key.MaxStreamedSize     // 1 GiB, of a value that PutReader puts
	MaxArgumentSize = operand.MaxArgumentSize // one less than MaxValueSize
	MaxBatchSize    = wal.MaxPayloadSize      // 1 GiB less 24, which its record takes
)

// Batch collects writes that DB.Write commits together: all of them or none. Where it names a key twice, the operations
// take effect in their order. The zero value is empty and ready. A Batch belongs to one goroutine; it copies what it is
// given. What breaks a limit is not added, and is the error of the call, Err and DB.Write; MaxBatchSize is DB.Write's.
type Batch struct {
	ops        transaction.Operations
	durability Durability
	sequence   uint64
}

// Put adds "set key to value".
func (b *Batch) Put(key, value []byte) error { return b.ops.Put(key, value) }

// Delete adds "remove key". Removing a key that is not there is no error.
func (b *Batch) Delete(key []byte) error { return b.ops.Delete(key) }

// DeleteRange adds "remove the keys with lo <= key < hi". Nil bounds are open, as those of DB.Range; where no key can
// lie, nothing is added.
func (b *Batch) DeleteRange(lo, hi []byte) error { return b.ops.DeleteRange(span.Span{Lo: lo, Hi: hi}) }

// DeletePrefix adds "remove the keys that begin with p".
func (b *Batch) DeletePrefix(p []byte) error { return b.ops.DeleteRange(span.Prefix(p)) }

// Add adds "add n to the integer at key", which counts as 0 if the key is absent. It wraps around as int64 does.
func (b *Batch) Add(key []byte, n int64) error { return b.ops.Integer(operand.Add, key, n) }

// Max adds "set key to n unless it has a greater integer".
func (b *Batch) Max(key []byte, n int64) error { return b.ops.Integer(operand.Max, key, n) }

// Min adds "set key to n unless it has a lesser integer".
func (b *Batch) Min(key []byte, n int64) error { return b.ops.Integer(operand.Min, key, n) }

// Append adds "append tail to the value of key", which counts as empty if the key is absent.
func (b *Batch) Append(key, tail []byte) error { return b.ops.Merge(operand.Append, key, tail) }

// Merge adds "set key to what Options.Merge makes of its value and argument".
func (b *Batch) Merge(key, argument []byte) error { return b.ops.Merge(operand.User, key, argument) }

// SetDurability chooses the durability of this batch's commit. DefaultDurability means what Options says.
func (b *Batch) SetDurability(d Durability) { b.durability = d }

// Operation is one operation of a Batch. Its Kind (string) is "put", "put until", "delete", "delete range", "add",
// "max", "min", "append" or "merge": the method that added it, or DeletePrefix. Key ([]byte) is never nil. Value
// ([]byte) is that of a put, what Append appends, the argument of Merge, and for "add", "max" and "min" the number,
// which Int64 reads; nil for "delete". Until (time.Time) is the expiry of "put until", else zero. Of "delete range"
// Key is the first key that it removes, and Value the first one behind, nil for no end.
type Operation = transaction.Operation

// All yields the operations in the order in which they were added. Their bytes are the batch's: they are valid until
// Reset, which ends the loop, and must not be changed. What is added meanwhile, the loop does not show.
func (b *Batch) All() iter.Seq[Operation] { return b.ops.All() }

// Err is the error of the first operation that was not added; nil if there is none.
func (b *Batch) Err() error { return b.ops.Err }

// Grow makes room ahead for operations of n bytes more, as Size counts them: none, if a batch cannot have as many.
func (b *Batch) Grow(n int) { b.ops.Grow(n, MaxBatchSize) }

// Len is the number of operations.
func (b *Batch) Len() int { return b.ops.Batch.Count() }

// Size is the number of bytes that the operations take in the log.
func (b *Batch) Size() int { return len(b.ops.Batch.Bytes()) }

// Sequence is the sequence number of the batch's last commit by DB.Write, for DB.WaitDurable and DB.At; 0 before the
// first one.
func (b *Batch) Sequence() uint64 { return b.sequence }

// Reset empties the batch, forgets its error, durability and sequence number, and keeps its memory for the next use.
func (b *Batch) Reset() {
	b.ops.Reset()
	b.durability, b.sequence = DefaultDurability, 0
}

// batches keeps the memory of single-operation batches.
var batches = sync.Pool{New: func() any { return new(Batch) }}

// recycle keeps b for the next single operation, unless it grew large.
func (b *Batch) recycle() {
	if b.Size() <= 64<<10 {
		b.Reset()
		b.ops.Space = space.Space{}
		batches.Put(b)
	}
}

// Int64 is the integer that value holds: what Add, Max and Min leave, and AppendInt64 makes. The error is ErrMerge if
// value does not have the 8 bytes of one.
func Int64(value []byte) (int64, error) {
	if n, ok := operand.Int64(value); ok {
		return n, nil
	}
	return 0, fmt.Errorf("%w: a value of %d bytes is no integer", ErrMerge, len(value))
}

// AppendInt64 appends to dst the value that holds n: 8 bytes, little-endian, two's complement. They do not sort as
// integers do.
func AppendInt64(dst []byte, n int64) []byte { return operand.AppendInt64(dst, n) }
