package tree

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/span"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/tree/cover"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/readers"
	"lightningdb/internal/tree/tables"
	"lightningdb/internal/tree/visible"
)

// Iterator walks the user keys of [lo, hi) at one sequence number, both ways. Its moves report whether it stands on an
// entry; when they report false, Err tells an end from a failure. Key and Value are borrowed until the next move, Exit
// or Close. It belongs to one goroutine, its owner, and must be closed.
//
// Others may end it: the close of its snapshot, the close of the engine, or its age. They give back what it holds,
// unless its owner is using it: then the owner does, as soon as it is finished.
//
//	opened            its owner uses it until Exit
//	between uses      Exit … Enter: nothing that it has lent may be looked at; Enter fails if it was ended
//	while it is used  moves fail once it was ended; only after StopWith do they notice the close of its snapshot
//
// It holds a view, and with it memtables and obsolete tables. When a move finds that another view has become
// current, the iterator changes to that one, in which its sequence number shows the same: so a long scan during
// writes holds no more than an idle one.
type Iterator struct {
	tree    *Tree
	hold    readers.Registration
	current *atomic.Pointer[View] // the view that the iterator should be on
	view    *View
	seen    *visible.Earliest // the ends of what it has met; nil if nobody wants to know
	lo, hi  []byte
	visible merge.Visible
	merging merge.Merging
	runs    []merge.Iterator
	mems    []memtable.Iterator
	levels  []merge.Level
	tables  []tables.Level
	covers  []cover.Iterator // over the memtables, then the runs, if ranges were deleted
	ready   bool             // visible owns the runs
	stop    *atomic.Bool     // when set, by somebody else, moves fail with stopped
	stopped error

	interrupt *calls.Interrupt
	err       error         // calls.ErrClosed, once the engine was found closed, or the failure to open runs
	at        []byte        // where the iterator stood while it changed views
	users     atomic.Uint32 // how many use it now, and noMore
	above     io.Closer     // closed with it
}

// uninterrupted is what ends the iterators of snapshots without an Interrupt: nothing.
var uninterrupted calls.Interrupt

// noMore, among the users of an iterator, says that no more may come. What the iterator holds is given back by
// whichever goroutine removes the last user then, or sets noMore while there are none.
const noMore = 1 << 31

// neverStopped is the stop flag of iterators that cannot be stopped from outside.
var neverStopped atomic.Bool

// iterators keeps the buffers of closed iterators.
var iterators = sync.Pool{New: func() any { return new(Iterator) }}

