package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// The kinds of faults.
const (
	Missing    = "missing"    // the row has the index key, and the index does not lead to it
	LeftOver   = "left over"  // the index leads to a row that is not there, or does not have the index key
	WrongCover = "cover"      // the index covers something else
	WrongEnd   = "end"        // the row of the index ends at another time
	NotUnique  = "not unique" // the row before has the same key of a unique index
)

// MaxFaults is how many faults a check finds before it ends.
const MaxFaults = 1000

// Fault is where an index differs from what its functions give.
type Fault struct {
	Bucket   []string
	Index    string
	Kind     string // one of those above
	IndexKey []byte
	Key      []byte // of the row
}

// check is a check of one index in one state.
type check struct {
	*Index
	ctx          context.Context
	bucket, rows transaction.Keys // of the bucket, and of the index
	of, in       space.Space      // of these
	faults       *[]Fault
}

// errEnough ends a check that has found MaxFaults.
var errEnough = errors.New("enough faults")

// Check compares the indexes that are declared, where the catalogue has them, with what their functions give, in the
// state of which keys returns the keys of spaces, until ctx ends. It returns up to MaxFaults.
func (r Registry) Check(ctx context.Context, keys func(space.Space) transaction.Keys) (faults []Fault, err error) {
	for _, x := range r.all {
		d, bucket, err := x.defined(rows.Rows{Keys: keys(space.Catalogue)})
		if errors.Is(err, catalog.ErrNoBucket) || err == nil && d == nil {
			continue
		}
		if err == nil && !x.is(*d) {
			err = ErrFunc // it was changed after Open
		}
		if err == nil {
			c := check{x, ctx, nil, nil, space.Of(bucket), space.Index(d.ID), &faults}
			c.bucket, c.rows = keys(c.of), keys(c.in)
			err = errors.Join(c.fromBucket(), c.fromIndex())
		}
		if err != nil && !errors.Is(err, errEnough) {
			return nil, fmt.Errorf("check index %s: %w", x.text(), err)
		}
	}
	return faults, nil
}

// found notes a fault.
func (c check) found(kind string, indexKey, key []byte) error {
	if len(*c.faults) == MaxFaults {
		return errEnough
	}
	*c.faults = append(*c.faults, Fault{c.Bucket, c.Name, kind, bytes.Clone(indexKey), bytes.Clone(key)})
	return nil
}

// fromBucket looks for what the rows of the bucket should have in the index.
func (c check) fromBucket() error {
	return walk(c.bucket, c.of.All(), false, -1, func(stored, value []byte) (bool, error) {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		key := c.of.Cut(stored)
		should, err := c.rowsOf(key, state{found: true, value: value})
		if err != nil {
			return false, err
		}
		for _, row := range should.sorted() {
			if err := c.compare(key, []byte(row), should[row]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// compare looks for one row in the index.
func (c check) compare(key, row, covered []byte) error {
	indexKey, _, _ := CutRow(row)
	is, found, err := rows.Find(c.rows, row)
	switch {
	case err != nil:
		return err
	case !found:
		return c.found(Missing, indexKey, key)
	case !bytes.Equal(is, covered):
		if err := c.found(WrongCover, indexKey, key); err != nil {
			return err
		}
	}
	var ends [2]engine.Measure
	if ends[0], err = c.bucket.Measure(key); err == nil {
		ends[1], err = c.rows.Measure(row)
	}
	if err == nil && ends[0].End != ends[1].End {
		err = c.found(WrongEnd, indexKey, key)
	}
	return err
}

// fromIndex looks for what the rows of the index should lead to.
func (c check) fromIndex() error {
	var before []byte // the index key of the row before
	return walk(c.rows, c.in.All(), false, -1, func(stored, _ []byte) (bool, error) {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		indexKey, key, ok := CutRow(c.in.Cut(stored))
		if !ok {
			return false, damaged(stored)
		}
		value, found, err := rows.Find(c.bucket, key)
		if err != nil {
			return false, err
		}
		should, err := c.rowsOf(key, state{found: found, value: value})
		if err != nil {
			return false, err
		}
		if _, ok := should[string(c.in.Cut(stored))]; !ok {
			return true, c.found(LeftOver, indexKey, key)
		}
		if c.Unique && before != nil && bytes.Equal(before, indexKey) {
			err = c.found(NotUnique, indexKey, key)
		}
		before = indexKey
		return true, err
	})
}
