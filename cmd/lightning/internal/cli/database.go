package cli

import (
	"errors"

	"lightningdb"
	"lightningdb/cmd/internal/console"
)

// read opens the database for reading and runs f.
func (a *app) read(dir string, f func(db *lightningdb.DB) error) error {
	return a.with(dir, lightningdb.Options{ReadOnly: true, MustExist: true}, f)
}

// change opens a database that exists for writing and runs f.
func (a *app) change(dir string, d console.Durability, f func(db *lightningdb.DB) error) error {
	return a.with(dir, lightningdb.Options{MustExist: true, Durability: lightningdb.Durability(d)}, f)
}

// create is change for commands that may begin a database.
func (a *app) create(dir string, d console.Durability, f func(db *lightningdb.DB) error) error {
	return a.with(dir, lightningdb.Options{Durability: lightningdb.Durability(d)}, f)
}

// with opens, runs and closes. The error of Close counts: a write is done only if Close succeeds, too.
func (a *app) with(dir string, o lightningdb.Options, f func(db *lightningdb.DB) error) (err error) {
	if dir == "" {
		return console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	o.MemoryLimit = int64(a.MemoryLimit)
	a.Place = dir
	db, err := lightningdb.Open(dir, &o)
	if err != nil {
		return err // it names the operation and the directory
	}
	defer func() { err = console.Also(err, db.Close()) }()
	if err := a.Ended(); err != nil { // opening may have taken long
		return err
	}
	return f(db)
}
