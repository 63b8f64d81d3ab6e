package lightningdb

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/index"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/transaction"
)

// Bucket is a named part of the database with keys of its own: a scope over the same calls as there. It is that of a
// DB, a Snapshot or a Tx, whichever it came from, ends with it, and is as safe for concurrent use. It has any keys, up
// to MaxKeySize bytes, that no call outside of it shows or changes; buckets are nested, and each is apart from those in
// it.
//
// Of a DB each write is a commit, which is made only if the bucket is there at that moment; if it has indexes, it is an
// Update, with the errors of that. Of a Tx it is part of the transaction, which conflicts with whoever drops or moves
// the bucket. Of a Snapshot writes give ErrReadOnlyTx. A bucket that has been dropped gives ErrNoBucket; one that was
// moved goes on. Merge calls Options.Merge, with the key in the bucket; in one with indexes it, Add and the like read
// the key and put the result, which does not expire, and a delete of a range reads the rows unless it is all of them.
type Bucket struct {
	from    scoped
	db      *DB              // which from is; nil if it is none
	tx      *Tx              // which from is; nil if it is none
	keys    transaction.Keys // of the bucket
	space   space.Space      // of these
	id      uint64
	depth   int
	checked atomic.Uint64 // the revision of a transaction that may write in which it was there
	handle  index.Handle  // of one of a DB
	writes  index.Cached  // of one of a transaction that may write
}

// scoped is what a bucket is of: a database, snapshot or transaction.
type scoped interface {
	source
	keys(s space.Space) transaction.Keys
}

func (db *DB) keys(s space.Space) transaction.Keys {
	return transaction.Newest{Engine: db.engine, Space: s}
}

func (s *Snapshot) keys(in space.Space) transaction.Keys {
	return transaction.Held{Snapshot: s.held, Space: in}
}

func (tx *Tx) keys(s space.Space) transaction.Keys { return tx.in(s) }

// rowsOf is the catalogue in from.
func rowsOf(from scoped) rows.Rows { return rows.Rows{Keys: from.keys(space.Catalogue)} }

// bucketOf is the bucket with that id in from, at depth.
func bucketOf(from scoped, id uint64, depth int) *Bucket {
	b := &Bucket{from: from, space: space.Of(id), id: id, depth: depth}
	b.db, _ = from.(*DB)
	b.tx, _ = from.(*Tx)
	b.keys = from.keys(b.space)
	if b.tx != nil && b.tx.body.Writer != nil {
		b.checked.Store(b.tx.body.Writer.Revision())
	}
	return b
}

// Bucket returns the bucket to which path leads, or ErrNoBucket.
func (db *DB) Bucket(path ...string) (*Bucket, error) {
	return bucketOf(db, catalog.Root, 0).Bucket(path...)
}

// Bucket returns the bucket to which path leads, or ErrNoBucket.
func (s *Snapshot) Bucket(path ...string) (*Bucket, error) {
	return bucketOf(s, catalog.Root, 0).Bucket(path...)
}

// Bucket returns the bucket to which path leads, or ErrNoBucket. That counts as a read of each name of the path, at any
// isolation.
func (tx *Tx) Bucket(path ...string) (*Bucket, error) {
	return bucketOf(tx, catalog.Root, 0).Bucket(path...)
}

// Bucket returns the bucket to which path leads from b, or ErrNoBucket.
func (b *Bucket) Bucket(path ...string) (*Bucket, error) {
	state := b.from
	if b.db != nil && len(path) > 1 {
		s := b.db.Snapshot() // names that never were at one time lead nowhere
		defer s.Close()
		state = s
	}
	id, err := catalog.Find(rowsOf(state), b.id, b.depth, path)
	if err != nil {
		return nil, err
	}
	return bucketOf(b.from, id, b.depth+len(path)), nil
}

// CreateBucket makes the bucket to which path leads, in a commit of its own; see Tx.CreateBucket.
func (db *DB) CreateBucket(path ...string) (b *Bucket, err error) {
	err = db.Update(context.Background(), func(tx *Tx) error { b, err = tx.CreateBucket(path...); return err })
	if err != nil {
		return nil, err
	}
	return bucketOf(db, b.id, b.depth), nil
}

// CreateBucket makes the bucket to which path leads. All names of path but the last one must be those of buckets that
// are there: else it gives ErrNoBucket, and ErrBucketExists if the last one is, too. A name has 1 to 255 bytes of
// UTF-8, or is ErrBucketName, and a path up to 32 names, or is ErrTooDeep.
func (tx *Tx) CreateBucket(path ...string) (*Bucket, error) {
	var id uint64
	err := tx.changeBuckets(func(w rows.Rows) (err error) {
		id, err = catalog.Create(w, path, tx.body.db.indexes.Of(path))
		return err
	})
	if err != nil {
		return nil, err
	}
	return bucketOf(tx, id, len(path)), nil
}

