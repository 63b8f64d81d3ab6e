package lightningdb

import (
	"errors"

	"lightningdb/internal/format/batch"
)

// Batch collects writes that DB.Write commits together: all of them or none. Where it names a key twice, the operations
// take effect in their order. The zero value is empty and ready. A Batch belongs to one goroutine; it copies what it is given.
type Batch struct {
	ops        batch.Batch
	durability Durability
	sequence   uint64
	err        error // the first operation that broke a limit
}

// Put adds "set key to value". A key or value over the limit is reported by DB.Write, which then writes nothing.
func (b *Batch) Put(key, value []byte) {
	if b.check(errors.Join(checkKey(key), checkValue(value))) {
		b.ops.Put(key, value)
	}
}

// Delete adds "remove key". Removing a key that is not there is no error.
func (b *Batch) Delete(key []byte) {
	if b.check(checkKey(key)) {
		b.ops.Delete(key)
	}
}

func (b *Batch) check(err error) bool {
	if err != nil && b.err == nil {
		b.err = err
	}
	return err == nil
}

// SetDurability chooses the durability of this batch's commit. DefaultDurability means what Options says.
func (b *Batch) SetDurability(d Durability) { b.durability = d }

// Len is the number of operations.
func (b *Batch) Len() int { return b.ops.Count() }

// Size is the number of bytes that the operations take in the log.
func (b *Batch) Size() int { return len(b.ops.Bytes()) }

// Sequence is the sequence number of the batch's last commit by DB.Write, for DB.WaitDurable and DB.At; 0 before the
// first one.
func (b *Batch) Sequence() uint64 { return b.sequence }

// Reset empties the batch, forgets its durability and sequence number, and keeps its memory for the next use.
func (b *Batch) Reset() {
	b.ops.Reset()
	b.durability, b.sequence, b.err = DefaultDurability, 0, nil
}
