package index

import (
	"errors"
	"fmt"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// Build defines and fills the indexes that are declared and that their buckets lack, or have in another version, each
// by a call of update, which runs its argument in a transaction. Buckets that are not there lack nothing.
func (r Registry) Build(catalogue catalog.Reader,
	update func(build func(in func(space.Space) transaction.In) error) error) error {
	for _, declared := range r {
		for _, x := range declared {
			d, _, err := x.defined(catalogue)
			switch {
			case errors.Is(err, catalog.ErrNoBucket):
				continue
			case err == nil && (d == nil || !x.is(*d)):
				err = update(x.build)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// defined returns what the catalogue says of x, nil for nothing, and the id of its bucket.
func (x *Index) defined(catalogue catalog.Reader) (d *catalog.Index, bucket uint64, err error) {
	bucket, err = catalog.Find(catalogue, catalog.Root, 0, x.Bucket)
	if err != nil {
		return nil, 0, err
	}
	b, err := catalog.Read(catalogue, bucket)
	return b.Index(x.Name), bucket, err
}

// build defines x in place of what its bucket had by that name, and writes its rows. All of it is part of the
// transaction of which in returns the keys of spaces.
func (x *Index) build(in func(space.Space) transaction.In) error {
	catalogue := rows.Rows{Keys: in(space.Catalogue)}
	_, bucket, err := x.defined(catalogue)
	if err != nil {
		return err
	}
	id, err := catalog.Define(catalogue, bucket, x.definition())
	if err != nil {
		return err
	}
	keys, k := in(space.Of(bucket)), kept{x, in(space.Index(id))}
	err = walk(keys, keys.All(), false, -1, func(key, value []byte) (bool, error) {
		key = keys.Cut(key)
		after, err := x.rowsOf(key, value)
		if err == nil {
			err = k.checkUnique(key, nil, after)
		}
		m := engine.Measure{}
		if err == nil {
			m, err = keys.Measure(key)
		}
		if err == nil {
			err = k.replace(nil, after, false, m.End.Moment())
		}
		return true, err
	})
	if err != nil {
		return fmt.Errorf("build index %s: %w", x.text(), err)
	}
	return nil
}
