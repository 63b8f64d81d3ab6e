package lightningdb

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/log/wal"
)

// Limits of keys, values, arguments of Append and Merge, and batches (as Batch.Size counts them), in bytes.
const (
	MaxKeySize      = key.MaxUserKeySize      // 64 KiB
	MaxValueSize    = key.MaxValueSize        // 64 MiB
	MaxStreamSize   = key.MaxStreamedSize     // 1 GiB, of a value that PutReader puts
	MaxArgumentSize = operand.MaxArgumentSize // one less than MaxValueSize
	MaxBatchSize    = wal.MaxPayloadSize      // 1 GiB less 24, which its record takes
)
