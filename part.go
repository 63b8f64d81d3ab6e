package lightningdb

import (
	"slices"

	"lightningdb/internal/join"
)

// part is a running call of Tx.Update.
//
//	invariant: start is not void, and nothing of what the part has written lies before it
type part struct {
	start    Savepoint
	borrowed bool // start was made before the part, which has rolled back to it; it stays when the part ends
}

// Update calls fn as a part of the transaction. If fn returns an error or panics, what it wrote is taken back, and
// the transaction can go on; otherwise it becomes part of the whole, which is committed or not as such. Parts may be
// nested. Commit and Rollback inside a part give ErrManagedTx. A part may also roll back to a savepoint that was made
// before it began: what the part writes afterwards is its own, and goes with it if it fails.
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

func (rw *readWrite) beginPart(p *part) {
	p.start = rw.savepoint()
	rw.parts = append(rw.parts, p)
}

// endPart ends p, and takes back what it wrote unless keep is set. The savepoints made in it are void.
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
