package main

import (
	"bytes"
	"errors"

	"github.com/dgraph-io/badger/v4"
	badgeroptions "github.com/dgraph-io/badger/v4/options"
)

func badgerKind() kind {
	return kind{
		name:   "badger",
		peer:   true,
		module: "github.com/dgraph-io/badger/v4",
		config: "github.com/dgraph-io/badger/v4; DefaultOptions, no compression (Snappy if asked for) and therefore no " +
			"block cache (as its documentation advises; tables are mapped, so the cache is the operating system's), metrics " +
			"off; durable: SyncWrites; bulk load by WriteBatch, scans without PrefetchValues; transactions begin again on " +
			"ErrConflict. Large values: ValueThreshold 4 KiB (by default 1 MiB, which none of them has), RunValueLogGC(0.5) " +
			"until there is nothing to rewrite",
		open: openBadger,
		bank: openBadgerBank,
	}
}

func openBadgerDB(dir string, o options) (*badger.DB, error) {
	settings := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithSyncWrites(o.sync)
	if o.compress {
		settings = settings.WithCompression(badgeroptions.Snappy).WithBlockCacheSize(o.memory)
	} else {
		settings = settings.WithCompression(badgeroptions.None).WithBlockCacheSize(0)
	}
	if o.apart {
		settings = settings.WithValueThreshold(valuesApart)
	}
	return badger.Open(settings)
}

type badgerEngine struct{ db *badger.DB }

func openBadger(dir string, o options) (Engine, error) {
	db, err := openBadgerDB(dir, o)
	return &badgerEngine{db}, err
}

// Write cannot meet ErrConflict: it reads nothing.
func (e *badgerEngine) Write(keys, values [][]byte) error {
	return e.db.Update(func(tx *badger.Txn) error {
		for i, k := range keys {
			var err error
			if values == nil {
				err = tx.Delete(k)
			} else {
				err = tx.Set(k, values[i])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// BulkLoad gives copies, which a WriteBatch keeps until it is flushed.
func (e *badgerEngine) BulkLoad(next func() (keys, values [][]byte)) error {
	b := e.db.NewWriteBatch()
	defer b.Cancel()
	for keys, values := next(); len(keys) > 0; keys, values = next() {
		for i, k := range keys {
			if err := b.Set(bytes.Clone(k), bytes.Clone(values[i])); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

func (e *badgerEngine) Sync() error { return e.db.Sync() }

// Busy reports whether a level is due for compaction; badger does not tell what is going on.
func (e *badgerEngine) Busy() (bool, error) {
	for _, level := range e.db.Levels() {
		if level.Score >= 1 {
			return true, nil
		}
	}
	return false, nil
}

func (e *badgerEngine) Compact() error {
	const workers = 2
	return e.db.Flatten(workers)
}

// CollectValues rewrites the files of the value log that are garbage by half, the share that badger's documentation
// recommends.
func (e *badgerEngine) CollectValues() error {
	const share = 0.5
	for {
		err := e.db.RunValueLogGC(share)
		if errors.Is(err, badger.ErrNoRewrite) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (e *badgerEngine) Close() error { return e.db.Close() }

func (e *badgerEngine) Reader(shared bool) (Reader, error) {
	r := &badgerReader{db: e.db}
	if shared {
		r.tx = e.db.NewTransaction(false /* update */)
	}
	return r, nil
}

// badgerReader has a transaction only if it is shared.
type badgerReader struct {
	db *badger.DB
	tx *badger.Txn
}

func (r *badgerReader) view(fn func(*badger.Txn) error) error {
	if r.tx != nil {
		return fn(r.tx)
	}
	return r.db.View(fn)
}

func (r *badgerReader) Get(key []byte, use func([]byte)) (found bool, err error) {
	err = r.view(func(tx *badger.Txn) error {
		item, err := tx.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		return item.Value(func(v []byte) error {
			use(v)
			return nil
		})
	})
	return found, err
}

func (r *badgerReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	return r.view(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		o.Reverse = d == backward
		it := tx.NewIterator(o)
		defer it.Close()
		it.Seek(from)
		if d == backward && it.Valid() && bytes.Equal(it.Item().Key(), from) {
			it.Next()
		}
		for ; it.Valid() && limit != 0; limit-- {
			item := it.Item()
			err := item.Value(func(v []byte) error {
				use(item.Key(), v)
				return nil
			})
			if err != nil {
				return err
			}
			it.Next()
		}
		return nil
	})
}

func (r *badgerReader) ScanKeys(use func(k []byte)) error {
	return r.view(func(tx *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		it := tx.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			use(it.Item().Key())
		}
		return nil
	})
}

func (r *badgerReader) Close() error {
	if r.tx != nil {
		r.tx.Discard()
	}
	return nil
}

type badgerBank struct{ db *badger.DB }

func openBadgerBank(dir string, o options) (Bank, error) {
	db, err := openBadgerDB(dir, o)
	return &badgerBank{db}, err
}

func (b *badgerBank) Update(fn func(BankTx) error) error {
	for {
		err := b.db.Update(func(tx *badger.Txn) error { return fn(&badgerTx{tx: tx}) })
		if !errors.Is(err, badger.ErrConflict) {
			return err
		}
	}
}

func (b *badgerBank) View(fn func(BankTx) error) error {
	return b.db.View(func(tx *badger.Txn) error { return fn(&badgerTx{tx: tx}) })
}

func (b *badgerBank) Close() error { return b.db.Close() }

type badgerTx struct {
	tx    *badger.Txn
	value []byte
}

func (t *badgerTx) Get(key []byte) ([]byte, error) {
	item, err := t.tx.Get(key)
	if err != nil {
		return nil, err
	}
	t.value, err = item.ValueCopy(t.value)
	return t.value, err
}

func (t *badgerTx) Put(key, value []byte) error { return t.tx.Set(key, value) }
