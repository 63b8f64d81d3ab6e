package demo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"lightningdb"
)

// maxTallied bounds the files of tally, so that it takes a moment.
const maxTallied = 1000

var totalKey = []byte("t/bytes")

// tally lets many goroutines add the sizes of files to one total, each in a transaction that reads the file and the
// total. The total must be that of the source. Nothing of it stays.
func (r *run) tally(ctx context.Context, db *lightningdb.DB) error {
	files := r.tree.files[:min(len(r.tree.files), maxTallied)]
	if err := db.Put(totalKey, lightningdb.AppendInt64(nil, 0)); err != nil {
		return err
	}
	var tries atomic.Int64
	start := time.Now()
	err := inParallel(ctx, loaders, files, func() func(sourceFile) error {
		return func(f sourceFile) error {
			return db.UpdateWith(ctx, lightningdb.TxOptions{Durability: lightningdb.Process}, func(tx *lightningdb.Tx) error {
				tries.Add(1)
				return addSize(tx, f)
			})
		}
	})
	if err != nil {
		return err
	}
	if err := compareTotal(db, files); err != nil {
		return err
	}
	r.say.tallied(len(files), tries.Load()-int64(len(files)), time.Since(start))
	return db.Delete(totalKey)
}

// addSize adds the size of the file, as the database has it, to the total.
func addSize(tx *lightningdb.Tx, f sourceFile) error {
	content, err := tx.Get([]byte("f/" + f.path))
	if err != nil {
		return err
	}
	value, err := tx.Get(totalKey)
	if err != nil {
		return err
	}
	total, err := lightningdb.Int64(value)
	if err != nil {
		return err
	}
	return tx.Put(totalKey, lightningdb.AppendInt64(nil, total+int64(len(content))))
}

func compareTotal(db *lightningdb.DB, files []sourceFile) error {
	want := int64(0)
	for _, f := range files {
		want += f.info.Size()
	}
	value, err := db.Get(totalKey)
	if err != nil {
		return err
	}
	if got, err := lightningdb.Int64(value); err != nil || got != want {
		return fmt.Errorf("%w: %d transactions added up %d bytes, the source has %d", ErrNotWhole, len(files), got, want)
	}
	return nil
}
