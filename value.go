package lightningdb

import (
	"context"
	"io"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/transaction"
)

// Value is a value as a file that is read, which ValueReader returns: an io.ReadSeekCloser and io.ReaderAt, with Read,
// Seek, ReadAt and Close, and Size() int64, in bytes. It is that of one moment, whatever is written meanwhile.
//
// Of more than 1 MiB it has 1 MiB in memory, and keeps its version on disk until Close, as a cursor does. ReadAt may be
// called by any number of goroutines, Read and Seek, which share a place, by one at a time. After Close reads give
// fs.ErrClosed; after the end of what it was opened in ErrClosed, ErrTxDone or ErrSnapshotExpired; and the error of its
// context once that is done. After ErrCorrupt other places can be read.
type Value = transaction.Value

// PutReader sets key to what r holds, up to MaxStreamSize bytes, in constant memory. What has more than 1 MiB is
// written to disk once, as it is read, and does not go through the log; then it is committed as a very large
// transaction is: that costs a flush, and survives a power cut whatever the durability. Shorter values are put.
//
// No transaction takes a stream. Put it first, under a key that nobody knows yet, and have the transaction put a small
// value that names this key; delete the key if the transaction fails.
//
// Only io.EOF ends r. After any other error of it, io.ErrUnexpectedEOF too, which is wrapped, at the end of ctx,
// without space (ErrNoSpace) and after ErrValueTooLarge nothing has changed; what was written until then is removed.
// Nobody sees anything of the value before it is committed, and nothing of the database waits for r: its close does
// not, either, and PutReader gives ErrClosed then.
func (db *DB) PutReader(ctx context.Context, key []byte, r io.Reader) error {
	if err := transaction.CheckKey(key); err != nil {
		return err
	}
	put := func(value []byte) error { // it waits, for locks and for space, no longer than until ctx is done
		tx, err := db.Begin(ctx, TxOptions{})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err = tx.Put(key, value); err == nil {
			err = tx.Commit()
		}
		return err
	}
	return transaction.PutReader(calls.OrBackground(ctx), db.engine, space.Space{}.Key(key), r, put)
}

// Size is the length of the newest value of key in bytes, or ErrNotFound. A long value is not read for it; merges are
// applied, with the errors of Get.
func (db *DB) Size(key []byte) (int64, error) {
	return sizeOf(db.keys(space.Space{}).Measure(key))
}

// Size is the length of the value of key in bytes; see DB.Size.
func (s *Snapshot) Size(key []byte) (int64, error) {
	return sizeOf(s.keys(space.Space{}).Measure(key))
}

// Size is the length of the value of key in bytes; see DB.Size. It counts as a read of the key.
func (tx *Tx) Size(key []byte) (int64, error) { return sizeOf(tx.in(space.Space{}).Measure(key)) }

// Size is the length of the newest value of key that the follower shows; see DB.Size.
func (f *Follower) Size(key []byte) (int64, error) {
	if !transaction.Fits(key) {
		return 0, transaction.CheckKey(key)
	}
	return sizeOf(transaction.OrNotFound(f.follower.Measure(space.Space{}.Key(key))))
}

func sizeOf(m engine.Measure, err error) (int64, error) { return m.Size, err }

// ValueReader returns the newest value of key, to be read piece by piece, or ErrNotFound. Whatever is written
// meanwhile, it stays that value. Once ctx is done, reads give its error. It must be closed.
func (db *DB) ValueReader(ctx context.Context, key []byte) (*Value, error) {
	newest := transaction.Newest{Engine: db.engine}
	return openValue(ctx, newest, key, newest.Over)
}

// ValueReader returns the value of key; see DB.ValueReader.
func (s *Snapshot) ValueReader(ctx context.Context, key []byte) (*Value, error) {
	return openValue(ctx, s.held, key, func() error {
		if s.held.Closed() {
			return ErrClosed
		}
		return nil
	})
}

// ValueReader returns the value of key as the transaction sees it now; see DB.ValueReader. It counts as a read of the
// key, and ends with the transaction. Later writes of the transaction do not change it.
func (tx *Tx) ValueReader(ctx context.Context, key []byte) (v *Value, err error) {
	if tx.body.Writer == nil {
		return tx.body.Reader.OpenValue(calls.OrBackground(ctx), &tx.use, space.Space{}, key)
	}
	err = tx.in(space.Space{}).Do(key, nil, func(rw *transaction.Tx, k []byte) error {
		v, err = rw.OpenValue(calls.OrBackground(ctx), k)
		return err
	})
	return v, err
}

// ValueReader returns the newest value of key that the follower shows; see DB.ValueReader. Until its Close the writer
// keeps what it needs, as for a snapshot.
func (f *Follower) ValueReader(ctx context.Context, key []byte) (*Value, error) {
	s := f.Snapshot()
	v, err := s.ValueReader(ctx, key)
	if err != nil {
		s.Close()
		return nil, err
	}
	return transaction.CloseWith(v, s), nil
}

func openValue(ctx context.Context, from transaction.Values, key []byte, over func() error) (*Value, error) {
	if !transaction.Fits(key) {
		return nil, transaction.CheckKey(key)
	}
	return transaction.OpenValue(calls.OrBackground(ctx), from, space.Space{}.Key(key), over)
}
