package index

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// Update runs do in a transaction, in which it gets the keys of spaces, and again as long as that meets a conflict.
type Update = func(do func(in func(space.Space) transaction.In) error) error

// maxSettled bounds how often a bucket is settled for one build. While nobody else writes, once is enough.
const maxSettled = 10

// errTurns says that a row which is to be indexed turns into another one when something ends.
var errTurns = errors.New("a row of the bucket turns into another one by itself")

// Build defines and fills the indexes that are declared and that their buckets lack, or have in another version, in the
// order in which they were declared. Buckets that are not there lack nothing.
//
// Each is one transaction of snapshot, which is to have snapshot isolation: what ends while it runs is no conflict, or
// a bucket in which a row ends each second would never get an index. The rows of the index end then, too. A bucket with
// rows that turn by themselves is settled first, by transactions of serializable.
func (r Registry) Build(catalogue catalog.Reader, snapshot, serializable Update) error {
	for _, x := range r.all {
		d, bucket, err := x.defined(catalogue)
		if errors.Is(err, catalog.ErrNoBucket) || err == nil && d != nil && x.is(*d) {
			continue
		}
		for n := 0; err == nil; n++ {
			if err = snapshot(x.build); !errors.Is(err, errTurns) || n == maxSettled {
				break
			}
			err = settle(bucket, serializable)
		}
		if err != nil {
			return err
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
	if err := keys.Claim(keys.All()); err != nil {
		return err
	}
	err = walk(quiet{keys}, keys.All(), false, -1, func(key, value []byte) (bool, error) {
		key = keys.Cut(key)
		has, err := endOf(keys, key, value)
		if err != nil {
			return false, err
		}
		if has.turns {
			return false, errTurns
		}
		after, err := x.rowsOf(key, has)
		if err == nil {
			err = k.checkUnique(key, nil, after)
		}
		if err == nil {
			err = k.replace(nil, after, false, has.until)
		}
		return true, err
	})
	if err != nil {
		return fmt.Errorf("build index %s: %w", x.text(), err)
	}
	return nil
}

// endOf is stateOf of a row that in has shown. It reads nothing if nothing that in has shown ends.
func endOf(in transaction.In, key, value []byte) (s state, err error) {
	ends := false
	err = in.Do(key, nil, func(tx *transaction.Tx, _ []byte) error { ends = tx.Met() != 0; return nil })
	if err != nil || !ends {
		return state{found: true, value: value}, err
	}
	return stateOf(in, key)
}

// settleBytes is how much a transaction of settle reads, about.
const settleBytes = 1 << 20

// settle puts the rows of a bucket that turn into others by themselves, each as it is, for good, some in each
// transaction.
func settle(bucket uint64, update Update) error {
	left, more := space.Of(bucket).All(), true
	for more {
		next := left
		err := update(func(in func(space.Space) transaction.In) error {
			keys, size := in(space.Of(bucket)), 0
			next, more = left, false
			return walk(quiet{keys}, left, false, -1, func(stored, value []byte) (bool, error) {
				key := keys.Cut(stored)
				has, err := endOf(keys, key, value)
				if err == nil && has.turns {
					err = keys.Put(key, has.value)
				}
				next.Lo = span.Closed(nil, stored).Hi
				size += len(stored) + len(value)
				more = size >= settleBytes
				return !more, err
			})
		})
		if err != nil {
			return err
		}
		left = next
	}
	return nil
}
