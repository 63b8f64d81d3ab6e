package lightningdb

import (
	"errors"

	"lightningdb/internal/transaction"
)

// Update calls fn as a part of the transaction. If fn returns an error or panics, what it wrote is taken back, and
// the transaction can go on; otherwise it becomes part of the whole, which is committed or not as such. Parts may be
// nested. Commit and Rollback inside a part give ErrManagedTx. A part may also roll back to a savepoint that was made
// before it began: what the part writes afterwards is its own, and goes with it if it fails.
func (tx *Tx) Update(fn func(tx *Tx) error) (err error) {
	p := new(transaction.Part)
	if err := tx.set(func(rw *transaction.Tx) { rw.BeginPart(p) }); err != nil {
		return err
	}
	keep := false
	defer func() {
		err = errors.Join(err, tx.set(func(rw *transaction.Tx) { rw.EndPart(p, keep) }))
	}()
	err = fn(tx)
	keep = err == nil
	return err
}
