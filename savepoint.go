package lightningdb

import (
	"slices"

	"lightningdb/internal/join"
)

// Savepoint is a moment in a transaction that RollbackTo can return to.
type Savepoint struct {
	rw       *readWrite
	number   int // among the savepoints of the transaction
	serial   uint64
	onCommit int
}

// Savepoint marks the present state of the transaction's writes.
func (tx *Tx) Savepoint() (Savepoint, error) {
	var s Savepoint
	err := tx.set(func(rw *readWrite) { s = rw.savepoint() })
	return s, err
}

// RollbackTo takes back what was written since s, and what OnCommit was told. Savepoints made after s are void, s itself
// stays; a savepoint made inside Tx.Update is void after it. What was read since then still counts, and locks stay.
func (tx *Tx) RollbackTo(s Savepoint) error {
	var err error
	return join.Errors(tx.set(func(rw *readWrite) { err = rw.rollbackTo(s) }), err)
}

// Update calls fn as a part of the transaction. If fn returns an error or panics, what it wrote is taken back, and the
// transaction can go on; otherwise it becomes part of the whole, which is committed or not as such. Parts may be nested.
// Commit and Rollback inside a part give ErrManagedTx. A part may also roll back to a savepoint that was made before it began: what the part writes afterwards is its own, and
// goes with it if it fails.
func (tx *Tx) Update(fn func(tx *Tx) error) (err error) {
	p := new(part)
	if err := tx.set(func(rw *readWrite) { rw.beginPart(p) }); err != nil {
		return err
	}
	keep := false
	defer func() { err = join.Errors(err, tx.set(func(rw *readWrite) { rw.endPart(p, keep) })) }()
	err = fn(tx)
	keep = err == nil
	return err
}

// part is a running call of Tx.Update.
//
//	invariant: start is not void, and nothing of what the part has written lies before it
type part struct {
	start    Savepoint
	borrowed bool // start was made before the part, which has rolled back to it; it stays when the part ends
}

// savepoint marks the present state.
func (rw *readWrite) savepoint() Savepoint {
	rw.serial++
	s := Savepoint{rw: rw, number: rw.writes.Savepoint(), serial: rw.serial, onCommit: len(rw.onCommit)}
	rw.savepoints = append(rw.savepoints, s.serial)
	return s
}

// rollbackTo brings back the state at s. The parts that began after s begin there now.
func (rw *readWrite) rollbackTo(s Savepoint) error {
	if s.rw != rw || s.number >= len(rw.savepoints) || rw.savepoints[s.number] != s.serial {
		return ErrSavepointVoid
	}
	rw.writes.RollbackTo(s.number)
	rw.savepoints = rw.savepoints[:s.number+1]
	rw.onCommit = rw.onCommit[:s.onCommit]
	for _, p := range rw.parts {
		if p.start.number > s.number {
			p.start, p.borrowed = s, true
		}
	}
	return nil
}

func (rw *readWrite) beginPart(p *part) {
	p.start = rw.savepoint()
	rw.parts = append(rw.parts, p)
}

// endPart ends p, and takes back what it wrote unless that is to be kept. The savepoints made in it are void.
func (rw *readWrite) endPart(p *part, keep bool) {
	at := slices.Index(rw.parts, p)
	if at < 0 { // the part around it has ended before it, in another goroutine
		rw.fail(ErrTxInUse)
		return
	}
	rw.parts = slices.Delete(rw.parts, at, len(rw.parts))
	if !keep {
		if err := rw.rollbackTo(p.start); err != nil {
			rw.fail(err)
			return
		}
	}
	oldest := p.start.number
	if p.borrowed {
		oldest++
	}
	if oldest < len(rw.savepoints) {
		rw.writes.Release(oldest)
		rw.savepoints = rw.savepoints[:oldest]
	}
}
