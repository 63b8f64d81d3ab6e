package lightningdb

import "lightningdb/internal/join"

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

// RollbackTo takes back what was written since s, and what OnCommit was told. Savepoints made after s are void, s
// itself stays; a savepoint made inside Tx.Update is void after it. What was read since then still counts, and locks
// stay.
func (tx *Tx) RollbackTo(s Savepoint) error {
	var err error
	return join.Errors(tx.set(func(rw *readWrite) { err = rw.rollbackTo(s) }), err)
}

// savepoint marks the present state.
func (rw *readWrite) savepoint() Savepoint {
	rw.serial++
	s := Savepoint{rw: rw, number: rw.writes.Savepoint(), serial: rw.serial, onCommit: len(rw.onCommit)}
	rw.savepoints = append(rw.savepoints, s.serial)
	return s
}

// rollbackTo restores the state at s. The parts that began after s begin at s from now on.
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
