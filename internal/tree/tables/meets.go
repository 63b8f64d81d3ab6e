package tables

import (
	"errors"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
)

// Meets reports whether it meets a version in s that is newer than since and of those wanted, nil for any, and how many
// entries it has looked at for that. It closes it.
func Meets(it merge.Iterator, s span.Span, since key.SeqNum, wanted func(key.Trailer) bool) (
	has bool, looked int64, err error) {
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.SeekGE(key.SeekTo(s.Lo, key.MaxSeqNum)); ok; ok = it.Next() {
		looked++
		k := it.Key()
		if s.Below(k.User) {
			return false, looked, nil
		}
		if k.Trailer.Seq() > since && (wanted == nil || wanted(k.Trailer)) {
			return true, looked, nil
		}
	}
	return false, looked, it.Err()
}
