package main

import (
	"context"

	lightningdb "lightningdb"
)

// lightningBank's transactions lock what they read if get is GetForUpdate.
type lightningBank struct {
	db  *lightningdb.DB
	get func(tx *lightningdb.Tx, dst, key []byte) ([]byte, error)
}

func openLightningBank(dir string, sync bool) (Bank, error) {
	db, err := openLightningFor(dir, sync)
	return &lightningBank{db, (*lightningdb.Tx).GetAppend}, err
}

func openLightningLockingBank(dir string, sync bool) (Bank, error) {
	db, err := openLightningFor(dir, sync)
	return &lightningBank{db, func(tx *lightningdb.Tx, _, key []byte) ([]byte, error) { return tx.GetForUpdate(key) }}, err
}

func openLightningFor(dir string, sync bool) (*lightningdb.DB, error) {
	o := &lightningdb.Options{MemoryLimit: 256 << 20, Compression: lightningdb.NoCompression, Durability: lightningdb.Process}
	if sync {
		o.Durability = lightningdb.Sync
	}
	return lightningdb.Open(dir, o)
}

func (b *lightningBank) Update(fn func(BankTx) error) error {
	t := lightningTx{get: b.get}
	return b.db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		t.tx = tx
		return fn(&t)
	})
}

func (b *lightningBank) View(fn func(BankTx) error) error {
	return b.db.View(context.Background(), func(tx *lightningdb.Tx) error {
		return fn(&lightningTx{tx: tx, get: (*lightningdb.Tx).GetAppend})
	})
}

func (b *lightningBank) Close() error { return b.db.Close() }

type lightningTx struct {
	tx    *lightningdb.Tx
	get   func(tx *lightningdb.Tx, dst, key []byte) ([]byte, error)
	value []byte
}

func (t *lightningTx) Get(key []byte) (value []byte, err error) {
	t.value, err = t.get(t.tx, t.value[:0], key)
	return t.value, err
}

func (t *lightningTx) Put(key, value []byte) error { return t.tx.Put(key, value) }
