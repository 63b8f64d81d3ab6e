package lightningdb

import (
	"context"

	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/index"
	"lightningdb/internal/model/rows"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/transaction"
)

type (
	// Index declares an index of the bucket at the path Bucket ([]string). Name (string) is 1 to 255 bytes of UTF-8. Keys
	// (func(key, value []byte, yield func(indexKey []byte))) yields the index keys of a row: none leaves it out. With
	// Unique (bool) no two rows may have the same one. Cover (func(key, value []byte) []byte), which may be nil, returns
	// what the index keeps of a row. Version (uint32) must change when one of the two functions does; both must return the
	// same for the same, keep and change nothing of what they get, and not use the database.
	Index = index.Index

	// IndexReader reads an index of a bucket: Get(indexKey) returns key and value of the first row, or ErrNotFound;
	// Equal(indexKey), Range(lo, hi) and Prefix(p) of index keys return an *IndexRange. ErrNoIndex if there is none.
	IndexReader = index.Reader

	// IndexRange is rows in the order of index keys, then of keys, in one state: loops over All (key, value), Keys (index
	// key, key) and Covers (key, what Index.Cover returned), of which Err tells whether they reached the end, as that of a
	// Range does. Reverse and Limit(n) return it. What a loop yields is the program's to keep. In a transaction it sees
	// what is written while it runs; it reads up to 256 rows ahead, which count as read also if it ends before them, but
	// never more than Limit.
	IndexRange = index.Range

	// UniqueError says that the row Wanted did not get the IndexKey of the unique Index (string), which the row Key has:
	// all three []byte. Error does not show them. errors.Is(err, ErrUnique) holds for it: see Unwrap.
	UniqueError = index.UniqueError

	// IndexFault says where the Index (string) of Bucket ([]string) is wrong, for IndexKey and Key (of the row, []byte).
	// Kind (string) is "missing" if it does not lead to the row, "left over" if it leads to one that is not there or has
	// another index key, "cover" if it covers something else, "end" if it expires at another time than the row, "not
	// unique" if the row before has the same key of a unique index.
	IndexFault = index.Fault
)

// Index returns the index of that name; of a DB each call and loop of it reads one state, the newest.
func (b *Bucket) Index(name string) *IndexReader {
	return index.NewReader(index.Source{State: b.state, Note: b.note, Told: b.told}, b.id, name)
}

// state returns the keys of spaces in one state.
func (b *Bucket) state() (keys func(s space.Space) transaction.Keys, end func()) {
	if b.db == nil {
		return b.from.keys, func() {}
	}
	s := b.db.Snapshot()
	return s.keys, func() { s.Close() }
}

// writer is what writes the bucket in its transaction.
func (b *Bucket) writer() (transaction.Writes, error) {
	if b.tx.body.Writer == nil {
		return b.tx.in(b.space), nil // which refuses
	}
	return b.writes.Get(b.tx.body.Writer.Revision(), b.tx.body.db.indexes, b.id, b.tx.in)
}

// DropIndex removes an index of the bucket at path, in a commit of its own, or gives ErrNoBucket or ErrNoIndex. If it
// is still declared, the next Open builds it again.
func (db *DB) DropIndex(name string, path ...string) error {
	return db.Update(context.Background(), func(tx *Tx) error {
		return tx.changeBuckets(func(w rows.Rows) error { return catalog.Undefine(w, path, name) })
	})
}

// CheckIndexes compares the indexes that Options.Indexes declares with what their functions give for the rows of their
// buckets, in one state, the newest. It returns up to 1,000 faults, of which there should be none: a function that does
// not give the same for the same makes them, and Salvage where it has lost something. To mend an index, DropIndex it
// and open the database again. It reads every row of such buckets, and ends early with the error of ctx.
func (db *DB) CheckIndexes(ctx context.Context) ([]IndexFault, error) {
	if db.engine.Closed() {
		return nil, ErrClosed
	}
	s := db.Snapshot()
	defer s.Close()
	return db.indexes.Check(calls.OrBackground(ctx), s.keys)
}

// buildIndexes builds the indexes that are declared and not there, each in a commit.
func (db *DB) buildIndexes() error {
	with := func(i Isolation) index.Update {
		return func(do func(in func(space.Space) transaction.In) error) error {
			return db.UpdateWith(context.Background(), TxOptions{Isolation: i}, func(tx *Tx) error { return do(tx.in) })
		}
	}
	return db.indexes.Build(rowsOf(db), with(SnapshotIsolation), with(Serializable))
}
