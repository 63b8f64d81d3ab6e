// Package merge reads sorted runs: it defines what a sorted run looks like to its readers (Iterator), merges many
// sources into one (Merging), chains the disjoint tables of a level into one run (Level), and turns the versions of
// keys into the keys and values that a snapshot sees (Visible).
//
// It owns no files and starts no goroutine. An iterator belongs to one goroutine at a time. Package mergetest
// holds the tests that every implementation of Iterator must pass.
package merge

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// Iterator walks a sorted run: entries with distinct internal keys in the order of key.Compare. Memtables,
// tables, levels and merges of them are all read through it. The rules, for implementors and callers:
//
// Position. An iterator is either at an entry (Valid reports true) or at none. It starts at none. First, Last,
// SeekGE and SeekLT place it without regard to where it was, and may be called at any time before Close. Next and
// Prev move by one entry, and may follow each other in any order: a Prev undoes a Next. Every one of the six
// returns what Valid reports after it.
//
// Ends. Next at the last entry and Prev at the first leave the iterator at none. From none, Next and Prev do
// nothing and return false: there is no wrapping around and no way back other than First, Last or a seek.
//
// Errors. When a move fails, the iterator is at none and Err says why. A caller that sees false must ask Err before
// it believes in an end: an error is never an end, and no entry is ever skipped because it could not be read. The
// error stays at least until the next First, Last or seek; these may try again or fail with it again. Until then
// Next and Prev do nothing. Err is nil at an entry and at an end.
//
// Values. Value returns the value of the current entry; it may have to read from a file, so it has its own error,
// which leaves the position as it is. The value of a tombstone is empty. Value must not be called at none.
//
// Extents. Extent returns where Value would read it, if it lies in a table file and outside the pages; ok is false if
// it does not. It reads nothing. It must not be called at none, nor right after a batch.
//
// Chunk appends the nth chunk of such a value to dst, where Extent says that it has chunks; then Value would take all
// of it into memory. It keeps to the rules of Value.
//
// Bytes. Key and Value return borrowed bytes: the caller must not change them, and they are valid until the next
// move or Close, whichever comes first. Calling Value does not invalidate Key, nor the other way round. Key must not
// be called at none. A seek target is borrowed by the iterator for the duration of the call only; it must not
// consist of bytes that the same iterator has lent, because the seek invalidates them.
//
// Batches. NextBatch hands out several entries by one call: the current one and those after it that are already in
// memory, as many as fit into dst and lie before end (the zero Internal means no end). It returns their number and
// moves to the last of them. If the current entry is not before end or not in memory, it returns 0 and does not
// move. Only puts and tombstones are handed out; the batch ends before any other entry. PrevBatch is the same
// backward: the current entry and those before it, in that order, as far as they lie after end. All of the bytes are
// lent until the next move. Neither may be called at none. An implementation may always return 0.
//
// Pinned reports that there is a next entry, and that Next will leave valid what was lent, as a further NextBatch
// always does. So a merge can hand out one batch from several sources, although each of them has moved on. It must
// not be called at none. An implementation may always return false.
//
// Close. Close releases what the iterator holds, even if it returns an error. Its error is that of releasing; it may
// also repeat the error of a move. After Close nothing may be called.
type Iterator interface {
	First() bool                // to the first entry
	Last() bool                 // to the last entry
	SeekGE(k key.Internal) bool // to the first entry at or after k
	SeekLT(k key.Internal) bool // to the last entry before k
	Next() bool
	Prev() bool
	Valid() bool
	Key() key.Internal
	Value() ([]byte, error)
	Extent() (x page.Reference, ok bool)
	Chunk(dst []byte, n int) ([]byte, error)
	NextBatch(dst []Entry, end key.Internal) int
	PrevBatch(dst []Entry, end key.Internal) int
	Pinned() bool
	Err() error
	Close() error
}

// Entry is one entry of a run.
type Entry = key.Entry
