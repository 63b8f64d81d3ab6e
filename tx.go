package lightningdb

import (
	"cmp"
	"context"
	"errors"

	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/transaction"
)

// Isolation says what a read-write transaction is protected from.
type Isolation uint8

const (
	// Serializable, the default: the commits are as if each transaction had run alone, in the order of the commits,
	// which is also the order in which they returned. Everything that was read, looked for in vain or scanned must be
	// unchanged at the commit.
	//
	// A transaction that reads more than some hundred keys may also conflict over keys between those that it read, if
	// all open transactions together have read more than fits into a sixteenth of Options.MemoryLimit, at some 80 bytes
	// and its own length for each key. That costs Update a repetition, and never more than a few.
	Serializable Isolation = iota

	// SnapshotIsolation: only keys that both wrote conflict. Cheaper for transactions that scan much, but two of them may
	// each read what the other writes, and together break a rule that each keeps (write skew). A put or delete conflicts
	// with any write of its key by another commit since the snapshot, be it a merge; what the transaction has only merged
	// into conflicts with nothing. One larger than memory may also conflict over keys between those that it wrote.
	SnapshotIsolation
)

// TxOptions configures Begin and UpdateWith. The zero value is a good transaction.
type TxOptions struct {
	ReadOnly   bool       // for Begin: refuse writes
	Isolation  Isolation  // of a read-write transaction
	Durability Durability // of its commit; DefaultDurability means what Options says
}

// Tx is a transaction: what View and Update give to their functions, and Begin returns. It sees one state of the
// database, and over it what it wrote itself.
//
// A read-only transaction may be used by any number of goroutines, one that writes only by one at a time: a call that
// meets another in progress returns ErrTxInUse, and so will the commit. After its end every method returns ErrTxDone,
// and cursors and loops that are still open end: what they hold is given back. Commit and Rollback are not for the
// function of View or Update, and give ErrManagedTx there, and after it.
type Tx struct {
	body *body           // of one that only reads: another's, once use has ended
	use  transaction.Use // of body.Reader; also says whether View or Update ends the transaction
}

// body is what a transaction is made of. Tx is apart from it, and small: each View has its own, because a program may
// keep it, but the bodies of those that only read are used again, and have memory for the next ones.
type body struct {
	transaction.Body
	db         *DB        // of one that may write
	durability Durability // of its commit
	views      *views     // of one that only reads
	next       transaction.Slab[Tx]
}

// views are the read-only transactions of a database or a follower.
type views struct{ transaction.Spare[body] }

func newViews(h transaction.Holder) views { return views{transaction.NewSpare[body](h)} }

// Begin starts a transaction that its caller ends with Commit or Rollback; until then what it sees stays on disk.
// Update and View are safer, and Update runs again by itself what lost against another commit. Once ctx is done, the
// transaction's waits for locks end, and its cursors and loops before the next page; the locks that it holds go at
// once, and it cannot commit any more.
func (db *DB) Begin(ctx context.Context, o TxOptions) (*Tx, error) {
	return db.begin(calls.OrBackground(ctx), o, 0)
}

func (db *DB) begin(ctx context.Context, o TxOptions, self goroutine.ID) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Isolation > SnapshotIsolation || o.Durability > Process {
		return nil, errors.New("TxOptions name an isolation or durability that does not exist")
	}
	if db.engine.Closed() {
		return nil, ErrClosed
	}
	if o.ReadOnly {
		return db.views.begin(ctx), nil
	}
	return db.beginWrite(ctx, o, self), nil
}

// beginWrite returns a transaction that may write, in one piece of memory.
func (db *DB) beginWrite(ctx context.Context, o TxOptions, self goroutine.ID) *Tx {
	t := new(struct {
		public Tx
		body   body
		inner  transaction.Tx
	})
	t.inner.Begin(ctx, transaction.Options{
		Engine: db.engine, Rules: db.rules, Goroutine: self, Snapshot: o.Isolation == SnapshotIsolation,
	})
	t.body.Writer, t.body.db, t.body.durability = &t.inner, db, o.Durability
	t.public.body = &t.body
	return &t.public
}

