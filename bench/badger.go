package main

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

func badgerKind() kind {
	return kind{
		name:   "badger",
		peer:   true,
		module: "github.com/dgraph-io/badger/v4",
		config: "github.com/dgraph-io/badger/v4; DefaultOptions, no compression and therefore no block cache (as its " +
			"documentation advises), metrics off; synced: SyncWrites; transactions begin again on ErrConflict",
		bank: openBadgerBank,
	}
}

type badgerBank struct{ db *badger.DB }

func openBadgerBank(dir string, sync bool) (Bank, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithSyncWrites(sync))
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
