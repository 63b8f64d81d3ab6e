package lightningdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"lightningdb/event"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/transaction"
)

// View calls fn with a read-only transaction on everything committed so far, and returns fn's error, or else the
// first error that a range or cursor of the transaction met, even if fn ignored it (an ErrMerge only if fn ignored
// it). It does not begin if ctx is done, and once it is, cursors and loops end with its error before they read
// another page. A panic in fn ends the transaction and goes on.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	if db.engine.Traces() {
		return db.engine.Traced(ctx, event.View, func(ctx context.Context) error { return db.views.view(ctx, fn) })
	}
	return db.views.view(ctx, fn)
}

func (vs *views) view(ctx context.Context, fn func(tx *Tx) error) (err error) {
	ctx = calls.OrBackground(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if vs.Closed() {
		return ErrClosed
	}
	tx := vs.begin(ctx)
	tx.use.Manage()
	defer func() { err = cmp.Or(err, tx.end()) }()
	return fn(tx)
}

// Update calls fn with a transaction that may read and write, and commits it when fn returns nil. If another commit has
// meanwhile changed something that fn read, fn is called again, on a new state: so it should do nothing but use its
// transaction, or set what OnCommit does. That goes on until ctx ends; a transaction that has lost several times gets
// precedence over all others, so that every Update succeeds before long, whatever the contention.
//
// If fn returns an error or panics, nothing is written. An error of the commit is returned: with ErrCommitUnknown it
// is not known whether the transaction will be there after reopening, with any other error it will not be. Besides
// fn's own errors there are ErrNested: fn called Update of the same database, where Tx.Update serves for a part of a
// transaction; and ErrLockTimeout: others have kept a lock for longer than Options.LockTimeout.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.UpdateWith(ctx, TxOptions{}, fn)
}

// UpdateWith is Update with options. With ReadOnly it is View.
func (db *DB) UpdateWith(ctx context.Context, o TxOptions, fn func(tx *Tx) error) error {
	if o.ReadOnly {
		return db.View(ctx, fn)
	}
	return db.engine.Traced(calls.OrBackground(ctx), event.Update, func(ctx context.Context) error {
		tx, err := db.update(ctx, o, fn)
		if err == nil {
			tx.body.Writer.Announce()
		}
		return err
	})
}

// update runs fn in transactions until one is committed, and returns that one.
func (db *DB) update(ctx context.Context, o TxOptions, fn func(tx *Tx) error) (tx *Tx, err error) {
	self := goroutine.Current()
	if !db.updates.Add(self) {
		return nil, fmt.Errorf("%w: Update inside Update; use Tx.Update for a part of a transaction", ErrNested)
	}
	defer db.updates.Remove(self)
	err = transaction.Repeat(ctx, func(attempt int) (err error) {
		tx, err = db.updateOnce(ctx, o, self, attempt, fn)
		return err
	})
	return tx, err
}

// priorityAfter is how many attempts a transaction makes before it gets precedence over all others.
const priorityAfter = 4

// updateOnce runs fn in a transaction of its own and commits it.
func (db *DB) updateOnce(ctx context.Context, o TxOptions, self goroutine.ID, attempt int,
	fn func(tx *Tx) error) (*Tx, error) {
	tx, err := db.begin(ctx, o, self)
	if err != nil {
		return nil, err
	}
	tx.use.Manage()
	defer tx.body.Writer.Abandon() // whatever fn does: after a commit it does nothing
	if attempt > priorityAfter {
		if err := tx.body.Writer.Prioritize(); err != nil {
			return nil, err
		}
	}
	if err := fn(tx); err != nil {
		return nil, err
	}
	return tx, tx.commit()
}

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
