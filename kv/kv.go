// Package kv is what layers over a database are written against: a function that reads takes a Reader, and works on a
// database, a snapshot and a transaction; one that writes takes a Writer, and works on a batch as well. A
// layer that does both in one transaction takes a ReadWriter, and leaves it to its caller where that begins and ends.
//
// It owns nothing. Each type is as safe for concurrent use as what is behind it. What a call costs more than one of the
// database itself is that of an interface; hot loops call the database.
//
//	func Titles(r kv.Reader, author []byte) ([]string, error)      // on a DB, a Snapshot, a Tx
//	func AddTitle(w kv.Writer, author []byte, title string) error  // on a DB, a Tx, a Batch
package kv

import (
	"context"
	"fmt"
	"time"

	"lightningdb"
)

// Reader reads one state of the database, or of a DB the newest at each call: *lightningdb.DB, Snapshot, Tx, and Bucket
// of each of them. Of a Follower it is the Snapshot. The methods are described there.
type Reader interface {
	Get(key []byte) ([]byte, error)
	GetAppend(dst, key []byte) ([]byte, error)
	Has(key []byte) (bool, error)
	Expiry(key []byte) (time.Time, error)
	Range(lo, hi []byte) *lightningdb.Range
	Prefix(p []byte) *lightningdb.Range
}

// Writer writes: *lightningdb.DB, each call by itself, Tx, Bucket, and Batch, which collects. The methods are described
// there.
// An error of a Batch or Tx is that of the one operation, which is not part of it then.
type Writer interface {
	Put(key, value []byte) error
	PutUntil(key, value []byte, t time.Time) error
	Delete(key []byte) error
	DeleteRange(lo, hi []byte) error
	DeletePrefix(p []byte) error
	Add(key []byte, n int64) error
	Max(key []byte, n int64) error
	Min(key []byte, n int64) error
	Append(key, tail []byte) error
	Merge(key, argument []byte) error
}

// ReadWriter does both: *lightningdb.DB, Tx and Bucket. Only in a Tx does what is written rest on what was read.
type ReadWriter interface {
	Reader
	Writer
}

// Transactor runs functions in transactions: *lightningdb.DB.
type Transactor interface {
	View(ctx context.Context, fn func(tx *lightningdb.Tx) error) error
	Update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error
}

// The kinds of a lightningdb.Operation.
const (
	Put    = "put"
	Delete = "delete"
	Add    = "add"
	Max    = "max"
	Min    = "min"
	Append = "append"
	Merge  = "merge"

	DeleteRange = "delete range"
	PutUntil    = "put until"
)

// Apply does op in w. It borrows the bytes of op until it returns.
func Apply(w Writer, op lightningdb.Operation) error {
	switch op.Kind {
	case Put:
		return w.Put(op.Key, op.Value)
	case PutUntil:
		return w.PutUntil(op.Key, op.Value, op.Until)
	case Delete:
		return w.Delete(op.Key)
	case DeleteRange:
		return w.DeleteRange(op.Key, op.Value)
	case Append:
		return w.Append(op.Key, op.Value)
	case Merge:
		return w.Merge(op.Key, op.Value)
	case Add, Max, Min:
		return applyInteger(w, op)
	}
	return fmt.Errorf("apply: there is no operation %q", op.Kind)
}

func applyInteger(w Writer, op lightningdb.Operation) error {
	n, err := lightningdb.Int64(op.Value)
	switch {
	case err != nil:
		return fmt.Errorf("apply %s: %w", op.Kind, err)
	case op.Kind == Add:
		return w.Add(op.Key, n)
	case op.Kind == Max:
		return w.Max(op.Key, n)
	}
	return w.Min(op.Key, n)
}

// Replay does in w what b collects, in its order, until one operation fails. If b has refused one, it returns that
// error and does nothing. In a *lightningdb.DB each operation is a commit: DB.Write commits b as a whole. w may be b
// itself.
func Replay(w Writer, b *lightningdb.Batch) error {
	if err := b.Err(); err != nil {
		return err
	}
	for op := range b.All() {
		if err := Apply(w, op); err != nil {
			return err
		}
	}
	return nil
}
