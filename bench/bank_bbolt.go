package main

import (
	"go.etcd.io/bbolt"
)

// bboltBatchKind is bbolt where concurrent transactions share one of the file's: the better choice for many writers.
func bboltBatchKind() kind {
	return kind{
		name:   "bbolt-batch",
		peer:   true,
		config: "as bbolt, but bank transfers by DB.Batch with MaxBatchSize = goroutines, so that they share commits",
		bank:   openBboltBatchBank,
	}
}

// boltBank runs transactions by update: DB.Update or DB.Batch.
type boltBank struct {
	db     *bbolt.DB
	update func(fn func(*bbolt.Tx) error) error
}

func openBboltBank(dir string, o options) (Bank, error) {
	db, err := openBboltFile(dir, o)
	if err != nil {
		return nil, err
	}
	return &boltBank{db, db.Update}, nil
}

func openBboltBatchBank(dir string, o options) (Bank, error) {
	db, err := openBboltFile(dir, o)
	if err != nil {
		return nil, err
	}
	return &boltBank{db, db.Batch}, nil
}

func (b *boltBank) Update(fn func(BankTx) error) error {
	return b.update(func(tx *bbolt.Tx) error { return fn(boltTx{tx.Bucket(bucketName)}) })
}

func (b *boltBank) View(fn func(BankTx) error) error {
	return b.db.View(func(tx *bbolt.Tx) error { return fn(boltTx{tx.Bucket(bucketName)}) })
}

func (b *boltBank) Close() error { return b.db.Close() }

type boltTx struct{ bucket *bbolt.Bucket }

func (t boltTx) Get(key []byte) ([]byte, error) { return t.bucket.Get(key), nil }

func (t boltTx) Put(key, value []byte) error { return t.bucket.Put(key, value) }