// begin returns a read-only transaction.
func (vs *views) begin(ctx context.Context) *Tx {
	b := vs.Get()
	if b == nil {
		b = &body{Body: transaction.Body{Reader: new(transaction.Reading)}, views: vs}
	}
	tx := b.next.New()
	tx.body = b
	b.Reader.Begin(ctx, vs.Holder, &tx.use)
	return tx
}

// end ends a read-only transaction. It returns ErrTxDone if that was done before, or the first error that its loops
// and cursors met.
func (tx *Tx) end() error {
	if !tx.use.End() {
		return ErrTxDone
	}
	b := tx.body
	met, again := b.Reader.End()
	if again {
		b.views.Put(b)
	}
	return met
}

// Sequence is the number of the newest commit that the transaction sees. GetForUpdate may raise it.
func (tx *Tx) Sequence() uint64 {
	if tx.body.Writer != nil {
		return uint64(tx.body.Writer.Seq())
	}
	return uint64(tx.use.Seq())
}

// Get returns a copy of the value of key, or ErrNotFound.
func (tx *Tx) Get(key []byte) ([]byte, error) { return transaction.NotNil(tx.GetAppend(nil, key)) }

// GetAppend appends the value of key to dst and returns the result; see DB.GetAppend.
func (tx *Tx) GetAppend(dst, key []byte) ([]byte, error) { return tx.in(space.Space{}).Get(dst, key) }

// in is the keys of s as the transaction has them.
func (tx *Tx) in(s space.Space) transaction.In {
	return transaction.In{Body: &tx.body.Body, Use: &tx.use, Space: s}
}

// GetForUpdate is Get of a key that the transaction is going to write: it locks key until the transaction ends, so that
// commits of others that write it wait, and it reads the newest value, for which the transaction's snapshot may move
// forward. A transaction that reads with it what it writes does not lose against others that write the same.
//
// It waits for others that hold the lock, in the order of arrival. ErrDeadlock: waiting would never end, because the
// other waits for this transaction in turn. ErrConflict: something read before has changed, and the snapshot cannot
// move. After either the transaction cannot commit; Update runs it again. A lock that another transaction of the same
// goroutine holds, which Begin has started, is waited for like any other. ErrLockTimeout: it has waited for
// Options.LockTimeout; then the transaction cannot commit either, and Update returns the error. When the context of
// the transaction ends, its locks go at once.
//
// A lock that was granted stays until the transaction ends, after ErrConflict and RollbackTo as well, and when the
// part of the transaction that took it has failed.
func (tx *Tx) GetForUpdate(key []byte) ([]byte, error) {
	return transaction.NotNil(tx.in(space.Space{}).GetForUpdate(key))
}

// Has reports whether key has a value; see DB.Has.
func (tx *Tx) Has(key []byte) (bool, error) { return tx.in(space.Space{}).Has(key) }

// Range returns the entries with lo <= key < hi. A nil bound is open. Own writes are among them, also those made while
// the range is walked.
func (tx *Tx) Range(lo, hi []byte) *Range {
	return newRange(tx, space.Space{}, span.Span{Lo: lo, Hi: hi})
}

// Prefix returns the entries whose keys begin with p.
func (tx *Tx) Prefix(p []byte) *Range { return newRange(tx, space.Space{}, span.Prefix(p)) }

// Put sets key to value. Nobody else sees it before the commit.
func (tx *Tx) Put(key, value []byte) error { return tx.in(space.Space{}).Put(key, value) }

// Delete removes key. Removing a key that is not there is no error.
func (tx *Tx) Delete(key []byte) error { return tx.in(space.Space{}).Delete(key) }

// DeleteRange removes all keys with lo <= key < hi, as DB.DeleteRange does: also what the transaction has written
// there, but not what it will write. It reads nothing, and so never conflicts, but under SnapshotIsolation with any
// write in the range. ErrTooManyRanges refuses more than 4,096 ranges that do not overlap, and ends of over 16 MiB.
func (tx *Tx) DeleteRange(lo, hi []byte) error {
	return tx.in(space.Space{}).DeleteRange(span.Span{Lo: lo, Hi: hi})
}

// DeletePrefix removes all keys that begin with p, as DeleteRange does.
func (tx *Tx) DeletePrefix(p []byte) error { return tx.in(space.Space{}).DeleteRange(span.Prefix(p)) }

