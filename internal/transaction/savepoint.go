package transaction

// Savepoint is a moment in a transaction that RollbackTo can return to.
type Savepoint struct {
	tx       *Tx
	number   int // among the savepoints of the transaction
	serial   uint64
	onCommit int
}

// Savepoint marks the present state of the writes.
func (tx *Tx) Savepoint() Savepoint {
	tx.serial++
	s := Savepoint{tx: tx, number: tx.writes.Savepoint(), serial: tx.serial, onCommit: len(tx.onCommit)}
	tx.savepoints = append(tx.savepoints, s.serial)
	return s
}

// RollbackTo restores the state at s. The parts that began after s begin at s from now on.
func (tx *Tx) RollbackTo(s Savepoint) error {
	if s.tx != tx || s.number >= len(tx.savepoints) || tx.savepoints[s.number] != s.serial {
		return ErrVoid
	}
	tx.Revise()
	tx.writes.RollbackTo(s.number)
	tx.savepoints = tx.savepoints[:s.number+1]
	tx.onCommit = tx.onCommit[:s.onCommit]
	for _, p := range tx.parts {
		if p.start.number > s.number {
			p.start, p.borrowed = s, true
		}
	}
	return nil
}
