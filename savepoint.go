package lightningdb

import (
	"errors"

	"lightningdb/internal/transaction"
)

// Savepoint is a moment in a transaction that RollbackTo can return to.
type Savepoint struct{ at transaction.Savepoint }

// Savepoint marks the present state of the transaction's writes.
func (tx *Tx) Savepoint() (Savepoint, error) {
	var s Savepoint
	err := tx.set(func(rw *transaction.Tx) { s.at = rw.Savepoint() })
	return s, err
}

// RollbackTo takes back what was written since s, and what OnCommit was told. Savepoints made after s are void, s
// itself stays; a savepoint made inside Tx.Update is void after it. What was read since then still counts, and locks
// stay.
func (tx *Tx) RollbackTo(s Savepoint) error {
	var err error
	return errors.Join(tx.set(func(rw *transaction.Tx) { err = rw.RollbackTo(s.at) }), err)
}