// Add adds n to the integer at key, which counts as 0 if the key is absent. Like Max, Min, Append and Merge it reads
// nothing, and so never conflicts. Only these read the key, and apply the merge at once:
//
//   - a merge of a key that the transaction has put, deleted, or changed by another kind of merge, or by Merge;
//   - in a transaction larger than memory, a merge of any key that it wrote before.
//
// If such a merge does not go with the value, it returns ErrMerge and is not part of the transaction, which can go
// on. A merge that reads nothing is not checked: reading the key gives ErrMerge then, and so it does after the
// commit.
func (tx *Tx) Add(key []byte, n int64) error { return tx.merge(operand.Add, key, AppendInt64(nil, n)) }

// Max sets key to n unless it has a greater integer.
func (tx *Tx) Max(key []byte, n int64) error { return tx.merge(operand.Max, key, AppendInt64(nil, n)) }

// Min sets key to n unless it has a lesser integer.
func (tx *Tx) Min(key []byte, n int64) error { return tx.merge(operand.Min, key, AppendInt64(nil, n)) }

// Append appends tail to the value of key, which counts as empty if the key is absent.
func (tx *Tx) Append(key, tail []byte) error { return tx.merge(operand.Append, key, tail) }

// Merge sets key to what Options.Merge makes of its value and argument.
func (tx *Tx) Merge(key, argument []byte) error { return tx.merge(operand.User, key, argument) }

// SetDurability chooses the durability of the commit. DefaultDurability means what Options says.
func (tx *Tx) SetDurability(d Durability) error {
	return tx.set(func(*transaction.Tx) { tx.body.durability = d })
}

// OnCommit calls fn after the commit, with the commit's sequence number: a receipt for WaitDurable, and for At.
// A transaction that wrote nothing calls it with the sequence number that it read at. After a rollback, and for an
// attempt that lost against another commit, fn is not called. fn may use the database.
func (tx *Tx) OnCommit(fn func(seq uint64)) error {
	return tx.set(func(rw *transaction.Tx) { rw.OnCommit(fn) })
}

// Commit ends the transaction and makes what it wrote visible, all at once. ErrConflict: another commit changed what
// the transaction read, and nothing was written. After any error but ErrCommitUnknown nothing was written, and nothing
// will be.
func (tx *Tx) Commit() error {
	switch {
	case tx.use.Managed():
		return ErrManagedTx
	case tx.body.Writer == nil:
		return tx.commitView()
	}
	if err := tx.commit(); err != nil {
		return err
	}
	tx.body.Writer.Announce()
	return nil
}

// Rollback ends the transaction without writing anything. After Commit or Rollback it does nothing.
func (tx *Tx) Rollback() error {
	switch {
	case tx.use.Managed():
		return ErrManagedTx
	case tx.body.Writer == nil:
		tx.end() // what its loops met, their callers were told
		return nil
	}
	return tx.body.Writer.Rollback()
}

// commit ends a transaction that may write with its commit.
func (tx *Tx) commit() error {
	b := tx.body
	return b.Writer.Commit(func(size int) (sync bool, err error) { return b.db.admit(size, b.durability) })
}

func (tx *Tx) merge(o operand.Operator, key, argument []byte) error {
	return tx.in(space.Space{}).Merge(o, key, argument)
}

func (tx *Tx) set(change func(*transaction.Tx)) error {
	return tx.in(space.Space{}).Do(nil, nil, func(rw *transaction.Tx, _ []byte) error { change(rw); return nil })
}

// commitView is Commit of a read-only transaction.
func (tx *Tx) commitView() error {
	over := tx.body.Reader.Over(&tx.use)
	return cmp.Or(tx.end(), over)
}

// openIterator implements source.
func (tx *Tx) openIterator(bounds span.Span) (iterator, error) {
	return tx.in(space.Space{}).Open(bounds)
}

// note implements source, like told and closed: an error of a loop or cursor counts at the commit, or in View.
func (tx *Tx) note(err error) { tx.body.Note(&tx.use, err) }
func (tx *Tx) told(err error) { tx.body.Told(&tx.use, err) }
func (tx *Tx) closed()        { tx.body.Leave() }

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
