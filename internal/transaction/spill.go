package transaction

import (
	"errors"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
)

// countedStep is by how many bytes the writes of a transaction grow before that counts against the memory limit.
const countedStep = 1 << 20

// spillIfLarge moves the writes to disk when they take as much memory as one transaction may.
func (tx *Tx) spillIfLarge() error {
	size := int64(tx.writes.Size())
	if size >= tx.counted+countedStep {
		tx.engine.CountWrites(size - tx.counted)
		tx.counted = size
	}
	if size-int64(tx.writes.KeptSize()) <= tx.engine.SpillBytes() {
		return nil
	}
	err := tx.Spill()
	if err != nil {
		tx.Fail(err)
	}
	return err
}

// Spill moves the writes to disk.
func (tx *Tx) Spill() error {
	if err := tx.engine.Enter(); err != nil {
		return err
	}
	defer tx.engine.Leave()
	return tx.writes.Spill(spillStore{tx})
}

// commitSpilled commits writes that memory does not hold. The spills are merged into one, whose tables join the tree
// together with the ranges that were deleted. If these have left nothing of the spills, they are a batch like others.
func (tx *Tx) commitSpilled(admit Admit) (key.SeqNum, error) {
	if err := tx.engine.Enter(); err != nil {
		return 0, err
	}
	defer tx.engine.Leave()
	timer := tx.txn.BeginSpilled()
	w := tx.engine.NewIngest().Until(tx.ctx)
	if err := tx.writes.All(spillStore{tx}, w.Add); err != nil {
		w.Abort()
		return 0, err
	}
	spill, err := w.Finish()
	if err != nil {
		return 0, err
	}
	defer spill.Remove() // unless it was committed
	if spill.Entries() == 0 {
		return tx.commitBatch(admit)
	}
	spill.Delete(tx.writes.Deleted())
	if tx.snapshot {
		if err := tx.claimSpill(spill); err != nil {
			return 0, err
		}
	}
	return tx.txn.CommitSpill(tx.ctx, spill, timer)
}

// claimSpill is claimWrites for a spill. Many keys become spans, so that there may be conflicts where there is none.
func (tx *Tx) claimSpill(spill *engine.Spill) (err error) {
	tx.reads.Reset()
	tx.addClaims()
	it := spill.NewSequentialIterator()
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		k := it.Key()
		tx.reads.AddWrite(k.User, k.Trailer.Kind())
	}
	for _, s := range spill.Deleted() {
		tx.reads.AddWrittenSpan(s)
	}
	return it.Err()
}

// spillStore keeps the writes of a transaction in files of the database that nothing names: a crash leaves nothing of
// them.
type spillStore struct{ tx *Tx }

func (s spillStore) NewSpill(seq key.SeqNum) txn.SpillWriter {
	return spillWriter{s.tx.engine.NewSpill(seq).Until(s.tx.ctx)}
}

type spillWriter struct{ *engine.SpillWriter }

func (w spillWriter) Finish() (txn.Spill, error) {
	spill, err := w.SpillWriter.Finish()
	if err != nil {
		return nil, err
	}
	return spill, nil
}
