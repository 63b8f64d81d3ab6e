package merge

import (
	"bytes"
	"sort"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/page"
)

// Tables is what Level chains: tables in key order. The range of user keys from smallest to largest (both
// included) of each table lies wholly before that of the next.
type Tables interface {
	Len() int
	Bounds(i int) (smallest, largest []byte)
	Open(i int) (Iterator, error)
}

// Level is an Iterator over the tables of one level, as one sorted run. It has at most one of them open at a time.
// An error of Open becomes the error of the move that needed the table.
type Level struct {
	tables Tables
	table  Iterator // tables[at], nil if none is open
	at     int
	err    error
}

// NewLevel returns an iterator over tables.
func NewLevel(tables Tables) *Level { return new(Level).Reset(tables) }

// Reset makes l an iterator over tables and returns it. l must be new or closed.
func (l *Level) Reset(tables Tables) *Level {
	*l = Level{tables: tables}
	return l
}

// First implements Iterator.
func (l *Level) First() bool { return l.open(0) && (l.table.First() || l.forward()) }

// Last implements Iterator.
func (l *Level) Last() bool { return l.open(l.tables.Len()-1) && (l.table.Last() || l.backward()) }

// SeekGE implements Iterator.
func (l *Level) SeekGE(k key.Internal) bool {
	i := sort.Search(l.tables.Len(), func(i int) bool {
		_, largest := l.tables.Bounds(i)
		return bytes.Compare(largest, k.User) >= 0
	})
	for ; l.open(i); i++ {
		if l.table.SeekGE(k) { // also in a further table, which may be damaged and begin before its bounds
			return true
		}
		if l.table.Err() != nil {
			return false
		}
	}
	return false
}

// SeekLT implements Iterator.
func (l *Level) SeekLT(k key.Internal) bool {
	i := sort.Search(l.tables.Len(), func(i int) bool {
		smallest, _ := l.tables.Bounds(i)
		return bytes.Compare(smallest, k.User) > 0
	})
	for i--; l.open(i); i-- {
		if l.table.SeekLT(k) {
			return true
		}
		if l.table.Err() != nil {
			return false
		}
	}
	return false
}

// Next implements Iterator.
func (l *Level) Next() bool { return l.Valid() && (l.table.Next() || l.forward()) }

// Prev implements Iterator.
func (l *Level) Prev() bool { return l.Valid() && (l.table.Prev() || l.backward()) }

// Valid implements Iterator.
func (l *Level) Valid() bool { return l.table != nil && l.table.Valid() }

// Key implements Iterator.
func (l *Level) Key() key.Internal { return l.table.Key() }

// Value implements Iterator.
func (l *Level) Value() ([]byte, error) { return l.table.Value() }

// Extent implements Iterator.
func (l *Level) Extent() (page.Reference, bool) { return l.table.Extent() }

// Chunk implements Iterator.
func (l *Level) Chunk(dst []byte, n int) ([]byte, error) { return l.table.Chunk(dst, n) }

// NextBatch implements Iterator. A batch ends at the end of its table.
func (l *Level) NextBatch(dst []Entry, end key.Internal) int { return l.table.NextBatch(dst, end) }

// PrevBatch implements Iterator.
func (l *Level) PrevBatch(dst []Entry, end key.Internal) int { return l.table.PrevBatch(dst, end) }

// Pinned implements Iterator.
func (l *Level) Pinned() bool { return l.table.Pinned() }

// Err implements Iterator.
func (l *Level) Err() error {
	if l.err == nil && l.table != nil {
		return l.table.Err()
	}
	return l.err
}

// Close implements Iterator.
func (l *Level) Close() error {
	if l.table == nil {
		return nil
	}
	table := l.table
	l.table = nil
	return table.Close()
}

// open makes tables[i] the open one. It returns false, with no table open, if there is no such table or if it could
// not be opened.
func (l *Level) open(i int) bool {
	l.err = nil
	if l.table != nil && l.at == i {
		return true
	}
	if l.err = l.Close(); l.err != nil || i < 0 || i >= l.tables.Len() {
		return false
	}
	table, err := l.tables.Open(i)
	if err != nil {
		l.err = err
		return false
	}
	l.table, l.at = table, i
	return true
}

// forward goes to the first entry after the open table, whose end has been reached or which has failed.
func (l *Level) forward() bool {
	for l.table.Err() == nil && l.open(l.at+1) {
		if l.table.First() {
			return true
		}
	}
	return false
}

// backward mirrors forward.
func (l *Level) backward() bool {
	for l.table.Err() == nil && l.open(l.at-1) {
		if l.table.Last() {
			return true
		}
	}
	return false
}
