package validate

import (
	"context"
	"errors"

	"lightningdb"
)

// mode is a way to add to a counter that the API offers.
type mode struct {
	name, what string
	increment  func(s *step, ctx context.Context) error
}

// modes are all of them. One that keeps its promise is one more line.
var modes = []mode{
	{"optimistic", "Update", func(s *step, ctx context.Context) error {
		return s.update(ctx, lightningdb.Serializable, (*lightningdb.Tx).Get)
	}},
	{"snapshot", "UpdateWith snapshot isolation", func(s *step, ctx context.Context) error {
		return s.update(ctx, lightningdb.SnapshotIsolation, (*lightningdb.Tx).Get)
	}},
	{"locking", "Update with GetForUpdate", func(s *step, ctx context.Context) error {
		return s.update(ctx, lightningdb.Serializable, (*lightningdb.Tx).GetForUpdate)
	}},
	{"snapshot-locking", "snapshot isolation with GetForUpdate", func(s *step, ctx context.Context) error {
		return s.update(ctx, lightningdb.SnapshotIsolation, (*lightningdb.Tx).GetForUpdate)
	}},
	{"begin", "Begin and Commit, begun again by the application", (*step).begin},
	{"add", "Update with Add, which reads nothing", (*step).add},
	{"batch-add", "a batch with Add, without a transaction", (*step).addInBatch},
}

var counterKey = []byte("counter")

// step is one increment of the counter by a worker. The same commit sets the worker's receipt to how many it has
// made, so that what was lost, done twice or half done shows, also after a kill.
type step struct {
	db         *lightningdb.DB
	durability lightningdb.Durability
	receiptKey []byte
	receipt    int64
	tries      int64 // times that the transaction ran
}

func (s *step) options(isolation lightningdb.Isolation) lightningdb.TxOptions {
	return lightningdb.TxOptions{Isolation: isolation, Durability: s.durability}
}

func (s *step) update(ctx context.Context, isolation lightningdb.Isolation,
	get func(tx *lightningdb.Tx, key []byte) ([]byte, error)) error {
	return s.db.UpdateWith(ctx, s.options(isolation), func(tx *lightningdb.Tx) error { return s.change(tx, get) })
}

// change reads the counter with get and writes one more.
func (s *step) change(tx *lightningdb.Tx, get func(tx *lightningdb.Tx, key []byte) ([]byte, error)) error {
	s.tries++
	value, err := get(tx, counterKey)
	n, err := number(value, err)
	if err != nil {
		return err
	}
	return errors.Join(tx.Put(counterKey, lightningdb.AppendInt64(nil, n+1)), tx.Put(s.receiptKey, s.receiptValue()))
}

// begin is the loop of applications that do not use Update. It ends, because one of those that conflict commits.
func (s *step) begin(ctx context.Context) error {
	for {
		err := s.beginOnce(ctx)
		if !errors.Is(err, lightningdb.ErrConflict) && !errors.Is(err, lightningdb.ErrDeadlock) {
			return err
		}
	}
}

func (s *step) beginOnce(ctx context.Context) error {
	tx, err := s.db.Begin(ctx, s.options(lightningdb.Serializable))
	if err != nil {
		return err
	}
	if err := s.change(tx, (*lightningdb.Tx).Get); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *step) add(ctx context.Context) error {
	return s.db.UpdateWith(ctx, s.options(lightningdb.Serializable), func(tx *lightningdb.Tx) error {
		s.tries++
		return errors.Join(tx.Add(counterKey, 1), tx.Put(s.receiptKey, s.receiptValue()))
	})
}

func (s *step) addInBatch(context.Context) error {
	s.tries++
	var b lightningdb.Batch
	b.Add(counterKey, 1)
	b.Put(s.receiptKey, s.receiptValue())
	b.SetDurability(s.durability)
	return s.db.Write(&b)
}

func (s *step) receiptValue() []byte { return lightningdb.AppendInt64(nil, s.receipt) }

// number is what a read returned, or 0 if there was nothing.
func number(value []byte, err error) (int64, error) {
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}
