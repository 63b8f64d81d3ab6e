package entries

import (
	"fmt"
	"slices"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/kv"
)

// Removal is what a delete removes: a range, or keys, which Args name.
type Removal struct {
	Args          []string
	Keys          [][]byte
	Lo, Hi        []byte
	Ranges        bool
	IgnoreMissing bool
}

// Do removes in from, up to the first key that must be there and is not.
func (r *Removal) Do(from kv.ReadWriter) error {
	if r.Ranges {
		return from.DeleteRange(r.Lo, r.Hi)
	}
	if !r.IgnoreMissing {
		for i, arg := range r.Args { // before the deletes, so that a key may be named twice
			found, err := from.Has(r.Keys[i])
			if err == nil && !found {
				err = lightningdb.ErrNotFound
			}
			if err != nil {
				return fmt.Errorf("delete %q: %w", arg, err)
			}
		}
	}
	for _, key := range r.Keys {
		if err := from.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Put puts all, and makes the buckets that are not there.
func Put(tx *lightningdb.Tx, all []exchange.Entry) (err error) {
	var in *lightningdb.Bucket // that of the entry before
	var path []string
	for _, e := range all {
		if len(e.Bucket) == 0 {
			if err := tx.Put(e.Key, e.Value); err != nil {
				return err
			}
			continue
		}
		if in == nil || !slices.Equal(path, e.Bucket) {
			if in, err = MakeBucket(tx, e.Bucket); err != nil {
				return err
			}
			path = e.Bucket
		}
		if err := putIn(in, e); err != nil {
			return err
		}
	}
	return nil
}

// putIn puts an entry in its bucket. A sequence goes on from the greater of both, so that no number is given again.
func putIn(in *lightningdb.Bucket, e exchange.Entry) error {
	if !e.IsBucket {
		return in.Put(e.Key, e.Value)
	}
	is, err := in.Sequence()
	if err != nil || is >= e.Sequence {
		return err
	}
	return in.SetSequence(e.Sequence)
}
