package main

import (
	"path/filepath"

	"go.etcd.io/bbolt"
)

var bucketName = []byte("bench")

func bboltKind() kind {
	return kind{
		name:   "bbolt",
		peer:   true,
		module: "go.etcd.io/bbolt",
		config: "go.etcd.io/bbolt; FreelistType hashmap, NoFreelistSync, InitialMmapSize 16 GiB, NoStatistics; NoSync when not " +
			"synced; DB.Batch with MaxBatchSize = writers when more than 2 goroutines commit, else DB.Update (bank transfers too); memory: the " +
			"operating system's page cache",
		open: openBbolt,
		bank: openBboltBank,
	}
}

type boltEngine struct {
	db    *bbolt.DB
	batch bool // writers share transactions
}

func openBbolt(dir string, writers int) (Engine, error) {
	db, err := openBboltFile(dir)
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize = writers
	return &boltEngine{db, writers > 2}, nil
}

// openBboltFile opens a database with an empty bucket.
func openBboltFile(dir string) (*bbolt.DB, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &bbolt.Options{
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: 16 << 30,
		NoStatistics:    true,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketName)
		return err
	})
	return db, err
}

// Write relies on no workload mixing synced and other writes at the same time.
func (e *boltEngine) Write(keys, values [][]byte, sync bool) error {
	if e.db.NoSync == sync {
		e.db.NoSync = !sync
	}
	put := func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketName)
		for i, k := range keys {
			if err := b.Put(k, values[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if e.batch {
		return e.db.Batch(put)
	}
	return e.db.Update(put)
}

func (e *boltEngine) Sync() error { return e.db.Sync() }

func (e *boltEngine) Settle() error { return nil }

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

func (r *boltReader) Scan(from []byte, limit int, use func(k, v []byte)) error {
	return r.view(func(b *bbolt.Bucket) {
		c := b.Cursor()
		k, v := c.Seek(from)
		for ; k != nil && limit != 0; limit-- {
			use(k, v)
			k, v = c.Next()
		}
	})
}

func (r *boltReader) Close() error {
	if r.tx == nil {
		return nil
	}
	return r.tx.Rollback()
}
