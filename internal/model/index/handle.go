package index

import (
	"context"
	"errors"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// Handle is what a bucket of a database knows of its row in the catalogue. The zero value knows nothing.
type Handle struct{ row atomic.Pointer[row] }

type row struct {
	value   []byte
	indexed bool
}

// maxRead bounds how often a commit reads the row anew. Each time another commit has changed it, and many that move the
// bucket may do so before one that is slower gets through.
const maxRead = 10_000

// Indexed reports whether the bucket has had indexes when a commit looked last.
func (h *Handle) Indexed() bool {
	is := h.row.Load()
	return is != nil && is.indexed
}

// Commit commits b if the bucket with that id has no indexes at that very moment, and reports whether it has some: then
// nothing was written. It gives ErrNoBucket if the bucket is not there.
func (h *Handle) Commit(e *engine.Engine, id uint64, b *batch.Batch, sync bool) (indexed bool, err error) {
	for range maxRead {
		is := h.row.Load()
		if is == nil {
			if is, err = read(e, id); err != nil {
				return false, err
			}
			h.row.Store(is)
		}
		if is.indexed { // it may have none any more: a transaction is right then, too
			return true, nil
		}
		stored := space.Catalogue.Key(catalog.Row(id))
		done, err := transaction.CommitWhile(context.Background(), e, stored, is.value, b, sync)
		changed := err == nil && !done || errors.Is(err, engine.ErrConflict)
		if !changed {
			return false, err
		}
		h.row.Store(nil)
	}
	return false, engine.ErrConflict
}

func read(e *engine.Engine, id uint64) (*row, error) {
	r := rows.Rows{Keys: transaction.Newest{Engine: e, Space: space.Catalogue}}
	value, found, err := r.Get(catalog.Row(id))
	if err == nil && !found {
		err = catalog.ErrNoBucket
	}
	if err != nil {
		return nil, err
	}
	b, err := catalog.Parse(id, value)
	return &row{value, len(b.Indexes) > 0}, err
}

// Cached is what writes a bucket in a transaction. The zero value is empty.
type Cached struct{ at atomic.Pointer[cached] }

type cached struct {
	revision uint64
	writes   transaction.Writes
}

// Get returns what it has of that revision of the transaction, or what r.Writes returns.
func (c *Cached) Get(revision uint64, r Registry, id uint64,
	in func(space.Space) transaction.In) (transaction.Writes, error) {
	if is := c.at.Load(); is != nil && is.revision == revision {
		return is.writes, nil
	}
	w, err := r.Writes(rows.Rows{Keys: in(space.Catalogue)}, id, in)
	if err == nil {
		c.at.Store(&cached{revision, w})
	}
	return w, err
}
