package transaction

import (
	"bytes"
	"fmt"
	"slices"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/txn"
)

// Walker is what loops and cursors move: an engine's iterator, or one with a transaction's writes over it. Its opener
// uses it until Exit or Close. Between Exit and Enter others may end it, and free the memory of its keys and values.
type Walker interface {
	txn.Source
	Enter() error
	Exit()
	Close() error
}

// Iterator walks a range as a transaction sees it, its own writes included. It enters what it has walked through
// into the transaction's read set: everything between where a walk began and where it stands, because a key that
// another commit adds there would have been seen.
type Iterator struct {
	tx      *Tx
	bounds  span.Span
	base    *engine.Iterator
	seq     key.SeqNum      // that base reads at
	spilled txn.OverSpilled // over base, if the transaction has spilled
	spills  uint64          // of the writes, when spilled was made
	overlay txn.Overlay     // over spilled, or over base

	walk  direction
	from  []byte // where the walk began: the first key of it, or the first one after it going backward
	toEnd bool   // from is the upper end of the range, without a bound
	at    []byte // where it stood when base had to be opened anew
	err   error
}

type direction uint8

const (
	standing direction = iota // nothing was walked through since the last report
	forward
	backward
)

// OpenIterator returns an iterator over the keys in bounds, which it borrows. It stands nowhere.
func (tx *Tx) OpenIterator(bounds span.Span) (*Iterator, error) {
	if err := tx.Enter(); err != nil {
		return nil, err
	}
	defer tx.Leave()
	if tx.priority {
		tx.reportWalks()
		if err := tx.txn.Protect(bounds, false); err != nil {
			return nil, err
		}
	}
	tx.watch.Begin(tx.txn.Snapshot())
	it := &Iterator{tx: tx, bounds: bounds}
	if err := it.open(); err != nil {
		return nil, err
	}
	tx.iterators, tx.iterated = append(tx.iterators, it), true
	return it, nil
}

// open opens base at the transaction's present snapshot.
func (it *Iterator) open() error {
	base, err := it.tx.txn.Snapshot().NewIterator(it.bounds.Lo, it.bounds.Hi)
	if err != nil {
		return err
	}
	it.base, it.seq, it.spills = base, it.tx.txn.Seq(), it.tx.writes.SpillChanges()
	below := txn.Source(base)
	if it.tx.writes.Spilled() {
		it.spilled.Reset(base, it.seq, &it.tx.writes, it.bounds)
		base.CloseWith(&it.spilled)
		below = &it.spilled
	}
	it.overlay.Reset(below, it.seq, &it.tx.writes, it.bounds)
	return nil
}

// closeBase closes what open opened.
func (it *Iterator) closeBase() error {
	err := it.base.Close()
	it.base = nil
	return err
}

// Enter lets its owner use the iterator until Exit. Calls of the transaction enter base as well where they look at
// it: the close of the database may end it at any time.
func (it *Iterator) Enter() error {
	if it.err != nil {
		return it.err
	}
	err := it.base.Enter()
	if err == nil {
		return nil
	}
	if over := it.tx.Enter(); over != nil {
		return over
	}
	it.tx.Leave()
	return err
}

// Exit lets others end the iterator until Enter.
func (it *Iterator) Exit() {
	if it.base != nil {
		it.base.Exit()
	}
}

// current reports whether the transaction still sees the state that open opened.
func (it *Iterator) current() bool {
	return it.seq == it.tx.txn.Seq() && it.spills == it.tx.writes.SpillChanges()
}

// First moves to the first entry.
func (it *Iterator) First() bool { return it.start(forward, it.bounds.Lo, it.overlay.First) }

// Last moves to the last entry.
func (it *Iterator) Last() bool { return it.start(backward, it.bounds.Hi, it.overlay.Last) }

// SeekGE moves to the first entry at or after user.
func (it *Iterator) SeekGE(user []byte) bool {
	if bytes.Compare(user, it.bounds.Lo) < 0 {
		user = it.bounds.Lo
	}
	return it.start(forward, user, func() bool { return it.overlay.SeekGE(user) })
}

// SeekLT moves to the last entry before user.
func (it *Iterator) SeekLT(user []byte) bool {
	if user == nil {
		user = []byte{} // before everything; nil would be the end
	}
	if it.bounds.Below(user) {
		user = it.bounds.Hi
	}
	return it.start(backward, user, func() bool { return it.overlay.SeekLT(user) })
}

// start begins a walk at from.
func (it *Iterator) start(walk direction, from []byte, move func() bool) bool {
	if !it.enter() {
		return false
	}
	defer it.tx.Leave()
	it.report()
	if !it.renew() {
		return false
	}
	it.tx.hasRead = true
	it.walk, it.toEnd = walk, walk == backward && from == nil
	it.from = append(it.from[:0], from...)
	return move()
}

