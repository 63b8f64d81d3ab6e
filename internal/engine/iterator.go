package engine

import (
	"bytes"
	"fmt"
	"sync"

	"lightningdb/internal/join"
	"lightningdb/internal/merge"
)

// Iterator walks the user keys of [lo, hi) at one sequence number, both ways. Its moves report whether it stands on an
// entry; when they report false, Err tells an end from a failure. Key and Value are borrowed until the next move or
// Close. It belongs to one goroutine and must be closed.
//
// It holds a view, and with it memtables and obsolete tables. When a move finds that another view has become current,
// the iterator changes over to that one, in which its sequence number shows the same: so a long scan beside writes
// holds no more than an idle one.
type Iterator struct {
	engine  *Engine
	hold    registration
	view    *view
	lo, hi  []byte
	visible merge.Visible
	merging merge.Merging
	runs    []merge.Iterator
	levels  []merge.Level
	tables  []levelTables
	ready   bool   // visible owns the runs
	err     error  // ErrClosed, once the engine was found closed, or the failure to open runs
	at      []byte // where the iterator stood while it changed views
}

// iterators keeps the buffers of closed iterators.
var iterators = sync.Pool{New: func() any { return new(Iterator) }}

// NewIterator returns an iterator over [lo, hi), nil meaning no bound, at the sequence number of s, or at the newest
// published one if s is nil. It borrows lo and hi until Close.
func (e *Engine) NewIterator(s *Snapshot, lo, hi []byte) (*Iterator, error) {
	it := iterators.Get().(*Iterator)
	it.engine, it.lo, it.hi, it.err, it.ready = e, lo, hi, nil, false
	it.hold.expired.Store(false)
	if s == nil {
		e.snapshots.add(e, &it.hold)
	} else if err := e.snapshots.addLike(&it.hold, &s.registration); err != nil {
		it.engine, it.lo, it.hi = nil, nil, nil
		iterators.Put(it)
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	e.openIterators.Add(1)
	e.resources.Add(1)
	if err := it.openView(); err != nil {
		it.Close()
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	return it, nil
}

// openView opens the iterator on the current view. The sequence number is registered before: see the package comment. A
// view that was current before the registration expired shows all there was for as long as it is held.
func (it *Iterator) openView() error {
	it.view = it.engine.acquireView()
	if it.view == nil {
		return ErrClosed
	}
	if err := it.hold.Check(); err != nil {
		return err
	}
	if err := it.openRuns(); err != nil {
		return err
	}
	it.visible.Rules = it.engine.rules
	it.visible.Reset(it.merging.Reset(it.runs...), it.hold.seq, it.lo, it.hi)
	it.ready = true
	return nil
}

// closeView gives back the view and all that was opened on it.
func (it *Iterator) closeView() error {
	err := it.closeRuns()
	clear(it.runs)
	clear(it.tables)
	it.runs, it.ready = it.runs[:0], false
	if it.view != nil {
		it.engine.unref(it.view)
		it.view = nil
	}
	return err
}

// changeView leaves the view for the current one if they differ. The iterator then stands nowhere.
func (it *Iterator) changeView() bool {
	if it.engine.view.Load() == it.view {
		return true
	}
	err := it.closeView()
	if err == nil {
		err = it.openView()
	}
	if err != nil {
		it.err = fmt.Errorf("iterate: %w", err)
	}
	return err == nil
}

// openRuns opens a run for each memtable and each run of tables that has some in the bounds. Of several tables one is opened
// when the iterator reaches it.
func (it *Iterator) openRuns() error {
	for _, m := range it.view.mems {
		if m.Count() > 0 {
			it.runs = append(it.runs, m.NewIterator())
		}
	}
	if n := len(it.view.runs); len(it.levels) < n {
		it.levels, it.tables = make([]merge.Level, n), make([]levelTables, n)
	}
	for n := range it.view.runs {
		tables := within(it.view.runs[n].tables, it.lo, it.hi)
		switch {
		case len(tables) == 0:
		case len(tables) == 1 && n < it.view.level0:
			run, err := it.engine.tableIterator(tables[0])
			if err != nil {
				return err
			}
			it.runs = append(it.runs, run)
		default:
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
func (it *Iterator) First() bool { return it.usable() && it.changeView() && it.visible.First() }

// Last moves to the last key.
func (it *Iterator) Last() bool { return it.usable() && it.changeView() && it.visible.Last() }

// SeekGE moves to the first key at or after user.
func (it *Iterator) SeekGE(user []byte) bool {
	return it.usable() && it.changeView() && it.visible.SeekGE(user)
}

// SeekLT moves to the last key before user.
func (it *Iterator) SeekLT(user []byte) bool {
	return it.usable() && it.changeView() && it.visible.SeekLT(user)
}

// Next moves to the next key.
func (it *Iterator) Next() bool {
	if !it.usable() || !it.visible.Valid() {
		return false
	}
	if it.engine.view.Load() == it.view {
		return it.visible.Next()
	}
	it.at = append(append(it.at[:0], it.visible.Key()...), 0) // the least key after the current one
	return it.changeView() && it.visible.SeekGE(it.at)
}

// Prev moves to the previous key.
func (it *Iterator) Prev() bool {
	if !it.usable() || !it.visible.Valid() {
		return false
	}
	if it.engine.view.Load() == it.view {
		return it.visible.Prev()
	}
	it.at = append(it.at[:0], it.visible.Key()...)
	return it.changeView() && it.visible.SeekLT(it.at)
}

// usable notes that the engine was closed, or that the iterator grew too old.
func (it *Iterator) usable() bool {
	switch {
	case it.err != nil:
	case it.engine.closed.Load():
		it.err = ErrClosed
	default:
		it.err = it.hold.Check()
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
	err := it.closeView()
	e.snapshots.remove(&it.hold)
	e.openIterators.Add(-1)
	it.engine, it.lo, it.hi = nil, nil, nil
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
	return join.Errors(errs...)
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
	return &heldIterator{Iterator: o.NewIterator(), release: func() { e.unrefTable(o) }}, nil
}

// heldIterator is an iterator that lets go of its open table when it is closed.
type heldIterator struct {
	merge.Iterator
	release func()
}

func (it *heldIterator) Close() error {
	err := it.Iterator.Close()
	it.release()
	return err
}