// DropBucket removes the bucket to which path leads, with all that is in it, in a commit of its own; see Tx.DropBucket.
func (db *DB) DropBucket(path ...string) error {
	return db.Update(context.Background(), func(tx *Tx) error { return tx.DropBucket(path...) })
}

// DropBucket removes the bucket to which path leads, its keys and the buckets in it. However much they hold, it takes
// a delete of a range for each of them, or for all together if they were created one after the other: the space returns
// later, by itself. Of more than 1,000 such ranges the keys of the last buckets are deleted one by one. Snapshots that
// are older still have all of it.
func (tx *Tx) DropBucket(path ...string) error {
	return tx.changeBuckets(func(w rows.Rows) error { return catalog.Drop(w, path) })
}

// MoveBucket moves a bucket in a commit of its own; see Tx.MoveBucket.
func (db *DB) MoveBucket(from, to []string) error {
	return db.Update(context.Background(), func(tx *Tx) error { return tx.MoveBucket(from, to) })
}

// MoveBucket gives the bucket at the path from the path to, where none may be. What is in it goes with it: nothing of
// that is read or written. It cannot move into itself.
func (tx *Tx) MoveBucket(from, to []string) error {
	return tx.changeBuckets(func(w rows.Rows) error { return catalog.Move(w, from, to) })
}

// Buckets yields the names of the buckets in the one to which path leads, of the root without a path, in order. An
// error ends it, and comes with no name.
func (db *DB) Buckets(path ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s := db.Snapshot()
		defer s.Close()
		s.Buckets(path...)(yield)
	}
}

// Buckets yields the names of buckets; see DB.Buckets.
func (s *Snapshot) Buckets(path ...string) iter.Seq2[string, error] {
	return catalog.Names(rowsOf(s), path)
}

// Buckets yields the names of buckets; see DB.Buckets. They count as read, at any isolation.
func (tx *Tx) Buckets(path ...string) iter.Seq2[string, error] {
	return catalog.Names(rowsOf(tx), path)
}

// changeBuckets has fn change the catalogue, or leave it as it is.
func (tx *Tx) changeBuckets(fn func(w rows.Rows) error) error {
	return tx.Update(func(tx *Tx) error {
		if err := fn(rowsOf(tx)); err != nil {
			return err
		}
		return tx.set((*transaction.Tx).Revise)
	})
}

// check gives ErrNoBucket if the transaction itself has dropped the bucket, or taken back that it was created.
func (b *Bucket) check() error {
	if b.tx == nil || b.tx.body.Writer == nil {
		return nil
	}
	now := b.tx.body.Writer.Revision()
	if b.checked.Load() == now {
		return nil
	}
	if err := catalog.IsThere(rowsOf(b.tx), b.id); err != nil {
		return err
	}
	b.checked.Store(now)
	return nil
}

// isThere gives ErrNoBucket if the bucket of a DB has been dropped.
func (b *Bucket) isThere() error {
	if b.db == nil {
		return nil
	}
	return catalog.IsThere(rowsOf(b.db), b.id)
}

// Get returns a copy of the value of key, or ErrNotFound; see DB.Get.
func (b *Bucket) Get(key []byte) ([]byte, error) { return transaction.NotNil(b.GetAppend(nil, key)) }

// GetAppend appends the value of key to dst and returns the result; see DB.GetAppend.
func (b *Bucket) GetAppend(dst, key []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return dst, err
	}
	out, err := b.keys.Get(dst, key)
	return out, b.goneOr(err)
}

// goneOr is the error of a read, or why it has found nothing: the bucket is gone.
func (b *Bucket) goneOr(err error) error {
	if errors.Is(err, ErrNotFound) {
		if gone := b.isThere(); gone != nil {
			return gone
		}
	}
	return err
}

// Has reports whether key has a value; see DB.Has.
func (b *Bucket) Has(key []byte) (bool, error) {
	if err := b.check(); err != nil {
		return false, err
	}
	has, err := b.keys.Has(key)
	if err == nil && !has {
		err = b.isThere()
	}
	return has, err
}