// Next moves to the next entry.
func (it *Iterator) Next() bool {
	if !it.enter() {
		return false
	}
	defer it.tx.Leave()
	if !it.overlay.Valid() {
		return false
	}
	if it.walk == forward && it.current() {
		return it.overlay.Next()
	}
	it.turn(forward)
	it.at = append(append(it.at[:0], it.from...), 0)
	return it.renew() && it.overlay.SeekGE(it.at)
}

// Prev moves to the previous entry.
func (it *Iterator) Prev() bool {
	if !it.enter() {
		return false
	}
	defer it.tx.Leave()
	if !it.overlay.Valid() {
		return false
	}
	if it.walk == backward && it.current() {
		return it.overlay.Prev()
	}
	it.turn(backward)
	it.at = append(it.at[:0], it.from...)
	return it.renew() && it.overlay.SeekLT(it.at)
}

// turn reports what was walked through and begins a walk at the current key.
func (it *Iterator) turn(walk direction) {
	it.at = append(it.at[:0], it.overlay.Key()...)
	it.report()
	it.walk, it.toEnd = walk, false
	it.from = append(it.from[:0], it.at...)
}

// renew opens base anew if the transaction has moved to another snapshot, or spilled. The iterator then stands nowhere.
func (it *Iterator) renew() bool {
	if it.current() {
		return true
	}
	err := it.closeBase()
	if err == nil {
		err = it.open()
	}
	if err != nil {
		it.err = fmt.Errorf("iterate: %w", err)
	}
	return err == nil
}

// report adds what was walked through to the read set.
func (it *Iterator) report() {
	if it.walk == standing || !it.tx.keepsReads() {
		return
	}
	walked := it.walked()
	it.walk = standing
	it.tx.reads.AddSpan(walked)
}

// walked is the keys from where the walk began to where it stands, or to the end of the range.
func (it *Iterator) walked() span.Span {
	walked, here := it.bounds, it.overlay.Valid()
	if it.walk == forward {
		if here {
			return span.Closed(it.from, it.overlay.Key())
		}
		walked.Lo = it.from
		return walked
	}
	if here {
		walked.Lo = it.overlay.Key()
	}
	switch {
	case it.toEnd:
		walked.Hi = nil
	case len(it.from) == 0:
		walked.Hi = []byte{} // before the first key there is none
	default:
		walked.Hi = it.from
	}
	return walked
}

// reportWalks reports what the open iterators have walked through so far: if the snapshot is to move, that must be
// unchanged too. The walks go on.
func (tx *Tx) reportWalks() {
	for _, it := range tx.iterators {
		if it.base == nil || it.walk == standing || !it.base.TryEnter() {
			continue // it was ended by the close of the database, or by its age: neither lets the transaction commit
		}
		if it.overlay.Valid() {
			it.turn(it.walk)
		} else {
			it.report()
		}
		it.base.Exit()
	}
}

// enter begins a call. It reports false, and notes why, if the transaction is over or in use.
func (it *Iterator) enter() bool {
	if it.err != nil {
		return false
	}
	if err := it.tx.Enter(); err != nil {
		it.err = err
		return false
	}
	return true
}

// Valid reports whether the iterator stands on an entry.
func (it *Iterator) Valid() bool { return it.err == nil && it.base != nil && it.overlay.Valid() }

// Key is the current key, lent until the next move.
func (it *Iterator) Key() []byte { return it.overlay.Key() }

// Value is the current value, lent until the next move.
func (it *Iterator) Value() ([]byte, error) { return it.overlay.Value() }

// Err is why the iterator stands on no entry, nil at an end.
func (it *Iterator) Err() error {
	if it.err != nil || it.base == nil {
		return it.err
	}
	return it.overlay.Err()
}

// Close reports the rest and closes what the iterator holds.
func (it *Iterator) Close() error {
	if it.tx.Enter() != nil {
		it.Exit() // the transaction has ended it, or will
		return nil
	}
	defer it.tx.Leave()
	if i := slices.Index(it.tx.iterators, it); i >= 0 {
		it.tx.iterators = slices.Delete(it.tx.iterators, i, i+1)
	}
	if it.base == nil {
		return nil
	}
	it.report()
	return it.closeBase()
}

// endIterators ends the iterators that are still open. The entry that a loop shows stays valid until its next step.
func (tx *Tx) endIterators() {
	tx.reportWalks()
	for _, it := range tx.iterators {
		if it.base != nil {
			it.base.End()
		}
	}
	tx.iterators = nil
}