// NewIterator returns an iterator over [lo, hi), nil meaning no bound, at the sequence number of s, or at the newest
// published one if s is nil. It borrows lo and hi until Close.
func (tr *Tree) NewIterator(s *Snapshot, lo, hi []byte) (*Iterator, error) {
	if err := tr.gate.Enter(); err != nil {
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	defer tr.gate.Leave()
	it := iterators.Get().(*Iterator)
	it.tree, it.lo, it.hi, it.err, it.ready, it.stop = tr, lo, hi, nil, false, &neverStopped
	it.hold.Origin = tr.Trace(origin.Cursor)
	it.interrupt = &uninterrupted
	if s != nil && s.interrupt != nil {
		it.interrupt = s.interrupt
	}
	it.hold.Ends = (*ender)(it)
	it.current = &tr.view
	if it.seen = nil; s != nil {
		it.seen = s.seen
		it.hold.On = &s.Registration
		if tr.opts.Follow {
			it.current = &s.pinned
		}
	}
	it.users.Store(1)
	if err := tr.readers.AddIterator(&it.hold); err != nil {
		it.recycle()
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	tr.openIterators.Add(1) // until then the gate, which is entered, keeps the tree from being freed
	tr.resources.Add(1)
	if err := it.openView(); err != nil {
		it.Close()
		return nil, fmt.Errorf("open iterator: %w", err)
	}
	return it, nil
}

// openView opens the iterator on the current view. The sequence number was registered before: see the package
// comment. A view that was current before the registration expired shows everything for as long as it is held.
func (it *Iterator) openView() error {
	it.view = it.tree.acquire(it.current)
	if it.view == nil {
		return calls.ErrClosed
	}
	if err := it.hold.Check(); err != nil {
		return err
	}
	if err := it.openRuns(); err != nil {
		return it.reason(err)
	}
	it.visible.Rules, it.visible.Stop = it.tree.opts.Rules, it.interrupt.Flag()
	it.visible.Clock, it.visible.Times = it.tree.clock, it.tree.scans
	it.visible.Walk.Known, it.visible.Walk.Eager = (*scanGaps)(it), it.tree.opts.Gaps
	if it.tree.opts.Follow {
		it.visible.Walk.Known = nil
	}
	it.visible.Reset(it.merging.Reset(it.runs...), it.reader(), it.lo, it.hi)
	it.ready = true
	return nil
}

// reader is who walks, but for the ranges that were deleted.
func (it *Iterator) reader() visible.Reader {
	return visible.Reader{Seq: it.hold.Seq(), Now: it.hold.Now(), Seen: it.seen}
}

// closeView gives back the view and all that was opened on it.
func (it *Iterator) closeView() error {
	if it.view != nil {
		it.tree.noteSwitches(it.view, it.merging.Switches())
		it.tree.passed.Add(int64(it.visible.Walk.Rows))
		it.visible.Walk.Rows = 0
	}
	err := it.closeRuns()
	clear(it.runs)
	clear(it.covers)
	for n := range it.mems {
		it.mems[n].Reset(nil)
	}
	for n := range it.tables {
		it.tables[n].Reset(nil, nil)
	}
	it.runs, it.ready = it.runs[:0], false
	if it.view != nil {
		it.tree.Release(it.view)
		it.view = nil
	}
	return err
}

// changeView leaves the view for the current one if they differ. The iterator then stands nowhere.
func (it *Iterator) changeView() bool {
	if it.current.Load() == it.view {
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

// openRuns opens a source for each memtable and each sorted run that has tables within the bounds. Of several tables
// each is opened when the iterator reaches it.
func (it *Iterator) openRuns() error {
	within, mems := span.Span{Lo: it.lo, Hi: it.hi}, it.view.mems
	deleted := it.view.Cover(it.hold.Seq())
	it.covers = deleted.Iterators(it.covers, len(mems)+len(it.view.runs), within)
	if n := len(mems); len(it.mems) < n {
		it.mems = make([]memtable.Iterator, n)
	}
	for n, m := range mems {
		if m.Count() > 0 {
			it.mems[n].Reset(m.Table)
			it.open(n, &it.mems[n], m.Table, nil, deleted)
		}
	}
	if n := len(it.view.runs); len(it.levels) < n {
		it.levels, it.tables = make([]merge.Level, n), make([]tables.Level, n)
	}
	for n := range it.view.runs {
		refs := it.view.runs[n].Within(within)
		if len(refs) == 0 {
			continue
		}
		level := it.tables[n].Reset(it.tree.tables, refs).StopBy(it.interrupt.Flag())
		if len(refs) > 1 || n >= it.view.level0 {
			it.open(len(mems)+n, it.levels[n].Reset(level), nil, refs, deleted)
			continue
		}
		run, err := level.Open(0)
		if err != nil {
			return err
		}
		it.open(len(mems)+n, run, nil, refs, deleted)
	}
	return nil
}

// open adds a source, of m or of tables, and the cover with number n over it if ranges were deleted.
func (it *Iterator) open(n int, source merge.Iterator, m *memtable.Table, refs []*tables.Ref, c cover.Cover) {
	switch {
	case len(it.covers) == 0:
	case m != nil:
		source = it.covers[n].Reset(source, m, c)
	default:
		source = it.covers[n].Reset(source, tables.Ages(refs), c)
	}
	it.runs = append(it.runs, source)
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
	if it.current.Load() == it.view {
		return it.visible.Next()
	}
	it.at = append(append(it.at[:0], it.visible.Key()...), 0) // the smallest key after the current one
	return it.changeView() && it.visible.SeekGE(it.at)
}

// Prev moves to the previous key.
func (it *Iterator) Prev() bool {
	if !it.usable() || !it.visible.Valid() {
		return false
	}
	if it.current.Load() == it.view {
		return it.visible.Prev()
	}
	it.at = append(it.at[:0], it.visible.Key()...)
	return it.changeView() && it.visible.SeekLT(it.at)
}

// usable reports whether the iterator may go on; if not, err says why. It is called at every step.
func (it *Iterator) usable() bool {
	if it.err == nil && !it.tree.gate.Closed() && !it.hold.Expired() && !it.stop.Load() && !it.interrupt.Due() {
		return true
	}
	it.refuse()
	return false
}

// Usable is whether the iterator may go on; if not, its next move fails. Its owner is using it.
func (it *Iterator) Usable() bool { return it.usable() }

// StopWith makes calls fail with err once the snapshot that it is on, which it must have, is closed.
func (it *Iterator) StopWith(err error) { it.stop, it.stopped = it.hold.On.ClosedFlag(), err }

// refuse records why the iterator may not go on: it was stopped, the engine was closed, or it is too old.
func (it *Iterator) refuse() {
	switch {
	case it.err != nil:
	case it.stop.Load():
		it.err = it.stopped
	case it.tree.gate.Closed():
		it.err = calls.ErrClosed
	case it.interrupt.Flag().Load():
		it.err = it.interrupt.Err()
	default:
		it.err = it.hold.Check()
	}
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
	value, err := it.visible.Value()
	return value, it.reason(err)
}

// AtHand is the current value if it is in memory, otherwise nil.
func (it *Iterator) AtHand() []byte {
	for _, hand := range [...][]merge.Entry{it.visible.NextBatch(), it.visible.PrevBatch()} {
		if len(hand) > 0 {
			return hand[0].Value
		}
	}
	return nil
}

// Each calls yield with the entries from the current one on, forward or backward, until it returns false or, if n is
// not negative, n entries were yielded. No value is nil. The error is that of moving or reading. A loop over Next,
// Key and Value does the same at twice the cost for each entry.
func (it *Iterator) Each(d Direction, n int, yield func(key, value []byte) bool) error {
	for ok := it.Valid(); ok && n != 0; ok = it.step(d, n) {
		if hand := it.atHand(d); len(hand) > 0 {
			if n > 0 {
				hand = hand[:min(n, len(hand))]
			}
			done, more := it.yieldAll(hand, yield)
			if n -= done; !more || n == 0 {
				return nil
			}
			continue
		}
		value, err := it.visible.Value()
		if err != nil || !yield(it.visible.Key(), notNil(value)) || n == 1 {
			return err
		}
		n--
	}
	return it.Err()
}

func (it *Iterator) atHand(d Direction) []merge.Entry {
	if d == Backward {
		return it.visible.PrevBatch()
	}
	return it.visible.NextBatch()
}

// step moves on; up to n more entries are wanted, if n is not negative.
func (it *Iterator) step(d Direction, n int) bool {
	it.visible.Expect(n)
	if d == Backward {
		return it.Prev()
	}
	return it.Next()
}

// yieldAll yields what is at hand, and moves to the last entry yielded. It ends early if a step could not have
// reached the next entry, because the iterator was stopped or interrupted, is too old, or has to change to another
// view, as it does when the engine is closed. more is false if yield wants no more.
func (it *Iterator) yieldAll(hand []merge.Entry, yield func(key, value []byte) bool) (done int, more bool) {
	current, held, stop, interrupt := it.current, it.view, it.stop, it.interrupt.Flag()
	for more = true; more && done < len(hand); done++ {
		if done > 0 && (current.Load() != held || it.hold.Expired() || stop.Load() || interrupt.Load()) {
			break
		}
		more = yield(hand[done].Key.User, notNil(hand[done].Value))
	}
	it.visible.Skip(done - 1)
	return done, more
}

// notNil is value, or an empty value in place of nil.
func notNil(value []byte) []byte {
	if value == nil {
		return emptyValue
	}
	return value
}

var emptyValue = []byte{}

// Direction is the way that Each goes.
type Direction bool

// The directions.
const (
	Forward  Direction = false
	Backward Direction = true
)

// Err says why the iterator stands on no key; it is nil at an end.
func (it *Iterator) Err() error {
	if it.err != nil {
		return it.err
	}
	return it.reason(it.visible.Err())
}

// reason is err, or the error of the interruption: then err only says that the tables were not to be read on.
func (it *Iterator) reason(err error) error {
	if err != nil && it.interrupt.Flag().Load() {
		return it.interrupt.Err()
	}
	return err
}

// Close gives back what the iterator holds. Its owner, who is using it, calls it last.
func (it *Iterator) Close() error {
	it.users.Or(noMore)
	if it.users.Add(^uint32(0)) != noMore {
		return nil // another is using it, and gives it back
	}
	tr := it.tree
	err := it.release()
	it.recycle()
	tr.Free()
	return err
}

// recycle gives the buffers to a later iterator. Nobody may know of it any more.
func (it *Iterator) recycle() {
	it.tree, it.lo, it.hi, it.stop, it.stopped = nil, nil, nil, nil, nil
	it.interrupt = &uninterrupted
	it.hold.Renew()
	iterators.Put(it)
}

// Exit lets others end the iterator until Enter. What it has lent may not be looked at any more.
func (it *Iterator) Exit() {
	if it.users.Add(^uint32(0)) == noMore {
		(*ender)(it).Drop()
	}
}

// Enter keeps what the iterator holds from being given back until Exit. If the iterator was ended, the error says
// why, and Exit must not be called.
func (it *Iterator) Enter() error {
	if it.TryEnter() {
		return nil
	}
	if it.usable() {
		it.err = calls.ErrClosed
	}
	return it.err
}

// TryEnter is Enter for another than the owner, to whom the error belongs: it only reports whether it has entered.
func (it *Iterator) TryEnter() bool {
	for {
		users := it.users.Load()
		if users&noMore != 0 {
			return false
		}
		if it.users.CompareAndSwap(users, users+1) {
			return true
		}
	}
}

// End ends the iterator: what it holds is given back, now or when nobody uses it any more. Further calls do nothing.
func (it *Iterator) End() {
	if e := (*ender)(it); e.Forbid() {
		e.Drop()
	}
}

// ender is an Iterator as seen by others that may end it.
type ender Iterator

var _ readers.Ender = (*ender)(nil)

// Forbid implements readers.Ender.
func (e *ender) Forbid() (unused bool) { return e.users.Or(noMore) == 0 }

// Drop implements readers.Ender. The iterator's owner may still know it, so it is not recycled.
func (e *ender) Drop() {
	it := (*Iterator)(e)
	it.release() // an error of closing what was only read loses nothing
	it.tree.Free()
}

// release gives back everything but the tree's memory.
func (it *Iterator) release() error {
	var err error
	if it.above != nil {
		err = it.above.Close()
		it.above = nil
	}
	err = errors.Join(err, it.closeView())
	it.tree.readers.Remove(&it.hold)
	it.tree.openIterators.Add(-1)
	return err
}

// CloseWith makes the iterator close c before it gives back what it holds.
func (it *Iterator) CloseWith(c io.Closer) { it.above = c }

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
