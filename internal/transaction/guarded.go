package transaction

import (
	"bytes"
	"context"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
)

// CommitWhile commits b if row, a stored key, has the value is at that very moment. It reports whether it had. If that
// changes meanwhile, the error is ErrConflict.
func CommitWhile(ctx context.Context, e *engine.Engine, row, is []byte, b *batch.Batch,
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