// GetForUpdate is Get of a key that the bucket's transaction is going to write; see Tx.GetForUpdate. Of a DB or
// Snapshot it gives ErrReadOnlyTx.
func (b *Bucket) GetForUpdate(key []byte) ([]byte, error) {
	if b.tx == nil {
		return nil, ErrReadOnlyTx
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return transaction.NotNil(b.tx.in(b.space).GetForUpdate(key))
}

// Range returns the entries with lo <= key < hi. A nil bound is open.
func (b *Bucket) Range(lo, hi []byte) *Range { return newRange(b, b.space, span.Span{Lo: lo, Hi: hi}) }

// Prefix returns the entries whose keys begin with p.
func (b *Bucket) Prefix(p []byte) *Range { return newRange(b, b.space, span.Prefix(p)) }

// Put sets key to value.
func (b *Bucket) Put(key, value []byte) error {
	return b.write(func(w transaction.Writes) error { return w.Put(key, value) })
}

// Delete removes key. Removing a key that is not there is no error.
func (b *Bucket) Delete(key []byte) error {
	return b.write(func(w transaction.Writes) error { return w.Delete(key) })
}

// DeleteRange removes all keys with lo <= key < hi; see DB.DeleteRange and Tx.DeleteRange.
func (b *Bucket) DeleteRange(lo, hi []byte) error {
	return b.write(func(w transaction.Writes) error { return w.DeleteRange(span.Span{Lo: lo, Hi: hi}) })
}

// DeletePrefix removes all keys that begin with p, as DeleteRange does.
func (b *Bucket) DeletePrefix(p []byte) error {
	return b.write(func(w transaction.Writes) error { return w.DeleteRange(span.Prefix(p)) })
}

// Add adds n to the integer at key, which counts as 0 if the key is absent; see DB.Add and Tx.Add.
func (b *Bucket) Add(key []byte, n int64) error {
	return b.merge(operand.Add, key, AppendInt64(nil, n))
}

// Max sets key to n unless it has a greater integer.
func (b *Bucket) Max(key []byte, n int64) error {
	return b.merge(operand.Max, key, AppendInt64(nil, n))
}

// Min sets key to n unless it has a lesser integer.
func (b *Bucket) Min(key []byte, n int64) error {
	return b.merge(operand.Min, key, AppendInt64(nil, n))
}

// Append appends tail to the value of key, which counts as empty if the key is absent.
func (b *Bucket) Append(key, tail []byte) error { return b.merge(operand.Append, key, tail) }

// Merge sets key to what Options.Merge makes of its value and argument.
func (b *Bucket) Merge(key, argument []byte) error { return b.merge(operand.User, key, argument) }

func (b *Bucket) merge(o operand.Operator, key, argument []byte) error {
	return b.write(func(w transaction.Writes) error { return w.Merge(o, key, argument) })
}

// NextSequence returns the next number of the bucket: 1, 2 and so on, of which none is given twice. What a transaction
// was given that is not committed is given again. Of a DB it is a transaction by itself, with the errors of Update.
func (b *Bucket) NextSequence() (n uint64, err error) {
	err = b.changeRows(func(w rows.Rows) (err error) {
		n, err = catalog.NextSequence(w, b.id)
		return err
	})
	return n, err
}

// Sequence returns the number that NextSequence gave last, or 0 if it never did.
func (b *Bucket) Sequence() (uint64, error) { return catalog.Sequence(rowsOf(b.from), b.id) }

// SetSequence has NextSequence go on after n, for a bucket that is made anew from a copy. Of a DB it is a transaction
// by itself, with the errors of Update.
func (b *Bucket) SetSequence(n uint64) error {
	return b.changeRows(func(w rows.Rows) error { return catalog.SetSequence(w, b.id, n) })
}

// changeRows has fn change rows of the catalogue, as part of the transaction or in one of its own.
func (b *Bucket) changeRows(fn func(w rows.Rows) error) error {
	switch {
	case b.tx != nil:
		return fn(rowsOf(b.tx))
	case b.db == nil:
		return ErrReadOnlyTx
	}
	return b.db.Update(context.Background(), func(tx *Tx) error { return fn(rowsOf(tx)) })
}

// write does op, by a commit of its own or as part of the transaction. With indexes it may do op twice.
func (b *Bucket) write(op func(w transaction.Writes) error) error {
	switch {
	case b.tx != nil:
		if err := b.check(); err != nil {
			return err
		}
		w, err := b.writer()
		if err != nil {
			return err
		}
		return op(w)
	case b.db == nil:
		return ErrReadOnlyTx
	case b.handle.Indexed():
		return b.update(op)
	}
	one := batches.Get().(*Batch)
	defer one.recycle()
	one.ops.Space = b.space
	if err := op(&one.ops); err != nil {
		return err
	}
	if one.Len() == 0 {
		return b.isThere()
	}
	sync, err := b.db.admit(one.Size(), DefaultDurability)
	if err != nil {
		return err
	}
	indexed, err := b.handle.Commit(b.db.engine, b.id, &one.ops.Batch, sync)
	if indexed {
		return b.update(op)
	}
	return err
}

// update does op in a transaction of its own.
func (b *Bucket) update(op func(w transaction.Writes) error) error {
	return b.db.Update(context.Background(), func(tx *Tx) error { return bucketOf(tx, b.id, b.depth).write(op) })
}

// openIterator implements source.
func (b *Bucket) openIterator(bounds span.Span) (iterator, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	it, err := b.from.openIterator(bounds)
	if err != nil {
		return nil, err
	}
	if err := b.isThere(); err != nil {
		it.Close()
		return nil, err
	}
	return it, nil
}

// note implements source, like told and closed.
func (b *Bucket) note(err error) { b.from.note(err) }
func (b *Bucket) told(err error) { b.from.told(err) }
func (b *Bucket) closed()        { b.from.closed() }
