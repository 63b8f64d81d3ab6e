package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

var bucketName = []byte("bench")

func bboltKind() kind {
	return kind{
		name:   "bbolt",
		peer:   true,
		module: "go.etcd.io/bbolt",
		config: "go.etcd.io/bbolt; FreelistType hashmap, NoFreelistSync, InitialMmapSize 16 GiB (as etcd sets them), " +
			"NoStatistics; NoSync when not durable; DB.Batch with MaxBatchSize = writers when more than 2 goroutines commit, " +
			"else DB.Update (bank transfers too); bulk load in transactions of 10,000; cache: the operating system's (mmap)",
		open: openBbolt,
		bank: openBboltBank,
	}
}

type boltEngine struct {
	db    *bbolt.DB
	path  string
	batch bool // writers share transactions
}

func openBbolt(dir string, o options) (Engine, error) {
	db, err := openBboltFile(dir, o)
	if err != nil {
		return nil, err
	}
	return &boltEngine{db, dir, o.writers > 2}, nil
}

// openBboltFile opens a database with a bucket.
func openBboltFile(dir string, o options) (*bbolt.DB, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &bbolt.Options{
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: 16 << 30,
		NoStatistics:    true,
		NoSync:          !o.sync,
	})
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize = o.writers
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
	return db, err
}

func (e *boltEngine) Write(keys, values [][]byte) error {
	change := func(tx *bbolt.Tx) error { return changeBucket(tx.Bucket(bucketName), keys, values) }
	if e.batch {
		return e.db.Batch(change)
	}
	return e.db.Update(change)
}

func changeBucket(b *bbolt.Bucket, keys, values [][]byte) error {
	for i, k := range keys {
		var err error
		if values == nil {
			err = b.Delete(k)
		} else {
			err = b.Put(k, values[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BulkLoad relies on the bucket copying keys and keeping the values, which it is given copies of, until the commit.
func (e *boltEngine) BulkLoad(next func() (keys, values [][]byte)) error {
	const batches = 10 // in a transaction
	for more := true; more; {
		err := e.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketName)
			for range batches {
				keys, values := next()
				if more = len(keys) > 0; !more {
					return nil
				}
				for i, k := range keys {
					if err := b.Put(k, bytes.Clone(values[i])); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *boltEngine) Sync() error { return e.db.Sync() }

func (e *boltEngine) Busy() (bool, error) { return false, nil }

// Compact copies the database into a new file, which takes the place of the old one.
func (e *boltEngine) Compact() error {
	path, small := e.db.Path(), filepath.Join(e.path, "compacted.db")
	to, err := bbolt.Open(small, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	const transaction = 64 << 20 // bytes
	err = bbolt.Compact(to, e.db, transaction)
	noSync, batchSize := e.db.NoSync, e.db.MaxBatchSize
	if err := errors.Join(err, to.Close(), e.db.Close()); err != nil {
		return err
	}
	if err := os.Rename(small, path); err != nil {
		return err
	}
	e.db, err = openBboltFile(e.path, options{sync: !noSync, writers: batchSize})
	return err
}

func (e *boltEngine) Close() error { return e.db.Close() }

func (e *boltEngine) Reader(shared bool) (Reader, error) {
	if !shared {
		return &boltReader{db: e.db}, nil
	}
	tx, err := e.db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &boltReader{db: e.db, tx: tx, bucket: tx.Bucket(bucketName)}, nil
}

// boltReader has a transaction and its bucket only if it is shared.
type boltReader struct {
	db     *bbolt.DB
	tx     *bbolt.Tx
	bucket *bbolt.Bucket
}

func (r *boltReader) view(fn func(*bbolt.Bucket)) error {
	if r.tx != nil {
		fn(r.bucket)
		return nil
	}
	return r.db.View(func(tx *bbolt.Tx) error {
		fn(tx.Bucket(bucketName))
		return nil
	})
}

func (r *boltReader) Get(key []byte, use func([]byte)) (found bool, err error) {
	err = r.view(func(b *bbolt.Bucket) {
		if v := b.Get(key); v != nil {
			found = true
			use(v)
		}
	})
	return found, err
}

func (r *boltReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	return r.view(func(b *bbolt.Bucket) {
		c := b.Cursor()
		step := c.Next
		k, v := c.Seek(from)
		if d == backward {
			step = c.Prev
			if from == nil || k == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		for ; k != nil && limit != 0; limit-- {
			use(k, v)
			k, v = step()
		}
	})
}

func (r *boltReader) ScanKeys(use func(k []byte)) error { return scanKeys(r, use) }

func (r *boltReader) Close() error {
	if r.tx == nil {
		return nil
	}
	return r.tx.Rollback()
}
