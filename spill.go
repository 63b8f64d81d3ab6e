package lightningdb

import (
	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/log/txn"
)

// countedStep is by how many bytes the writes of a transaction grow before that counts against the memory limit.
const countedStep = 1 << 20

// spillIfLarge moves the writes to disk when they take as much memory as one transaction may.
func (rw *readWrite) spillIfLarge() error {
	size := int64(rw.writes.Size())
	if size >= rw.counted+countedStep {
		rw.db.engine.CountWrites(size - rw.counted)
		rw.counted = size
	}
	if size <= rw.db.engine.SpillBytes() {
		return nil
	}
	err := rw.spill()
	if err != nil {
		rw.fail(err)
	}
	return err
}

func (rw *readWrite) spill() error {
	if err := rw.db.engine.Enter(); err != nil {
		return err
	}
	defer rw.db.engine.Leave()
	return rw.writes.Spill(spillStore{rw.db.engine})
}

// commitSpilled commits writes that memory does not hold. The runs are merged into one, whose tables join the tree.
func (rw *readWrite) commitSpilled() (key.SeqNum, error) {
	if err := rw.db.engine.Enter(); err != nil {
		return 0, err
	}
	defer rw.db.engine.Leave()
	w := rw.db.engine.NewIngest()
	if err := rw.writes.All(spillStore{rw.db.engine}, w.Add); err != nil {
		w.Abort()
		return 0, err
	}
	run, err := w.Finish()
	if err != nil {
		return 0, err
	}
	defer run.Remove() // unless it was committed
	if rw.options.Isolation == SnapshotIsolation {
		if err := rw.claimRun(run); err != nil {
			return 0, err
		}
	}
	return rw.txn.CommitSpill(rw.ctx, run)
}

// claimRun is claimWrites for a run. Many keys become spans, so that there may be conflicts where there is none.
func (rw *readWrite) claimRun(run *engine.Spill) (err error) {
	rw.txn.Reads.Reset()
	it := run.NewSequentialIterator()
	defer func() { err = join.Errors(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if k := it.Key(); k.Trailer.Kind() != key.KindMerge {
			rw.txn.Reads.AddKey(k.User, key.Hash(k.User))
		}
	}
	return it.Err()
}

// spillStore keeps the writes of a transaction in files of the database that nothing names: a crash leaves nothing of
// them.
type spillStore struct{ engine *engine.Engine }

func (s spillStore) NewRun(seq key.SeqNum) txn.RunWriter { return spillWriter{s.engine.NewSpill(seq)} }

type spillWriter struct{ *engine.SpillWriter }

func (w spillWriter) Finish() (txn.Run, error) {
	run, err := w.SpillWriter.Finish()
	if err != nil {
		return nil, err
	}
	return run, nil
}
