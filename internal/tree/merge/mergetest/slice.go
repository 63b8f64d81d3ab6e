package mergetest

import (
	"bytes"
	"errors"
	"sort"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/page"
)

// Entry is one entry of a sorted run.
type Entry = merge.Entry

// ErrInjected is the error of a Slice at the entry FailAt.
var ErrInjected = errors.New("injected error")

// Slice is a merge.Iterator over entries in memory: the reference that others are compared with, and a source for
// the tests of those that read one. It is strict: the bytes it lends are overwritten at the next move, and a call
// that the contract forbids panics, so that a caller that breaks the rules fails its test.
type Slice struct {
	Entries []Entry
	FailAt  int  // index of the entry that cannot be read: arriving there fails with ErrInjected; -1 for none
	Closed  bool // whether Close was called

	Extents func(i int) (page.Reference, bool) // where the value of entry i lies; nil: in no file

	at    int // len(Entries) and -1 are none
	err   error
	key   []byte
	value []byte
	lent  [][]byte // by batches
}

// NewSlice returns an iterator over entries, which must be in order and are not changed.
func NewSlice(entries []Entry) *Slice { return &Slice{Entries: entries, FailAt: -1, at: -1} }

// First implements merge.Iterator.
func (s *Slice) First() bool { return s.place(0) }

// Last implements merge.Iterator.
func (s *Slice) Last() bool { return s.place(len(s.Entries) - 1) }

// SeekGE implements merge.Iterator.
func (s *Slice) SeekGE(k key.Internal) bool { return s.place(s.search(k)) }

// SeekLT implements merge.Iterator.
func (s *Slice) SeekLT(k key.Internal) bool { return s.place(s.search(k) - 1) }

// Next implements merge.Iterator.
func (s *Slice) Next() bool {
	if !s.Valid() {
		return false
	}
	if s.Pinned() { // what was lent stays, for the next move to destroy
		s.lent = append(s.lent, s.key, s.value)
		s.key, s.value = nil, nil
		return s.arrive(s.at + 1)
	}
	return s.place(s.at + 1)
}

// Pinned implements merge.Iterator. What is lent at two of three entries stays valid.
func (s *Slice) Pinned() bool {
	s.mustBeAtEntry()
	return s.at%3 != 2 && s.at+1 < len(s.Entries)
}

// Prev implements merge.Iterator.
func (s *Slice) Prev() bool { return s.Valid() && s.place(s.at-1) }

// Valid implements merge.Iterator.
func (s *Slice) Valid() bool {
	s.mustBeOpen()
	return s.err == nil && s.at >= 0 && s.at < len(s.Entries)
}

// Key implements merge.Iterator.
func (s *Slice) Key() key.Internal {
	s.mustBeAtEntry()
	return key.Internal{User: s.key, Trailer: s.Entries[s.at].Key.Trailer}
}

// Value implements merge.Iterator.
func (s *Slice) Value() ([]byte, error) {
	s.mustBeAtEntry()
	return s.value, nil
}

// Extent implements merge.Iterator.
func (s *Slice) Extent() (page.Reference, bool) {
	s.mustBeAtEntry()
	if s.Extents == nil {
		return page.Reference{}, false
	}
	return s.Extents(s.at)
}

// Chunk implements merge.Iterator.
func (s *Slice) Chunk(dst []byte, n int) ([]byte, error) {
	value, err := s.Value()
	if err != nil {
		return dst, err
	}
	value = value[n*page.ChunkSize:]
	return append(dst, value[:min(len(value), page.ChunkSize)]...), nil
}

// NextBatch implements merge.Iterator. Batches begin at three in four entries, and end at one in four.
func (s *Slice) NextBatch(dst []Entry, end key.Internal) int {
	n := 0
	for i := s.at; n < len(dst) && s.lends(i) && (end.Zero() || key.Compare(s.Entries[i].Key, end) < 0); i++ {
		dst[n] = s.lend(i)
		n++
	}
	s.at += max(n-1, 0)
	return n
}

// PrevBatch implements merge.Iterator.
func (s *Slice) PrevBatch(dst []Entry, end key.Internal) int {
	n := 0
	for i := s.at; n < len(dst) && s.lends(i) && (end.Zero() || key.Compare(s.Entries[i].Key, end) > 0); i-- {
		dst[n] = s.lend(i)
		n++
	}
	s.at -= max(n-1, 0)
	return n
}

// lends reports whether entry i may be handed out in a batch.
func (s *Slice) lends(i int) bool {
	s.mustBeAtEntry()
	if i < 0 || i >= len(s.Entries) || i == s.FailAt {
		return false
	}
	trailer := s.Entries[i].Key.Trailer
	return trailer.Kind() <= key.KindPut && trailer.Seq()%4 != 0
}

// lend hands out a copy of entry i, which takes the place of the current one.
func (s *Slice) lend(i int) Entry {
	e := Entry{Key: s.Entries[i].Key.Clone(), Value: bytes.Clone(s.Entries[i].Value)}
	s.lent = append(s.lent, e.Key.User, e.Value)
	s.key, s.value = e.Key.User, e.Value
	return e
}

// Err implements merge.Iterator.
func (s *Slice) Err() error {
	s.mustBeOpen()
	return s.err
}

// Close implements merge.Iterator.
func (s *Slice) Close() error {
	s.mustBeOpen()
	s.Closed = true
	s.scribble()
	return nil
}

// search is the index of the first entry at or after k.
func (s *Slice) search(k key.Internal) int {
	return sort.Search(len(s.Entries), func(i int) bool { return key.Compare(s.Entries[i].Key, k) >= 0 })
}

// place goes to entry i, and destroys what was lent.
func (s *Slice) place(i int) bool {
	s.mustBeOpen()
	s.scribble()
	return s.arrive(i)
}

// arrive goes to entry i.
func (s *Slice) arrive(i int) bool {
	s.at, s.err = i, nil
	if i < 0 || i >= len(s.Entries) {
		return false
	}
	if i == s.FailAt {
		s.err = ErrInjected
		return false
	}
	s.key = append(s.key[:0], s.Entries[i].Key.User...)
	s.value = append(s.value[:0], s.Entries[i].Value...)
	return true
}

// scribble destroys the bytes lent so far.
func (s *Slice) scribble() {
	for _, b := range append(s.lent, s.key, s.value) {
		for i := range b {
			b[i] = 0xdb
		}
	}
	s.lent = s.lent[:0]
}

func (s *Slice) mustBeOpen() {
	if s.Closed {
		panic("mergetest: use of a closed iterator")
	}
}

func (s *Slice) mustBeAtEntry() {
	if !s.Valid() {
		panic("mergetest: Key or Value of an iterator that is at no entry")
	}
}
