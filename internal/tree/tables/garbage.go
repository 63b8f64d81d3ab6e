package tables

import (
	"bytes"
	"errors"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/visible"
)

// MaxWeighed is how many keys of a memtable or table are looked up to find what they hide, each for the cost of a
// read: of more keys a sample of this size is taken. A table of more entries is estimated from the manifest.
const MaxWeighed = 1024

// HiddenBelow is about how many bytes the entries of a source hide in older runs; entries is their number. It closes
// the source.
func (s *Set) HiddenBelow(it merge.Iterator, entries int, older []Run) (hidden int64, err error) {
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
		bytes, err := s.StoredIn(older, k.User)
		if err != nil {
			return 0, err
		}
		hidden += bytes * int64(every)
	}
	return hidden, it.Err()
}

// GarbageIn is Garbage of table num of runs, which are newest first. known is false if none has it.
func (s *Set) GarbageIn(runs []Run, num filename.Num) (bytes int64, known bool, err error) {
	for i := range runs {
		for _, t := range runs[i].Tables() {
			if t.Meta().Num == num {
				bytes, err = s.Garbage(t, runs[i+1:])
				return bytes, err == nil, err
			}
		}
	}
	return 0, false, nil
}

// Garbage is about how many bytes the tombstones and the older versions of t take, together with the entries in older
// runs that they hide.
func (s *Set) Garbage(t *Ref, older []Run) (garbage int64, err error) {
	var it Iterator
	if err := it.Open(s, t); err != nil {
		return 0, err
	}
	defer it.Close()
	var last []byte
	for n, ok := 0, it.First(); ok; n, ok = n+1, it.Next() {
		k := it.Key()
		again := n > 0 && bytes.Equal(k.User, last)
		if again || visible.OfKind(k.Trailer.Kind()) == visible.Hide {
			garbage += onDisk(&it, t.Meta())
		}
		last = append(last[:0], k.User...)
		if again || visible.OfKind(k.Trailer.Kind()) == visible.Fold {
			continue
		}
		hidden, err := s.StoredIn(older, last)
		if err != nil {
			return 0, err
		}
		garbage += hidden
	}
	return garbage, it.Err()
}

// StoredIn is about how many bytes the newest version of user takes in runs, which are newest first; 0 if there is
// none.
func (s *Set) StoredIn(runs []Run, user []byte) (int64, error) {
	for i := range runs {
		t := runs[i].Find(user)
		if t == nil {
			continue
		}
		if bytes, found, err := s.storedInTable(t, user); found || err != nil {
			return bytes, err
		}
	}
	return 0, nil
}

func (s *Set) storedInTable(t *Ref, user []byte) (size int64, found bool, err error) {
	var it Iterator
	if err := it.Open(s, t); err != nil {
		return 0, false, err
	}
	defer it.Close()
	if !it.SeekGE(key.SeekTo(user, key.MaxSeqNum)) || !bytes.Equal(it.Key().User, user) {
		return 0, false, it.Err()
	}
	return onDisk(&it, t.Meta()), true, nil
}

// onDisk is about how many bytes of t the current entry of it takes.
func onDisk(it *Iterator, t *manifest.TableMeta) int64 {
	inPage, extent := it.Size()
	return extent + int64(float64(inPage)*float64(t.Size)/float64(max(t.RawBytes, 1)))
}
