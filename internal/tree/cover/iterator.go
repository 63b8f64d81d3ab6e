package cover

import (
	"bytes"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/ranges"
)

// Iterator is a merge.Iterator over the entries of a source that no tombstone of a cover hides. The zero value must be
// Reset.
//
//	invariant at an entry:
//	  the entry lies in within, all over which newest is the newest tombstone; if that is newer, it hides the entry
type Iterator struct {
	source merge.Iterator
	ages   Ages
	cover  Cover

	newest ranges.Tombstone
	within span.Span
	asked  bool // newest and within were set
	mixed  bool // in within may be something that newest hides
	passed int  // entries passed one by one since ages was asked
	ended  bool // the walk has ended, wherever source is
}

var _ merge.Iterator = (*Iterator)(nil)

// askEvery is how many entries are passed one by one before the source is asked again where it has something newer.
const askEvery = 16

// Reset makes it an iterator over source, which it owns from now on, and returns it. ages is that of source.
func (it *Iterator) Reset(source merge.Iterator, ages Ages, c Cover) *Iterator {
	*it = Iterator{source: source, ages: ages, cover: c}
	return it
}

// First implements merge.Iterator.
func (it *Iterator) First() bool {
	it.ended = false
	it.source.First()
	return it.forward()
}

// Last implements merge.Iterator.
func (it *Iterator) Last() bool {
	it.ended = false
	it.source.Last()
	return it.backward()
}

// SeekGE implements merge.Iterator.
func (it *Iterator) SeekGE(k key.Internal) bool {
	it.ended = false
	it.locate(k.User)
	if it.mixed {
		if to, jump := it.jump(k.User); jump { // a page of what is hidden need not be read
			return it.seekTo(to) && it.forward()
		}
	}
	it.source.SeekGE(k)
	return it.forward()
}

// SeekLT implements merge.Iterator.
func (it *Iterator) SeekLT(k key.Internal) bool {
	it.ended = false
	it.source.SeekLT(k)
	return it.backward()
}

// Next implements merge.Iterator.
func (it *Iterator) Next() bool {
	if it.ended {
		return false
	}
	it.source.Next()
	return it.forward()
}

// Prev implements merge.Iterator.
func (it *Iterator) Prev() bool {
	if it.ended {
		return false
	}
	it.source.Prev()
	return it.backward()
}

// Valid implements merge.Iterator.
func (it *Iterator) Valid() bool { return !it.ended && it.source.Valid() }

// Key implements merge.Iterator.
func (it *Iterator) Key() key.Internal { return it.source.Key() }

// Value implements merge.Iterator.
func (it *Iterator) Value() ([]byte, error) { return it.source.Value() }

// Extent implements merge.Iterator.
func (it *Iterator) Extent() (page.Reference, bool) { return it.source.Extent() }

// Chunk implements merge.Iterator.
func (it *Iterator) Chunk(dst []byte, n int) ([]byte, error) { return it.source.Chunk(dst, n) }

// NextBatch implements merge.Iterator. A batch ends where another tombstone may be the newest.
func (it *Iterator) NextBatch(dst []merge.Entry, end key.Internal) int {
	if it.mixed {
		return 0
	}
	return it.source.NextBatch(dst, nearer(end, it.within))
}

// PrevBatch implements merge.Iterator.
func (it *Iterator) PrevBatch(dst []merge.Entry, end key.Internal) int {
	if it.mixed {
		return 0
	}
	return it.source.PrevBatch(dst, nearerBackward(end, it.within))
}

// Pinned implements merge.Iterator. Where another tombstone may come, the next entry may be far away.
func (it *Iterator) Pinned() bool { return !it.mixed && it.within.Hi == nil && it.source.Pinned() }

// Err implements merge.Iterator.
func (it *Iterator) Err() error {
	if it.ended {
		return nil
	}
	return it.source.Err()
}

// Close implements merge.Iterator.
func (it *Iterator) Close() error { return it.source.Close() }

// locate sets what is over user.
func (it *Iterator) locate(user []byte) {
	if it.asked && it.within.Contains(user) {
		return
	}
	it.newest, it.within = it.cover.around(user)
	it.asked, it.passed = true, 0
	it.mixed = it.newest.Seq > 0 && it.ages.Older(it.newest)
}

// hidden reports whether the entry of the source is hidden.
func (it *Iterator) hidden() bool {
	k := it.source.Key()
	it.locate(k.User)
	return it.mixed && k.Trailer.Seq() < it.newest.Seq
}

// forward passes what is hidden, from the entry of the source on.
func (it *Iterator) forward() bool {
	for it.Valid() {
		if !it.hidden() {
			return true
		}
		if it.passed++; it.passed%askEvery == 1 {
			if to, jump := it.jump(it.source.Key().User); jump {
				it.seekTo(to)
				continue
			}
		}
		it.source.Next()
	}
	return false
}

// jump returns the first key behind user, which newest is over, that may have an entry that newest does not hide. It is
// nil if there is none. jump is false if user may have one.
func (it *Iterator) jump(user []byte) (to []byte, jump bool) {
	next, some := it.ages.Newer(it.newest, user, false)
	if !some || it.newest.Below(next) {
		return it.newest.Hi, true
	}
	return next, bytes.Compare(next, user) > 0
}

// seekTo moves the source to its first entry at or behind user. Nil is the end.
func (it *Iterator) seekTo(user []byte) bool {
	it.ended = user == nil
	return !it.ended && it.source.SeekGE(key.SeekTo(user, key.MaxSeqNum))
}

// backward passes what is hidden, from the entry of the source on backward.
func (it *Iterator) backward() bool {
	for it.source.Valid() {
		if !it.hidden() {
			return true
		}
		if it.passed++; it.passed%askEvery != 1 || !it.jumpBackward(it.source.Key().User) {
			it.source.Prev()
		}
	}
	return false
}

// jumpBackward moves the source from an entry of user, which is hidden, to before all that is hidden with it. It
// returns false, and has not moved, if there may be something else.
func (it *Iterator) jumpBackward(user []byte) bool {
	next, some := it.ages.Newer(it.newest, user, true)
	switch {
	case !some || bytes.Compare(next, it.newest.Lo) < 0:
		it.source.SeekLT(key.SeekTo(it.newest.Lo, key.MaxSeqNum))
	case bytes.Compare(next, user) < 0:
		it.source.SeekLT(afterVersions(next))
	default:
		return false
	}
	return true
}
