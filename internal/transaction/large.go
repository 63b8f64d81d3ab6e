package transaction

import (
	"fmt"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/offheap"
)

// LargeValue is the size, in bytes, above which the copy of a value does not go through the Go heap: see PutLarge.
const LargeValue = 1 << 20

// PutLarge calls put with an empty batch that has room for a put of key and value in memory of the operating system,
// which is freed at once. The garbage collector would let two or three copies pile up first.
func PutLarge(key, value []byte, put func(b batch.Batch) error) error {
	memory, err := offheap.Alloc(batch.SizeOfPut(key, value))
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	defer offheap.Free(memory)
	return put(batch.In(memory))
}
