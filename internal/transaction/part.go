package transaction

import "slices"

// Part is a running call of Tx.Update.
//
//	invariant: start is not void, and nothing of what the part has written lies before it
type Part struct {
	start    Savepoint
	borrowed bool // start was made before the part, which has rolled back to it; it stays when the part ends
}

// BeginPart begins p, which is new.
func (tx *Tx) BeginPart(p *Part) {
	p.start = tx.Savepoint()
	tx.parts = append(tx.parts, p)
}

// EndPart ends p, and takes back what it wrote unless keep is set. The savepoints made in it are void.
func (tx *Tx) EndPart(p *Part, keep bool) {
	at := slices.Index(tx.parts, p)
	if at < 0 { // the part around it has ended before it, in another goroutine
		tx.Fail(ErrInUse)
		return
	}
	tx.parts = slices.Delete(tx.parts, at, len(tx.parts))
	if !keep {
		if err := tx.RollbackTo(p.start); err != nil {
			tx.Fail(err)
			return
		}
	}
	oldest := p.start.number
	if p.borrowed {
		oldest++
	}
	if oldest < len(tx.savepoints) {
		tx.writes.Release(oldest)
		tx.savepoints = tx.savepoints[:oldest]
	}
}
