package main

import (
	"context"

	lightningdb "lightningdb"
)

// ctx is for calls that nothing interrupts.
var ctx = context.Background()

// lightningBank's transactions lock what they read if get is GetForUpdate.
type lightningBank struct {
	db  *lightningdb.DB
	get func(tx *lightningdb.Tx, dst, key []byte) ([]byte, error)
}

func openLightningBank(dir string, o options) (Bank, error) {
	db, err := openLightningFor(dir, o)
	return &lightningBank{db, (*lightningdb.Tx).GetAppend}, err
}

func openLightningLockingBank(dir string, o options) (Bank, error) {
	db, err := openLightningFor(dir, o)
	return &lightningBank{db, func(tx *lightningdb.Tx, _, key []byte) ([]byte, error) { return tx.GetForUpdate(key) }}, err
}

func (b *lightningBank) Update(fn func(BankTx) error) error {
	t := lightningTx{get: b.get}
	return b.db.Update(ctx, func(tx *lightningdb.Tx) error {
		t.tx = tx
		return fn(&t)
	})
}

func (b *lightningBank) View(fn func(BankTx) error) error {
	return b.db.View(ctx, func(tx *lightningdb.Tx) error {
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
