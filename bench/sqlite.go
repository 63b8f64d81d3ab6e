//go:build cgo

package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"path/filepath"
	"sync"

	"github.com/mattn/go-sqlite3"
)

func init() { cgoKinds = append(cgoKinds, sqliteKind()) }

func sqliteKind() kind {
	return kind{
		name:   "sqlite",
		peer:   true,
		module: "github.com/mattn/go-sqlite3",
		config: "github.com/mattn/go-sqlite3, without database/sql; WITHOUT ROWID table, WAL, synchronous FULL when synced, else " +
			"OFF, prepared statements; transfers BEGIN IMMEDIATE on one connection, which a mutex passes on (on several, SQLite " +
			"waits for itself by sleeping), and begin again on SQLITE_BUSY",
		bank: openSQLiteBank,
	}
}

// sqliteBank is one connection.
type sqliteBank struct {
	mu                      sync.Mutex // held by the transaction in progress
	conn                    *sqlite3.SQLiteConn
	begin, commit, rollback driver.Stmt
	beginView               driver.Stmt
	tx                      sqliteTx
	statements              []driver.Stmt
}

func openSQLiteBank(dir string, sync bool) (Bank, error) {
	durability := "OFF"
	if sync {
		durability = "FULL"
	}
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + filepath.Join(dir, "bank.sqlite") +
		"?_journal_mode=WAL&_mutex=no&_synchronous=" + durability)
	if err != nil {
		return nil, err
	}
	b := &sqliteBank{conn: conn.(*sqlite3.SQLiteConn)}
	return b, b.prepare()
}

func (b *sqliteBank) prepare() error {
	if _, err := b.conn.ExecContext(context.Background(), "CREATE TABLE bank (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", nil); err != nil {
		return err
	}
	for _, s := range []struct {
		to   *driver.Stmt
		text string
	}{
		{&b.begin, "BEGIN IMMEDIATE"},
		{&b.beginView, "BEGIN"},
		{&b.commit, "COMMIT"},
		{&b.rollback, "ROLLBACK"},
		{&b.tx.get, "SELECT v FROM bank WHERE k = ?"},
		{&b.tx.put, "INSERT OR REPLACE INTO bank VALUES (?, ?)"},
	} {
		statement, err := b.conn.Prepare(s.text)
		if err != nil {
			return err
		}
		*s.to = statement
		b.statements = append(b.statements, statement)
	}
	return nil
}

func (b *sqliteBank) Update(fn func(BankTx) error) error {
	for {
		err := b.run(b.begin, fn)
		if busy := (sqlite3.Error{}); !errors.As(err, &busy) || busy.Code != sqlite3.ErrBusy {
			return err
		}
	}
}

func (b *sqliteBank) View(fn func(BankTx) error) error { return b.run(b.beginView, fn) }

func (b *sqliteBank) run(begin driver.Stmt, fn func(BankTx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := execute(begin); err != nil {
		return err
	}
	err := fn(&b.tx)
	if err == nil {
		err = execute(b.commit)
	}
	if err != nil {
		err = errors.Join(err, execute(b.rollback))
	}
	return err
}

func (b *sqliteBank) Close() error {
	var errs []error
	for _, s := range b.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, b.conn.Close())...)
}

// execute runs a statement that returns no rows.
func execute(s driver.Stmt, arguments ...driver.NamedValue) error {
	_, err := s.(driver.StmtExecContext).ExecContext(context.Background(), arguments)
	return err
}

type sqliteTx struct {
	get, put driver.Stmt
	row      [1]driver.Value
}

func (t *sqliteTx) Get(key []byte) ([]byte, error) {
	rows, err := t.get.(driver.StmtQueryContext).QueryContext(context.Background(), []driver.NamedValue{{Ordinal: 1, Value: key}})
	if err != nil {
		return nil, err
	}
	err = rows.Next(t.row[:])
	if errors.Is(err, io.EOF) {
		err = errors.New("no such account")
	}
	value, _ := t.row[0].([]byte)
	return value, errors.Join(err, rows.Close())
}

func (t *sqliteTx) Put(key, value []byte) error {
	return execute(t.put, driver.NamedValue{Ordinal: 1, Value: key}, driver.NamedValue{Ordinal: 2, Value: value})
}
