package tables

import (
	"context"
	"sync/atomic"

	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/table"
)

// Level is disjoint tables in the order of their keys, as merge.Level reads them, one at a time: all are opened in
// the same memory. The zero value is ready for Reset.
type Level struct {
	set    *Set
	tables []*Ref
	open   Iterator
	stop   *atomic.Bool // ends it before the next page is read; nil for never
}

// Reset makes l read tables.
func (l *Level) Reset(s *Set, tables []*Ref) *Level {
	l.set, l.tables, l.stop = s, tables, nil
	return l
}

// StopBy makes reads of a further page fail with table.ErrStopped once stop is set.
func (l *Level) StopBy(stop *atomic.Bool) *Level {
	l.stop = stop
	return l
}

// Len implements merge.Tables.
func (l *Level) Len() int { return len(l.tables) }

// Bounds implements merge.Tables.
func (l *Level) Bounds(i int) (smallest, largest []byte) {
	return l.tables[i].meta.Smallest, l.tables[i].meta.Largest
}

// Open implements merge.Tables. The table opened before must have been closed.
func (l *Level) Open(i int) (merge.Iterator, error) {
	if l.stop != nil && l.stop.Load() {
		return nil, table.ErrStopped
	}
	if err := l.open.Open(l.set, l.tables[i]); err != nil {
		return nil, err
	}
	l.open.StopBy(l.stop)
	return &l.open, nil
}

// Iterator is an iterator that holds its table open until it is closed. The zero value is ready for Open.
type Iterator struct {
	table.Iterator
	set  *Set // nil if no other than the iterator has the table open
	held *openTable
}

// Open makes it, which is new or closed, an iterator over t.
func (it *Iterator) Open(s *Set, t *Ref) error {
	o, err := s.acquireReader(t)
	if err != nil {
		return err
	}
	it.set, it.held = s, o
	it.Iterator.Reset(o.Reader)
	return nil
}

// Close implements merge.Iterator.
func (it *Iterator) Close() error {
	err := it.Iterator.Close()
	if it.set != nil {
		it.set.unref(it.held)
	} else {
		it.held.Close() // an error of closing a file that was only read loses nothing
	}
	*it = Iterator{} // the memory stays, what it referred to does not
	return err
}

// Inputs returns an iterator for one pass over tables from front to back, without the cache and with one table open
// at a time, until ctx is done. It must be closed.
func (s *Set) Inputs(ctx context.Context, tables []*Ref) merge.Iterator {
	l := &inputs{ctx: ctx}
	l.Reset(s, tables)
	return merge.NewLevel(l)
}

// inputs is a Level that is read once, until ctx is done.
type inputs struct {
	Level
	ctx context.Context
}

// Open implements merge.Tables.
func (l *inputs) Open(i int) (merge.Iterator, error) { return l.set.OpenInput(l.ctx, l.tables[i].meta) }
