package transaction

import (
	"bytes"
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

// CommitWhile commits b if row, a stored key, has the value is at that very moment. It reports whether it had.
func CommitWhile(ctx context.Context, e *engine.Engine, row, is []byte, b *batch.Batch,
	sync bool) (had bool, err error) {
	for range maxGuarded {
		had, err = commitWhile(ctx, e, row, is, b, sync)
		if !errors.Is(err, engine.ErrConflict) {
			break
		}
	}
	return had, err
}

func commitWhile(ctx context.Context, e *engine.Engine, row, is []byte, b *batch.Batch,
	sync bool) (had bool, err error) {
	if e.Closed() {
		return false, engine.ErrClosed
	}
	var t engine.Txn
	var reads txn.Reads
	e.Begin(&t, &reads, goroutine.Current())
	defer reads.Reset()
	defer t.Close()
	now, found, err := t.Snapshot().Get(nil, row)
	if err != nil || !found || !bytes.Equal(now, is) {
		return false, err
	}
	reads.AddKey(row, key.Hash(row))
	_, err = t.Commit(ctx, b, sync)
	return true, err
}
