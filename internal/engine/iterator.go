package engine

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"lightningdb/internal/key"
	"lightningdb/internal/merge"
)

// Iterator walks the user keys of [lo, hi) at one sequence number, both ways. Its moves report whether it stands on an
// entry; when they report false, Err tells an end from a failure. Key and Value are borrowed until the next move or
// Close. It belongs to one goroutine and must be closed.
type Iterator struct {
	engine  *Engine
	seq     key.SeqNum
	view    *view
	lo, hi  []byte
	visible merge.Visible
	merging merge.Merging
	runs    []merge.Iterator
	levels  []merge.Level
	tables  []levelTables
	ready   bool  // visible owns the runs
	err     error // ErrClosed, once the engine was found closed
}

// iterators keeps the buffers of closed iterators.
var iterators = sync.Pool{New: func() any { return new(Iterator) }}

// NewIterator returns an iterator over [lo, hi), nil meaning no bound, at the sequence number of s, or at the newest
// published one if s is nil. It borrows lo and hi until Close.
func (e *Engine) NewIterator(s *Snapshot, lo, hi []byte) (*Iterator, error) {
	it := iterators.Get().(*Iterator)
	it.engine, it.lo, it.hi, it.err, it.ready = e, lo, hi, nil, false
	if s == nil {
		it.seq = e.snapshots.add(e)
	} else {
		it.seq = s.seq
		e.snapshots.addAt(s.seq)
	}
	e.openIterators.Add(1)
	e.resources.Add(1)
	it.view = e.acquireView() // after the registration: see the package comment
	if it.view == nil {
		it.Close()
		return nil, ErrClosed
	}
	if err := it.openRuns(); err != nil {
		it.Close()
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	it.visible.Reset(it.merging.Reset(it.runs...), it.seq, lo, hi)
	it.ready = true
	return it, nil
}

// openRuns opens a run for each memtable, each overlapping table of level 0 and each further level that has tables in
// the bounds. Tables of levels are opened when the iterator reaches them.
func (it *Iterator) openRuns() error {
	for _, m := range it.view.mems {
		if m.Count() > 0 {
			it.runs = append(it.runs, m.NewIterator())
		}
	}
	for _, t := range it.view.levels[0].tables {
		if !overlaps(t, it.lo, it.hi) {
			continue
		}
		run, err := it.engine.tableIterator(t)
		if err != nil {
			return err
		}
		it.runs = append(it.runs, run)
	}
	if it.levels == nil {
		it.levels, it.tables = make([]merge.Level, len(it.view.levels)), make([]levelTables, len(it.view.levels))
	}
	for n := 1; n < len(it.view.levels); n++ {
		if tables := within(it.view.levels[n].tables, it.lo, it.hi); len(tables) > 0 {
			it.tables[n] = levelTables{it.engine, tables}
			it.runs = append(it.runs, it.levels[n].Reset(&it.tables[n]))
		}
	}
	return nil
}

// overlaps reports whether t may hold keys of [lo, hi).
func overlaps(t *tableRef, lo, hi []byte) bool {
	return (hi == nil || bytes.Compare(t.meta.Smallest, hi) < 0) && (lo == nil || bytes.Compare(t.meta.Largest, lo) >= 0)
}

// within returns those of the disjoint tables that overlap [lo, hi).
func within(tables []*tableRef, lo, hi []byte) []*tableRef {
	first, end := 0, len(tables)
	for first < end && !overlaps(tables[first], lo, hi) {
		first++
	}
	for end > first && !overlaps(tables[end-1], lo, hi) {
		end--
	}
	return tables[first:end]
}

// First moves to the first key.
func (it *Iterator) First() bool { return it.usable() && it.visible.First() }

// Last moves to the last key.
func (it *Iterator) Last() bool { return it.usable() && it.visible.Last() }

// SeekGE moves to the first key at or after user.
func (it *Iterator) SeekGE(user []byte) bool { return it.usable() && it.visible.SeekGE(user) }

// SeekLT moves to the last key before user.
func (it *Iterator) SeekLT(user []byte) bool { return it.usable() && it.visible.SeekLT(user) }

// Next moves to the next key.
func (it *Iterator) Next() bool { return it.usable() && it.visible.Next() }

// Prev moves to the previous key.
func (it *Iterator) Prev() bool { return it.usable() && it.visible.Prev() }

// usable notes that the engine was closed.
func (it *Iterator) usable() bool {
	if it.err == nil && it.engine.closed.Load() {
		it.err = ErrClosed
	}
	return it.err == nil
}

// Valid reports whether the iterator stands on a key.
func (it *Iterator) Valid() bool { return it.err == nil && it.visible.Valid() }

// Key is the current key.
func (it *Iterator) Key() []byte { return it.visible.Key() }

// Value is the current value. It may have to be read from a file.
func (it *Iterator) Value() ([]byte, error) {
	if !it.usable() {
		return nil, it.err
	}
	return it.visible.Value()
}

// Err is why the iterator stands on no key, nil at an end.
func (it *Iterator) Err() error {
	if it.err != nil {
		return it.err
	}
	return it.visible.Err()
}

// Close gives back what the iterator holds. It must be the last call.
func (it *Iterator) Close() error {
	e := it.engine
	err := it.closeRuns()
	if it.view != nil {
		e.unref(it.view)
	}
	e.snapshots.remove(it.seq)
	e.openIterators.Add(-1)
	clear(it.runs)
	clear(it.tables)
	it.runs, it.view, it.engine, it.lo, it.hi = it.runs[:0], nil, nil, nil, nil
	iterators.Put(it)
	e.release()
	return err
}

func (it *Iterator) closeRuns() error {
	if it.ready {
		return it.visible.Close()
	}
	var errs []error
	for _, run := range it.runs {
		errs = append(errs, run.Close())
	}
	return errors.Join(errs...)
}

// levelTables is the tables of one level as merge.Level reads them.
type levelTables struct {
	engine *Engine
	tables []*tableRef
}

func (l *levelTables) Len() int { return len(l.tables) }

func (l *levelTables) Bounds(i int) (smallest, largest []byte) {
	return l.tables[i].meta.Smallest, l.tables[i].meta.Largest
}

func (l *levelTables) Open(i int) (merge.Iterator, error) { return l.engine.tableIterator(l.tables[i]) }

// tableIterator opens an iterator on t that holds the table open until it is closed.
func (e *Engine) tableIterator(t *tableRef) (merge.Iterator, error) {
	o, err := e.acquireReader(t)
	if err != nil {
		return nil, err
	}
	return &heldIterator{Iterator: o.NewIterator(), table: o}, nil
}

// heldIterator is an iterator together with its reference on the open table.
type heldIterator struct {
	merge.Iterator
	table *openTable
}

func (it *heldIterator) Close() error {
	err := it.Iterator.Close()
	it.table.unref()
	return err
}
