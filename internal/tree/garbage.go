package tree

import (
	"bytes"
	"errors"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/tables"
	"lightningdb/internal/tree/visible"
)

// MaxWeighed is how many keys of a memtable or table are looked up to find what they hide, each for the cost of a
// read: of more keys a sample of this size is taken. A table of more entries is estimated from the manifest.
const MaxWeighed = 1024

// HiddenByActive is about how many bytes of tables the entries of v's active memtable hide. What its range
// tombstones hide, package compaction says.
func (tr *Tree) HiddenByActive(v *View) (int64, error) {
	return tr.hiddenBelow(v.mems[0].NewIterator(), v.mems[0].Count(), v.runs)
}

// hiddenBelow is about how many bytes the entries of a source hide in older runs; entries is their number. It closes
// the source.
func (tr *Tree) hiddenBelow(it merge.Iterator, entries int, older []tables.Run) (hidden int64, err error) {
	defer func() { err = errors.Join(err, it.Close()) }()
	every, n := entries/MaxWeighed+1, 0 // n counts keys
	var last []byte
	for ok := it.First(); ok && len(older) > 0; ok = it.Next() {
		k := it.Key()
		if n > 0 && bytes.Equal(k.User, last) {
			continue
		}
		last = append(last[:0], k.User...)
		if n++; n%every != 0 || visible.OfKind(k.Trailer.Kind()) == visible.Fold {
			continue
		}
		bytes, err := tr.tables.StoredIn(older, k.User)
		if err != nil {
			return 0, err
		}
		hidden += bytes * int64(every)
	}
	return hidden, it.Err()
}

// Garbage is about how many bytes the tombstones and the older versions of table num of v take, together with older
// entries in other runs that they hide. known is false if v does not have the table.
func (tr *Tree) Garbage(v *View, num filename.Num) (bytes int64, known bool, err error) {
	for i := range v.runs {
		for _, t := range v.runs[i].Tables() {
			if t.Meta().Num == num {
				bytes, err = tr.tables.Garbage(t, v.runs[i+1:])
				return bytes, err == nil, err
			}
		}
	}
	return 0, false, nil
}
