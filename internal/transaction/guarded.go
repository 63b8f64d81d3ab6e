package transaction

import (
	"context"
	"errors"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
)

// maxGuarded bounds how often a guarded commit is tried. Each time it fails, another commit has changed the row.
const maxGuarded = 100

// CommitWhile commits b if row, a stored key, has a value at that very moment, whatever the value is. It reports
// whether there was one.
func CommitWhile(ctx context.Context, e *engine.Engine, row []byte, b *batch.Batch, sync bool) (there bool, err error) {
	for range maxGuarded {
		there, err = commitWhile(ctx, e, row, b, sync)
		if !errors.Is(err, engine.ErrConflict) {
			break
		}
	}
	return there, err
}

func commitWhile(ctx context.Context, e *engine.Engine, row []byte, b *batch.Batch, sync bool) (there bool, err error) {
	if e.Closed() {
		return false, engine.ErrClosed
	}
	var t engine.Txn
	var reads txn.Reads
	e.Begin(&t, &reads, goroutine.Current())
	defer reads.Reset()
	defer t.Close()
	if there, err = t.Snapshot().Has(row); err != nil || !there {
		return there, err
	}
	reads.AddKey(row, key.Hash(row))
	_, err = t.Commit(ctx, b, sync)
	return true, err
}
